"""A training's state in a folder, and going on from it."""
