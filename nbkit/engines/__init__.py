"""Models that run on this machine; they know nothing of HTTP."""
