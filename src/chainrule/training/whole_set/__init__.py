"""Solvers that take the whole set at once."""
