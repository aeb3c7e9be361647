"""The explorer: a network of your own on a page, served to this machine alone.

Python has all the numbers; the page asks for them by a JSON API, slice by slice.
"""
