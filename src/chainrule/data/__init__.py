"""Data sets: readers, splitting, scaling, and the pipeline from raw columns to predictions."""
