"""Keys in files: the private one of a front, and the public ones of the fronts that a worker believes."""

import hashlib
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from bot.errors import ConfigurationError
from bot.signatures import Signer


def signer_at(path: Path) -> Signer:
    """Returns the key in `path`, made there (mode 0600) when there is none."""
    if path.exists():
        key = load_pem_private_key(path.read_bytes(), password=None)
        assert isinstance(key, Ed25519PrivateKey)
        return Signer(key)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(pem)
    path.with_suffix(".pub").write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return Signer(key)


def key_id(key: Ed25519PublicKey) -> str:
    """Returns a short name of a key, by which people compare two: 8 hex digits."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:8]


def believed_keys(path: Path | None, signer: Signer | None) -> tuple[Ed25519PublicKey, ...]:
    """Returns the keys of the fronts whose decisions are carried out here, our own first.

    Raises ConfigurationError. `path` None: no other front is known.
    """
    own = (signer.public,) if signer is not None else ()
    if path is None:
        return own
    try:
        return (*own, *public_keys(path))
    except (OSError, ValueError) as problem:
        words = f"ROLLBACK_FRONT_KEYS_FILE: {path} holds no public key: {problem}."
        raise ConfigurationError((words,)) from None


def public_keys(path: Path) -> tuple[Ed25519PublicKey, ...]:
    """Returns every public key of a PEM file."""
    end = b"-----END PUBLIC KEY-----"
    blocks = [part + end for part in path.read_bytes().split(end) if b"BEGIN PUBLIC KEY" in part]
    keys = [load_pem_public_key(block.strip()) for block in blocks]
    return tuple(key for key in keys if isinstance(key, Ed25519PublicKey))
