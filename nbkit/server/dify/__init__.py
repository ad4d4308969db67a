"""Dify's workflow API on this machine: two workflow apps, whose steps are runs of the server's own endpoints.

The way through: `app` finds the route → `run_routes` and `file_routes` read the request → `state` knows the app of a
key → `performance` takes a `live_run` through its steps, each a run of the service → the run's events go to whoever
follows it, its record to the `run_table`.
"""
