"""Cells as requests: `%%generate`, `%generate` and `%nbkit`."""
