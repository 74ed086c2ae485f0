"""What the front signs and the worker checks: that a person's word came through the door.

Ed25519 over the canonical JSON of (installation, run, seq, kind, plan digest, person, time, digest of the
data): whatever is changed in a stored word of a person, it does not count any more.
"""

from collections.abc import Iterable, Iterator, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bot.canonical_json import canonical, digest, iso
from bot.model import E, Event, Run

# What people alone can say: under nobody's name it is as good as unsigned.
SAID_BY_SOMEBODY = frozenset(
    {
        E.REQUESTED,
        E.APPROVED,
        E.VETOED,
        E.CANCELLED,
        E.STOP_REQUESTED,
        E.RETRIED,
        E.CONFIRMED,
        E.CONTINUE_PROPOSED,
        E.CONTINUED,
        E.ENDED,
        E.RESOLVE_PROPOSED,
        E.RESOLVED_POINT,
        E.RESOLVED_UNCHANGED,
        E.RESOLVED_UNCLEAR,
        E.LEAVE_PROPOSED,
        E.LEAVE_AGREED,
    }
)


def statement(installation: str, run_id: str, plan: str, event: Event) -> bytes:
    """`plan`: the digest that the word was said about; empty for a request, which has none yet."""
    return canonical(
        {
            "installation": installation,
            "run": run_id,
            "seq": event.seq,
            "kind": event.kind.value,
            "plan": plan,
            "person": event.by,
            "at": iso(event.at),
            "data": digest(dict(event.data)),
        }
    )


class Signer:
    """The front's private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    def sign(self, message: bytes) -> str:
        """The signature in hex, 128 characters."""
        return self._key.sign(message).hex()

    @property
    def public(self) -> Ed25519PublicKey:
        return self._key.public_key()


def why_not_signed(
    installation: str,
    run: Run,
    events: Sequence[Event],
    keys: Iterable[Ed25519PublicKey],
    after: int = 0,
) -> str | None:
    """Why some word of a person on this run cannot be trusted; None: all of them can.

    `events` are all of the run, `after` is the seq up to which they were looked at before. Every word since
    the request was said about the run's plan, and about no other.
    """
    keys = tuple(keys)
    for event, signed_for in _with_installation(installation, events):
        said = event.by or event.kind in SAID_BY_SOMEBODY
        if event.seq > after and said and not _signed(signed_for, run, event, keys):
            word, who = event.kind.value.replace("_", " "), event.by or "nobody"
            return f"the {word} of {run.id} by {who} carries no valid signature"
    return None


def _with_installation(installation: str, events: Sequence[Event]) -> Iterator[tuple[Event, str]]:
    """Each event with the name that the database had then: a restore from a backup gives it a new one."""
    restores = [event for event in events if not event.by and "installation" in event.data]
    for event in events:
        until = (each for each in restores if each.seq > event.seq)
        restored = next(until, None)
        yield event, installation if restored is None else restored.data["installation"]


def _signed(installation: str, run: Run, event: Event, keys: tuple[Ed25519PublicKey, ...]) -> bool:
    plan = "" if event.kind is E.REQUESTED else run.digest
    message = statement(installation, run.id, plan, event)
    return any(_verifies(key, event.signature, message) for key in keys)


def _verifies(key: Ed25519PublicKey, signature: str, message: bytes) -> bool:
    try:
        key.verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):  # ValueError: not hexadecimal
        return False
    return True
