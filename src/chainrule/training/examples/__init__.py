"""Rows to train on and to look at: at hand, or block by block."""
