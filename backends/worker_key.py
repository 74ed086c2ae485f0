"""The secret that the workers of one zone share, and nobody else.

What they write down beside a target carries its HMAC, and what a plan pins of places is a digest under it:
whoever cannot read the key can neither make the one nor guess the other.
"""

import hashlib
import hmac
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.errors import ConfigurationError

KEY_BYTES = 32
_LINE = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, repr=False)
class WorkerKey:
    keys: tuple[bytes, ...]  # the first one is used, the others are still believed

    @classmethod
    def fresh(cls) -> Self:
        """Returns a new key that is kept nowhere."""
        return cls((secrets.token_bytes(KEY_BYTES),))

    @classmethod
    def at(cls, path: Path) -> Self:
        """Returns the keys in `path`, which is made (mode 0600) where it is missing.

        Raises ConfigurationError.
        """
        with suppress(FileExistsError):
            _make(path)
        try:
            lines = path.read_text("ascii").split()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError((f"The worker's key {path} cannot be read: {error}.",)) from None
        if not lines or not all(_LINE.fullmatch(line) for line in lines):
            raise ConfigurationError(
                (f"{path} holds no worker's key: it needs 64 hexadecimal digits a line, the newest first.",)
            )
        return cls(tuple(bytes.fromhex(line) for line in lines))

    @property
    def id(self) -> str:
        """Says which key is used without telling it: 8 hex digits."""
        return _mac(self.keys[0], "id", b"")[:8]

    def mac(self, purpose: str, message: bytes) -> str:
        """Returns the HMAC-SHA256 under a key that is derived for this purpose: 64 hex digits."""
        return _mac(self.keys[0], purpose, message)

    def made(self, purpose: str, message: bytes, mac: str) -> bool:
        """Whether a worker of this zone made it, with this key or one that is still believed."""
        return any(hmac.compare_digest(_mac(key, purpose, message), mac) for key in self.keys)


def _make(path: Path) -> None:
    """Whole or not at all: two processes that start at once take the same key."""
    if path.exists():
        raise FileExistsError(path)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "w") as file:
            file.write(f"{secrets.token_hex(KEY_BYTES)}\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(fresh, path)
    finally:
        fresh.unlink()


def _mac(key: bytes, purpose: str, message: bytes) -> str:
    derived = HKDF(SHA256(), KEY_BYTES, salt=None, info=f"rollback-bot {purpose}".encode()).derive(key)
    return hmac.new(derived, message, hashlib.sha256).hexdigest()
