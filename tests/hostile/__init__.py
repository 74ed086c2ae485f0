"""Requests of people who mean harm, made from a seed: before authentication, after it, and on the wire.

Run long by `python -m tests.hostile`; `make test` runs a few thousand of each.
"""
