"""Workflows of one's own: built in Python, or read; drawn, checked, run, kept and published."""
