"""Remembers: tables, queries, migrations and the evidence log. Decides nothing."""
