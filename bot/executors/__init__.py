"""Executors: one file for each kind of backend. Which are known is in `registry`."""
