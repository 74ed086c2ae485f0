"""Tells which messages a run asks for: of which kind, for whom, and of which moment."""

from collections.abc import Iterator, Sequence

from bot.model import State
from bot.run import Run
from storage.cards import Card, CardKind


def awaits_its_card(run: Run) -> bool:
    """Nobody can approve what nobody was shown."""
    return run.state is State.AWAITING_APPROVAL and run.approval.posted_at is None


def standing(cards: Sequence[Card], *kinds: CardKind) -> Iterator[Card]:
    """Yields cards of these kinds that Slack has not made impossible, in the order of the kinds."""
    return (card for kind in kinds for card in cards if card.kind is kind and card.gone is None)


def asked_for(run: Run, cards: Sequence[Card]) -> Iterator[tuple[CardKind, str, str]]:
    """The messages that a state asks for: what, for whom, and of which moment."""
    if run.state is State.AWAITING_APPROVAL:
        yield from ((CardKind.DIRECT, user, "") for user in run.approval.awaited)
    has_card = next(standing(cards, CardKind.CARD), None) is not None
    if not has_card and not run.request.by_itself:
        yield CardKind.DIRECT, run.request.requester.id, ""
    if run.is_snapshot and run.state is State.SUCCEEDED and run.work.copies_at.get(run.request.target):
        yield CardKind.ADDRESS, run.request.requester.id, ""
    if (now := moment_of(run)) is None:
        return
    if has_card:
        yield CardKind.NOTICE, run.request.channel, now
    elif run.approval.posted_at is not None:
        yield from ((CardKind.NOTICE, user, now) for user in called(run))


def called(run: Run) -> list[str]:
    """Whom news is for when it cannot stand under the card."""
    asked = [] if run.request.by_itself else [run.request.requester.id]
    return list(dict.fromkeys([*asked, *(approval.person for approval in run.approval.given)]))


def moment_of(run: Run) -> str | None:
    """The moment that makes phones ring, once: it ended, or people have to decide since then."""
    if run.state.final:
        return "ended"
    if run.state in {State.PAUSED, State.STUCK} and run.question.since is not None:
        return f"{run.state.value}.{run.question.since.timestamp():.3f}"
    return None
