"""What the world of a backend is made with. A file named world.py declares it: see backends.conformance."""

from backends.conformance.harness import PATIENCE, SHORT, CheckWorld, Moment, World

__all__ = ["PATIENCE", "SHORT", "CheckWorld", "Moment", "World"]
