"""*Now break it*: what the buttons of the demo do to the bot, to Slack and to the world around a rollback.

Each brings its target into trouble first where it is not, so it works again and again, and ends with one
sentence on what became of it, made of observed facts.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bot.errors import UserError
from workspace import world
from workspace.configuration import ANA, BEN, GUEST, ORDERS_CHANNEL, STOREFRONT_CHANNEL
from workspace.stage import RECONNECTED_WITHIN_SECONDS, Stage

SLACK_DOWN_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Break:
    label: str  # `{lost}` stands for the orders since the newest backup
    hint: str
    channel: str  # where to look
    user: str | None  # as whom; None: as before
    play: Callable[[Stage], Awaitable[str]]


# Trouble


async def storefront_in_trouble(stage: Stage) -> None:
    """No open request, and a release live that answers 500."""
    await make_way(stage, "storefront")
    if stage.seen.storefront.release in {"v39", "v40", "v41"}:
        world.deploy_next(stage.world, datetime.now(UTC))
    await stage.until("the storefront answers 500", lambda: stage.seen.storefront.status == 500)


async def orders_in_trouble(stage: Stage) -> None:
    """No open request, and orders with totals below 0."""
    await make_way(stage, "orders")
    await asyncio.to_thread(world.migrate, stage.world)
    await stage.until("bad orders", lambda: stage.seen.orders.bad_rows)


async def make_way(stage: Stage, target: str) -> None:
    """The open run of this target, if there is one, is cancelled, let end, or helped over its check."""
    await stage.look()
    run = stage.told.newest(target)
    if run is None or run.final:
        return
    if run.state in {"requested", "awaiting_approval"}:
        await stage.press(BEN, run.id, "cancel")
    elif stage.told.kinds(run.id)[-1] in {"checks_failed", "checks_inconclusive"}:
        stage.world.payments_flag.unlink(missing_ok=True)
        await stage.press(BEN, run.id, "retry")
        await stage.until(f"{run.id} goes on", lambda: (now := stage.told.run(run.id)) and now.seq > run.seq)
    if not (await stage.until_settled(run.id)).final:
        raise UserError(f"{run.id} waits for people: decide on its card first, then press again.")


async def ask_for_storefront(stage: Stage) -> str:
    return await stage.ask(ANA, STOREFRONT_CHANNEL, "storefront", "to v41 because the shop answers 500")


async def ask_for_orders(stage: Stage) -> str:
    point = world.newest_backup(stage.world)
    return await stage.ask(ANA, ORDERS_CHANNEL, "orders", f"to {point} because migration 0042 broke totals")


# The breaks


async def kill_bot(stage: Stage) -> str:
    await orders_in_trouble(stage)
    bad = stage.seen.orders.bad_rows
    run = await ask_for_orders(stage)
    await stage.press(BEN, run, "approve")
    share = await kill_in_the_middle(stage, run)
    ended = await stage.until_settled(run)
    results = stage.told.kinds(run).count(ended.state)
    return (
        f"Killed at {share:.0%} of the restore. {run} {ended.state}, with {results} result: "
        f"{bad} bad orders before, {stage.seen.orders.bad_rows} now."
    )


async def kill_in_the_middle(stage: Stage, run: str) -> float:
    """Kill the bot during the restore and wait until it is back; the share that was done."""
    share = await stage.until_mid_restore(run)
    stage.bot.kill()
    await stage.until("the bot is down", lambda: not stage.bot.is_up)
    await stage.bot.until_up()
    return share


async def fail_check(stage: Stage) -> str:
    if stage.world.payments_flag.exists():
        stage.world.payments_flag.unlink()
        return "The payment provider answers again: press *Check again* on the card."
    await storefront_in_trouble(stage)
    run = await ask_for_storefront(stage)
    stage.world.payments_flag.touch()
    await stage.press(BEN, run, "approve")
    await stage.until(f"{run} pauses", lambda: (row := stage.told.run(run)) and row.state == "paused", 60)
    return f"{run} waits for people, in maintenance. Press again to bring the payment provider back."


async def be_guest(stage: Stage) -> str:
    before = stage.told.refused.count((GUEST, ""))
    await stage.command(GUEST, STOREFRONT_CHANNEL, "storefront to v41 because I can")
    await stage.until("a refusal", lambda: stage.told.refused.count((GUEST, "")) > before)
    return "You are Guest: you asked and were refused. Try the buttons of a card, too."


async def deploy_meanwhile(stage: Stage) -> str:
    await storefront_in_trouble(stage)
    run = await ask_for_storefront(stage)
    await stage.until(f"the card of {run}", lambda: stage.card(run))
    release = world.deploy_next(stage.world, datetime.now(UTC))
    await stage.press(BEN, run, "approve")
    ended = await stage.until_settled(run)
    live = stage.seen.storefront.release
    return f"{release} went live while {run} waited. Ben approved: {run} is {ended.state}, {live} stays live."


async def slack_down(stage: Stage, seconds: float = SLACK_DOWN_SECONDS) -> str:
    await storefront_in_trouble(stage)
    run = await ask_for_storefront(stage)
    await stage.press(BEN, run, "approve")
    stage.server.faults.down_for(seconds)
    ended = await stage.until_settled(run)
    heard = "while Slack was down" if stage.server.faults.is_down else "after Slack came back"
    status = stage.seen.storefront.status
    await stage.until("Slack is back", lambda: not stage.server.faults.is_down, seconds + 5)
    await stage.until(
        "the bot is connected again", lambda: len(stage.server.sockets) > 0, RECONNECTED_WITHIN_SECONDS
    )
    await stage.until(f"the card says that {run} ended", lambda: stage.has_button(run, "undo"), 60)
    return f"{run} {ended.state} {heard} (GET / → {status}); its card caught up afterwards."


async def take_back_orders(stage: Stage) -> str:
    await orders_in_trouble(stage)
    await stage.command(ANA, ORDERS_CHANNEL, "orders")
    await stage.until("the form", lambda: stage.form(ANA))
    return "You are Ana, the form is open: choose a backup and ask. Ben or Cy approves."


async def drill_orders(stage: Stage) -> str:
    await stage.look()
    before = {run.id for run in stage.told.runs}
    await stage.command(ANA, ORDERS_CHANNEL, "drill orders because it is due")
    run = await stage.until("a drill of the orders", lambda: stage.new_run("orders", before))
    ended = await stage.until_settled(run)
    await stage.until(f"the copy of {run} goes", lambda: stage.told.kinds(run)[-1] == "step_succeeded")
    return (
        f"{run} {ended.state} on a copy, by the word of one person, and the copy is gone. Nothing live was "
        f"touched: {stage.seen.orders.bad_rows} bad orders, as before, and customers go on buying."
    )


BREAKS: Final = {
    "kill_bot": Break(
        "Kill the bot",
        "SIGKILL in the middle of a restore of the orders. It comes back, and there is one result.",
        ORDERS_CHANNEL,
        None,
        kill_bot,
    ),
    "fail_check": Break(
        "Make a check fail",
        "The payment provider is down, so no release is healthy: the run stops in maintenance and asks.",
        STOREFRONT_CHANNEL,
        None,
        fail_check,
    ),
    "be_guest": Break(
        "Be a guest",
        "A guest of the workspace asks for a rollback, and may not.",
        STOREFRONT_CHANNEL,
        GUEST,
        be_guest,
    ),
    "deploy_meanwhile": Break(
        "Somebody deploys meanwhile",
        "A release goes live while a request waits: the approval no longer counts, and nothing is run.",
        STOREFRONT_CHANNEL,
        None,
        deploy_meanwhile,
    ),
    "slack_down": Break(
        "Slack is down 20 s",
        "It goes down right after the approval: the work goes on, and the card catches up.",
        STOREFRONT_CHANNEL,
        None,
        slack_down,
    ),
    "take_back_orders": Break(
        "Take back the orders database (loses {lost} rows)",
        "A database with customers who go on buying: see what it costs before anybody agrees.",
        ORDERS_CHANNEL,
        ANA,
        take_back_orders,
    ),
    "drill_orders": Break(
        "Drill the way back",
        "Before anything happens: a backup is copied, checked there, and dropped. One person is enough.",
        ORDERS_CHANNEL,
        ANA,
        drill_orders,
    ),
}
