"""What happened after a backup was made leaves traces: cards in Slack, operations at the targets."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from backends.installed import definitions
from backends.opening import resolver_for
from backends.world import ConfiguredWorld
from bot.configuration import Configuration, load
from bot.contract import Fate, Work
from bot.errors import TemporaryError, UserError
from bot.model import Do
from bot.procedures import Aside, steps_for
from bot.run import op_id
from handlers.cli.backups import newest_number
from handlers.cli.forgotten import Forgotten, Trace, look
from storage.backup import back_up, put_back
from storage.database import open_database, sqlite_url, upgrade
from storage.restored import RestoredDatabase, restored
from storage.runs import Store, open_store
from tests.bot.stories import T0, later
from tests.people import CHANNEL
from tests.storage.told import ask, driven
from workspace.slack.nouns import SCOPES
from workspace.slack.server import PretendSlack
from workspace.slack.state import Workspace

CONFIGURATION = """\
version: 1
groups:
  managers: {members: [U01BEN, U01CY]}
defaults:
  approval: {from: [managers]}
targets:
  shop:
    kind: system
    executor: {type: releases, root: shop}
    checks: [{type: command, argv: ["true"]}]
"""


@dataclass
class PutBack:
    """A bot whose database was put back, its Slack and its target as they went on without it."""

    folder: Path
    store: Store
    told: RestoredDatabase
    slack: PretendSlack
    configuration: Configuration
    world: ConfiguredWorld

    async def forgotten(self, *, with_slack: bool = True) -> Forgotten:
        client = AsyncWebClient(token=self.slack.bot_token, base_url=self.slack.api_url)
        return await look(
            self.told, self.store, self.configuration, self.world, client if with_slack else None
        )

    def card(self, run_id: str, text: str = "RB-9 · Roll back shop", by: str = "", **more: object) -> None:
        workspace = self.slack.workspace
        payload = {"run_id": run_id, **more}
        metadata = {"event_type": "rollback_card", "event_payload": payload}
        workspace.post(CHANNEL, by or workspace.app.bot_user, text, metadata=metadata)

    async def restores(self, run_id: str, installation: str | None = None) -> str:
        """The bot did this after the backup, by the plan that the backup knows or by today's procedure."""
        known = await self.store.load("RB-2")
        shop = self.configuration.targets["shop"]
        steps = (
            known.approval.plan.steps
            if run_id == "RB-2" and known.approval.planned
            else steps_for(self.configuration, shop, {"shop": Aside(frozenset({Do.SAVE}))}, False)
        )
        (step,) = (step.n for step in steps if step.do is Do.RESTORE)
        op = op_id(installation or self.told.before, run_id, step)
        executor = self.world.executor("shop")
        live = (await executor.points()).current.token
        digest = known.approval.digest if run_id == "RB-2" else "of a lost plan"
        await executor.start(Work(op, run_id, digest, Do.RESTORE, "v1", live))
        return op


@pytest.fixture
async def put_back_bot(tmp_path: Path, template: Path) -> AsyncIterator[PutBack]:
    (tmp_path / "rollback.yaml").write_text(CONFIGURATION)
    for release in ("v1", "v2"):
        folder = tmp_path / "shop" / "releases" / release
        folder.mkdir(parents=True)
        (folder / "index.html").write_text(release)
    (tmp_path / "shop" / "current").symlink_to("releases/v2")
    url = sqlite_url(tmp_path / "rollback.db")
    database = open_database(url)
    await upgrade(database)
    store = await open_store(database, None, T0)
    await driven(store)
    await driven(store, await ask(store, "shop"), up_to=Do.RESTORE)
    await back_up(url, tmp_path / "backup.db")
    await database.close()
    await put_back(url, tmp_path / "backup.db", later(60), "os:dora")
    database = open_database(url)
    told = await restored(database)
    assert told is not None
    configuration = load(tmp_path / "rollback.yaml", definitions())
    workspace = Workspace(seed=1, scopes={*SCOPES, "channels:history", "groups:history"})
    workspace.add_user("U01ANA", "ana")
    workspace.add_channel(CHANNEL, "inc-1", members=["U01ANA"])
    slack = await PretendSlack.start(workspace)
    world = ConfiguredWorld(
        configuration, definitions(), resolver_for(configuration, tmp_path / "state", tmp_path / "worker.key")
    )
    yield PutBack(tmp_path, Store(database, told.installation, None), told, slack, configuration, world)
    await slack.stop()
    await database.close()


# Cards -----------------------------------------------------------------------------------------


async def test_a_card_of_a_run_that_nobody_knows_is_named(put_back_bot: PutBack) -> None:
    put_back_bot.card("RB-9", "RB-9 · Roll back shop\nand more")
    (trace,) = (await put_back_bot.forgotten()).traces
    assert (trace.run_id, trace.number, trace.channel) == ("RB-9", 9, CHANNEL)
    assert trace.words == "Its card says: RB-9 · Roll back shop"


async def test_a_card_of_a_run_that_went_on_is_named(put_back_bot: PutBack) -> None:
    seq = (await put_back_bot.store.load("RB-2")).seq
    put_back_bot.card("RB-2", seq=seq + 1)
    assert [trace.run_id for trace in (await put_back_bot.forgotten()).traces] == ["RB-2"]


async def test_a_card_that_shows_what_is_stored_is_no_news(put_back_bot: PutBack) -> None:
    put_back_bot.card("RB-2", seq=(await put_back_bot.store.load("RB-2")).seq)
    assert (await put_back_bot.forgotten()).traces == ()


async def test_a_card_that_we_did_not_post_is_no_card_of_ours(put_back_bot: PutBack) -> None:
    put_back_bot.card("RB-9", by="U01ANA")
    assert (await put_back_bot.forgotten()).traces == ()


@pytest.mark.parametrize("run_id", ["RB-0", "RB-", "RB-9x", "RB-99999999999", ""])
async def test_what_is_no_run_is_not_believed(put_back_bot: PutBack, run_id: str) -> None:
    put_back_bot.card(run_id)
    assert (await put_back_bot.forgotten()).traces == ()


async def test_cards_are_found_however_much_was_said_since(put_back_bot: PutBack) -> None:
    put_back_bot.card("RB-7")
    for n in range(450):
        put_back_bot.slack.workspace.post(CHANNEL, "U01ANA", f"and then {n}")
    put_back_bot.card("RB-8")
    assert [trace.run_id for trace in (await put_back_bot.forgotten()).traces] == ["RB-7", "RB-8"]


async def test_without_the_right_to_read_channels_it_says_which_right_is_missing(
    put_back_bot: PutBack,
) -> None:
    put_back_bot.slack.workspace.scopes.discard("channels:history")
    (unasked,) = (await put_back_bot.forgotten()).unasked
    assert "channels:history and groups:history" in unasked


async def test_without_a_token_it_says_that_slack_was_not_asked(put_back_bot: PutBack) -> None:
    (unasked,) = (await put_back_bot.forgotten(with_slack=False)).unasked
    assert "SLACK_BOT_TOKEN is not set" in unasked


# Operations ------------------------------------------------------------------------------------


async def test_an_operation_of_a_run_that_nobody_knows_is_named(put_back_bot: PutBack) -> None:
    op = await put_back_bot.restores("RB-3")
    (trace,) = (await put_back_bot.forgotten()).traces
    assert (trace.run_id, trace.target, trace.fate) == ("RB-3", "shop", Fate.UNKNOWN)
    assert op in trace.words


async def test_what_became_of_an_operation_of_a_known_run_is_said(put_back_bot: PutBack) -> None:
    await put_back_bot.restores("RB-2")
    (trace,) = (await put_back_bot.forgotten()).traces
    assert (trace.run_id, trace.fate) == ("RB-2", Fate.DONE)


async def test_a_gap_in_the_numbers_hides_nothing_behind_it(put_back_bot: PutBack) -> None:
    for run_id in ("RB-12", "RB-20"):
        await put_back_bot.restores(run_id)
    assert (await put_back_bot.forgotten()).highest == 20


async def test_an_operation_of_another_bot_is_not_ours(put_back_bot: PutBack) -> None:
    await put_back_bot.restores("RB-3", installation="other123")
    assert (await put_back_bot.forgotten()).traces == ()


async def test_to_look_changes_nothing_in_the_world(put_back_bot: PutBack) -> None:
    await put_back_bot.restores("RB-3")
    live = os.readlink(put_back_bot.folder / "shop" / "current")
    markers = sorted((put_back_bot.folder / "shop" / ".rollback").iterdir())
    before = await put_back_bot.forgotten()
    assert await put_back_bot.forgotten() == before
    assert os.readlink(put_back_bot.folder / "shop" / "current") == live
    assert sorted((put_back_bot.folder / "shop" / ".rollback").iterdir()) == markers


# After which number runs go on -----------------------------------------------------------------

UNDER_WAY = Trace("RB-9", "The restore of `shop` under abc.RB-9.3 is under way.", "shop", Fate.IN_FLIGHT)
ENDED = Trace("RB-9", "Its card says: …")


def test_runs_go_on_after_what_was_seen_and_what_people_remember() -> None:
    assert newest_number(Forgotten((ENDED,)), None) == 9
    assert newest_number(Forgotten((ENDED,)), "rb-12") == 12
    assert newest_number(Forgotten((ENDED,)), "RB-3") == 9


def test_nobody_goes_on_while_something_is_under_way() -> None:
    with pytest.raises(UserError, match=r"Not yet: The restore of `shop` under abc\.RB-9\.3"):
        newest_number(Forgotten((UNDER_WAY,)), "RB-9")


def test_a_list_that_may_lack_something_needs_what_people_remember() -> None:
    incomplete = Forgotten((), ("Slack was not asked.",))
    with pytest.raises(TemporaryError, match="--highest RB-57"):
        newest_number(incomplete, None)
    assert newest_number(incomplete, "RB-57") == 57


def test_what_is_no_run_is_not_taken_for_a_number() -> None:
    with pytest.raises(UserError, match="Write it like RB-57"):
        newest_number(Forgotten(()), "57; drop")
