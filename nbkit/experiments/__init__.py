"""Experiments: one input, some axes, many runs; what came out, seen and counted."""
