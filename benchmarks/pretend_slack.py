"""The pretend Slack in a process of its own, so that its work is nobody else's latency; and its people.

First line: {"people": [ids], "channels": [ids]}, everybody being in every channel. Then {"do": …} orders.
"""

import asyncio
import time
from typing import Any

from benchmarks.orders import answer, orders
from workspace.slack.nouns import Message
from workspace.slack.server import PretendSlack
from workspace.slack.state import Workspace

CARD_TOO_YOUNG = 1.1  # seconds; the bot takes no approval in the first second of a card
LOOK_EVERY = 0.02  # seconds
SHOWN_WITHIN = 20.0  # seconds
SHOWN_AT_MOST = 3  # messages of a channel in which the card did not appear


async def main() -> None:
    asked = orders()
    workspace = Workspace(seed=1)
    _people(workspace, await anext(asked))
    server = await PretendSlack.start(workspace)
    answer({"url": server.api_url, "token": server.bot_token, "secret": server.signing_secret})
    async for order in asked:
        answer(await _do(server, order))
    await server.stop()


def _people(workspace: Workspace, order: dict[str, Any]) -> None:
    for person in order["people"]:
        workspace.add_user(person, person.lower())
    for channel in order["channels"]:
        workspace.add_channel(channel, f"inc-{channel.lower()}", members=order["people"])


async def _do(server: PretendSlack, order: dict[str, Any]) -> object:
    match order:
        case {"do": "reach", "url": url}:
            server.deliver_over("http", url)
            return {}
        case {"do": "type", "person": person, "channel": channel, "text": text}:
            reply = await server.slash(person, channel, text)
            return {"acked": reply.acked, "text": reply.text}
        case {"do": "approve", "person": person, "channel": channel, "run": run}:
            return await _approve(server, person, channel, run)
    raise ValueError(f"no such order: {order}")


async def _approve(server: PretendSlack, person: str, channel: str, run: str) -> dict[str, Any]:
    """As soon as the run's card is old enough. `sent`: nanoseconds of the machine's monotonic clock."""
    deadline = time.monotonic() + SHOWN_WITHIN
    while (card := _ripe(server.workspace, channel, run)) is None:
        if time.monotonic() > deadline:
            shown = [message.text for message in server.workspace.messages(channel)[-SHOWN_AT_MOST:]]
            raise TimeoutError(f"no card of {run} to approve in {channel}, which shows {shown}")
        await asyncio.sleep(LOOK_EVERY)
    sent = time.monotonic_ns()
    reply = await server.click(person, card, "approve")
    return {"sent": sent, "acked": reply.acked, "error": reply.error}


def _ripe(workspace: Workspace, channel: str, run: str) -> Message | None:
    for message in reversed(workspace.messages(channel)):
        mine = f"'{run}'" in str(message.metadata)
        if mine and any(action == "approve" for _, action, _, _ in message.buttons()):
            return message if workspace.clock() - message.at > CARD_TOO_YOUNG else None
    return None


if __name__ == "__main__":
    asyncio.run(main())
