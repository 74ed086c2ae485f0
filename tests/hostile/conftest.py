from tests.handlers.conftest import open_world

__all__ = ["open_world"]
