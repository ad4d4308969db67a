"""Users' own functions as endpoints."""
