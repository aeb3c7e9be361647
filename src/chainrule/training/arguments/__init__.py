"""What cr.train is asked for: settings and solvers, read, checked and chosen."""
