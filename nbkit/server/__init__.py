"""The embedded server: fal's protocol on this machine, answered by models that run on its CPU.

The way through: `access` lets a request in → `queue_routes`, `run_routes`, `storage_routes` read it → `dispatcher`
gives a run to a `workers` process (or to `workflow`, which makes several) → `worker` calls the function in
`models` that the `catalogue` names → the outcome goes back as it came.
"""
