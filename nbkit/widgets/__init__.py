"""What moves in a notebook: the live card."""
