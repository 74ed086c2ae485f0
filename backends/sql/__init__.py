"""Looks into an SQLite file, or into a database of PostgreSQL."""
