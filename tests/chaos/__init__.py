"""Breaks the bot in every way that we know of, then asks one checker what should never have happened.

`python -m tests.chaos` runs all of it; the tests of this folder are its quick selection.
"""
