"""Looks into an SQLite file."""
