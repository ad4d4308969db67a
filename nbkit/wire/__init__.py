"""Bytes and JSON to values and back, for clients and servers alike. No sockets, no sleeping."""
