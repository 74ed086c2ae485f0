"""Whether a disk has room for a copy."""

import shutil
from pathlib import Path

from bot.contract import Blocked


def refuse_without_room(folder: Path, size: int) -> None:
    """Raises Blocked before the first byte."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise Blocked(
            f"The disk of {folder} has {free:,} bytes free, and the copy needs {size:,}: free some space."
        )
