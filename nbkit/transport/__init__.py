"""All that touches the network, and the one thread that does so."""
