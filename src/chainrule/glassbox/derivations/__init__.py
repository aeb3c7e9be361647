"""The derivation as data: quantities, expressions, notations, and the steps that are made of them."""
