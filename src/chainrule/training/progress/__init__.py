"""How far a training has come, and how it ended."""
