"""Dify's service API for workflow apps: its JSON to values and back."""
