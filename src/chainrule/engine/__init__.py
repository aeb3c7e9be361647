"""Plans, networks, and the backends that run them forward and backward."""
