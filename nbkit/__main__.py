"""`python -m nbkit` is the command line."""

from nbkit.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
