"""What went wrong: units and δ by layer, and the first number of a divergence."""
