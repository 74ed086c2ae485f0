"""For the world.py of a backend, which declares a small real one: see backends.conformance."""

from backends.conformance.harness import (
    PATIENCE_SECONDS,
    SHORT_SECONDS,
    CheckWorld,
    ElsewhereWorld,
    Moment,
    Plight,
    SlowWorld,
    TroubledWorld,
    World,
)

__all__ = [
    "PATIENCE_SECONDS",
    "SHORT_SECONDS",
    "CheckWorld",
    "ElsewhereWorld",
    "Moment",
    "Plight",
    "SlowWorld",
    "TroubledWorld",
    "World",
]
