"""Measures what the documents state as figures. Run by `make bench`."""
