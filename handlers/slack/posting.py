"""One message in Slack: posted once, found again when the answer was lost, changed, marked as an older copy.

What Slack does not take as it is drawn is said plainer, so that no card is silently missing. Which messages
there have to be, what they show and what follows when one is impossible, is for the publisher.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from bot.clock import Clock
from bot.views.limits import Block, MessageContent, cut
from handlers.slack.refusals import Meaning, meaning
from handlers.slack.sending import AnswerLost, MustWait, Sender
from storage.cards import MAYBE, Card, CardStore

log = structlog.get_logger()

EVENT_TYPE = "rollback_card"
_OLDER = {"event_type": "rollback_card_older", "event_payload": {}}  # nobody looks for it any more
LOOKED_THROUGH_MESSAGES = 200  # a post whose answer was just lost is among the newest
LOOKED_FOR = timedelta(seconds=20)  # Slack may refuse to say for so long; then it is posted once more
PLAINEST_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True)
class PostedMessage:
    channel: str
    ts: str
    drawn: bool  # False: found again, showing nobody knows what


class CannotPost(Exception):
    """Nothing can be said there. The reason is Slack's own word for it."""


class MessageGone(Exception):
    """The message was deleted, or cannot be changed any more."""


class ThreadGone(Exception):
    """There is no such thread to reply in."""


class Posting:
    """Raises MustWait wherever Slack is asked. `may_publish` is asked before each time."""

    def __init__(
        self, sender: Sender, cards: CardStore, clock: Clock, may_publish: Callable[[], Awaitable[bool]]
    ) -> None:
        self._sender = sender
        self._cards = cards
        self._clock = clock
        self._may_publish = may_publish

    async def post(self, card: Card, drawing: MessageContent, seq: int, thread: str | None) -> PostedMessage:
        """`seq`: how far the run is that is drawn. Raises CannotPost and ThreadGone."""
        self._sender.check("chat.postMessage", card.recipient)
        if card.unclear and (found := await self._found_again(card, thread)) is not None:
            return found
        await self._cards.tried(card.key, self._clock())
        try:
            answer = await self._said("chat.postMessage", card, drawing, _new(card, seq, thread))
        except AnswerLost:
            raise  # `tried_at` stays: it is looked for before it is posted again
        except (MustWait, CannotPost, ThreadGone, MessageGone):
            await self._cards.untried(card.key)
            raise
        return PostedMessage(str(answer["channel"]), str(answer["ts"]), drawn=True)

    async def update(self, card: Card, drawing: MessageContent, seq: int, *, can_wait: bool) -> None:
        """Raises CannotPost and MessageGone."""
        place = {"channel": card.channel, "ts": card.ts, "metadata": _mark(card, seq)}
        await self._said("chat.update", card, drawing, place, can_wait=can_wait)

    async def mark_older(self, card: Card, drawing: MessageContent) -> None:
        """An older message of this card says from now on where the live one is; `drawing` has no buttons."""
        older = card.superseded_ts
        if older == MAYBE:
            others = [found.ts for found in await self._look(card, None) or () if found.ts != card.ts]
            older = others[0] if others else None
        if older is not None:
            await self._cards.supersede(card.key, older)
            try:
                place = {"channel": card.channel, "ts": older, "metadata": _OLDER}
                await self._said("chat.update", card, drawing, place, can_wait=True)
            except (CannotPost, MessageGone, ThreadGone) as problem:
                log.info("older copy", run=card.run_id, error=str(problem))
        await self._cards.supersede(card.key, None)

    async def _found_again(self, card: Card, thread: str | None) -> PostedMessage | None:
        """The message whose answer was lost; None: it has to be posted, once more or for the first time."""
        try:
            found = await self._look(card, thread)
        except MustWait:
            if card.tried_at is None or self._clock() - card.tried_at < LOOKED_FOR:
                raise
            if thread is None:
                await self._cards.supersede(card.key, MAYBE)
            return None
        if not found:
            return None
        if len(found) > 1 and thread is None:  # nobody presses anything in a thread
            await self._cards.supersede(card.key, found[1].ts)
        return found[0]

    async def _look(self, card: Card, thread: str | None) -> list[PostedMessage] | None:
        """Returns where this card stands, the newest first; None: we may not read there."""
        method = "conversations.history" if thread is None else "conversations.replies"
        within: dict[str, Any] = {
            "ts": thread,
            "limit": LOOKED_THROUGH_MESSAGES,
            "include_all_metadata": True,
        }
        try:
            channel = await self._conversation(card.recipient)
            answer = await self._ask(method, channel=channel, **within)
        except SlackApiError as problem:
            log.info("look up", run=card.run_id, error=problem.response.get("error"))
            return None
        found = sorted((str(m["ts"]) for m in answer["messages"] if _is_of(card, m)), reverse=True)
        return [PostedMessage(channel, ts, drawn=False) for ts in found]

    async def _conversation(self, recipient: str) -> str:
        """A channel is one; with a person it is found by opening it, which nobody notices."""
        if recipient[:1] in {"C", "G", "D"}:
            return recipient
        opened = await self._ask("conversations.open", users=recipient)
        return str(opened["channel"]["id"])

    async def _said(
        self,
        method: str,
        card: Card,
        drawing: MessageContent,
        place: Mapping[str, Any],
        *,
        can_wait: bool = False,
    ) -> Any:
        """Says it as it is drawn, and plainer while Slack refuses its shape."""
        refused = ""
        for said in _plainer_and_plainer(drawing):
            try:
                return await self._ask(method, card.recipient, can_wait=can_wait, **{**place, **said})
            except SlackApiError as problem:
                refused = str(problem.response.get("error"))
                match meaning(method, refused):
                    case Meaning.PLACE:
                        raise CannotPost(refused) from None
                    case Meaning.MESSAGE:
                        raise MessageGone(refused) from None
                    case Meaning.THREAD:
                        raise ThreadGone(refused) from None
                log.error("not taken as drawn", run=card.run_id, card=card.kind.value, error=refused)
        raise CannotPost(refused)

    async def _ask(self, method: str, place: str = "", *, can_wait: bool = False, **arguments: Any) -> Any:
        if not await self._may_publish():
            raise MustWait(self._clock().timestamp())
        where = place if method == "chat.postMessage" else ""  # the others' budgets are the workspace's
        return await self._sender.call(method, where, can_wait=can_wait, **arguments)


def _new(card: Card, seq: int, thread: str | None) -> dict[str, Any]:
    quiet = {"unfurl_links": False, "unfurl_media": False}
    return {"channel": card.recipient, "thread_ts": thread, "metadata": _mark(card, seq), **quiet}


def _mark(card: Card, seq: int) -> dict[str, Any]:
    """Marks a card so that it is found again, and a run that was forgotten by how far it was drawn."""
    payload = {"run_id": card.run_id, "card": card.key, "seq": seq}
    return {"event_type": EVENT_TYPE, "event_payload": payload}


def _plainer_and_plainer(drawing: MessageContent) -> Iterator[dict[str, Any]]:
    """Yields it as drawn; its words and its buttons; the beginning of its words, with nothing beside them."""
    words: Block = {"type": "section", "text": {"type": "plain_text", "text": cut(drawing.text, 3_000)}}
    buttons = [block for block in drawing.blocks if block.get("type") == "actions"]
    yield {"text": drawing.text, "blocks": list(drawing.blocks)}
    yield {"text": drawing.text, "blocks": [words, *buttons]}
    yield {"text": cut(drawing.text, PLAINEST_CHARACTERS), "blocks": [], "metadata": None}


def _is_of(card: Card, message: Mapping[str, Any]) -> bool:
    metadata = message.get("metadata") or {}
    payload = metadata.get("event_payload") or {}
    return metadata.get("event_type") == EVENT_TYPE and payload.get("card") == card.key
