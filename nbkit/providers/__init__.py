"""The conversation with one kind of service, as asynchronous flows over wire and transport."""
