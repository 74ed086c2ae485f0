"""Faults of the machine below the bot: bytes that change, a disk that is full or lies, a clock that jumps."""
