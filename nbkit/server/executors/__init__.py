"""Where requests are computed elsewhere: in whatever runs tasks for a `concurrent.futures.Executor`.

The way of a request: `workplace` knows how many fit → a `seat` submits a task, `relay.run`, to the `pool` → wherever
that runs, it calls in over the `line` → the `handshake` shows both sides that the other knows the task's token →
`carrying` brings what its machine has not → a worker process beside the relay computes, as those of this machine do →
logs, pictures and the outcome come back over the line. So an executor only decides where.
"""
