"""Whether a disk has room for a copy."""

import shutil
from pathlib import Path

from bot.contract import Blocked

LEFT_FREE_SHARE = 0.05  # of the disk: whatever is live may stand on it, and must be able to write


def refuse_without_room(folder: Path, size: int) -> None:
    """Raises Blocked before the first byte."""
    disk = shutil.disk_usage(folder)
    kept = int(disk.total * LEFT_FREE_SHARE)
    if size + kept > disk.free:
        raise Blocked(
            f"The disk of {folder} has {disk.free:,} bytes free. The copy needs {size:,}, and {kept:,} are "
            "left for whatever else is on it: free some space."
        )
