"""Mirrors the three packages, and holds the contracts that every executor and check must pass."""
