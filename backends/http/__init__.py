"""Looks at an address."""
