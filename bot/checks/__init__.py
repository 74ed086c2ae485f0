"""Checks: one file for each way to look. Which are known is in `registry`."""
