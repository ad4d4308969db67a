"""The subcommands of `%nbkit`, a file for each group."""
