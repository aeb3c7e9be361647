"""The derivation of a network of your own, with its numbers: as data, as text, LaTeX and HTML, and as pictures."""
