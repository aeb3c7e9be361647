"""A derivation as text, LaTeX and HTML: expressions become boxes in one place, and each writer writes boxes."""
