"""What the front signs and the worker checks: that a person's word came through the door.

Ed25519 over the canonical JSON of (installation, run, seq, kind, plan digest, person, time, digest of the
data): whatever is changed in a stored word of a person, it does not count any more.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bot.canonical_json import canonical, digest, iso
from bot.codec import encode
from bot.envelope import Event, Stored
from bot.events import Planned, Requested
from bot.facts import AfterRestore, Word
from bot.run import Run


def statement(installation: str, run_id: str, plan: str, event: Event, stored: Stored) -> bytes:
    """Returns what is signed of an event: its envelope, and what is stored of it as it is stored.

    `plan`: the digest that the word was said about; empty for a request, which has none yet.
    """
    return canonical(
        {
            "installation": installation,
            "run": run_id,
            "seq": event.seq,
            "kind": stored.kind,
            "plan": plan,
            "person": event.by,
            "at": iso(event.at),
            "data": digest(stored.data),
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


def sealed(event: Event, installation: str, run_id: str, plan: str, signer: Signer | None) -> Event:
    """Returns the event as it is stored, signed where that counts. `plan`: the digest of the plan."""
    fact = replace(event.fact, digest=plan) if isinstance(event.fact, Word) else event.fact
    stored = encode(fact)
    as_stored = replace(event, fact=fact, stored=stored)
    if signer is None or not _is_said(as_stored):
        return as_stored
    message = statement(installation, run_id, plan, as_stored, stored)
    return replace(as_stored, signature=signer.sign(message))


def _is_said(event: Event) -> bool:
    """Whether it counts only with a signature of a front: what people say, and what opens a run."""
    return bool(event.by) or isinstance(event.fact, Requested | Word)


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
        if event.seq > after and _is_said(event) and not _signed(signed_for, run, event, keys):
            word, who = event.kind.value.replace("_", " "), event.by or "nobody"
            return f"the {word} of {run.id} by {who} carries no valid signature"
    return None


def _with_installation(installation: str, events: Sequence[Event]) -> Iterator[tuple[Event, str]]:
    """Each event with the name that the database had then: a restore from a backup gives it a new one."""
    renamed = [(e.seq, e.fact.installation) for e in events if isinstance(e.fact, AfterRestore)]
    for event in events:
        until = (name for seq, name in renamed if seq > event.seq)
        yield event, next(until, installation)


def _signed(installation: str, run: Run, event: Event, keys: tuple[Ed25519PublicKey, ...]) -> bool:
    if event.stored is None:
        return False
    plan = "" if isinstance(event.fact, Requested) else run.approval.digest
    message = statement(installation, run.id, plan, event, event.stored)
    return any(_verifies(key, event.signature, message) for key in keys)


def why_not_as_planned(events: Iterable[Event]) -> str | None:
    """Why the plan of a run is not the one that people saw; None: it is, or there is none yet."""
    for event in events:
        match event:
            case Event(Planned(digest=seen), stored=Stored(data=data)) if digest(data["plan"]) != seen:
                return "the stored plan is not the one that was approved"
    return None


def _verifies(key: Ed25519PublicKey, signature: str, message: bytes) -> bool:
    try:
        key.verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):  # ValueError: not hexadecimal
        return False
    return True
