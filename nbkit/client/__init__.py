"""What users call: clients, and the runs that they give."""
