"""Values that everything else speaks of: endpoints, events, results and media."""
