"""What the doctor sees of Slack: who we are there, what we may do, whether we hear it, and its clock."""

from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.clock import Clock
from bot.configuration import Configuration
from bot.errors import words_of
from handlers.cli.doctor.results import Result, fail, ok, unreachable, warn
from handlers.slack.refusals import Meaning, meaning

MANIFEST = Path(__file__).parents[3] / "manifest.yml"
CLOCKS_APART = timedelta(seconds=5)  # the same as in /readyz
HALF_A_SECOND = timedelta(seconds=0.5)  # Slack's Date leaves the fraction out: this much on average
MOST_PAGES = 20  # of a thousand channels each


class NotAnswered(Exception):
    """Slack could not be reached, or did not answer in a way that means anything."""


class SlackRefused(Exception):
    """Slack's own word for why it says no."""

    def __init__(self, error: str, needed: str | None) -> None:
        super().__init__(f"{error} (it needs the scope {needed})" if needed else error)
        self.error = error


async def asked(call: Awaitable[AsyncSlackResponse]) -> AsyncSlackResponse:
    """Raises NotAnswered, SlackRefused."""
    try:
        return await call
    except SlackApiError as problem:
        answer = problem.response
        data = answer.data if isinstance(answer, AsyncSlackResponse) else None
        if not isinstance(data, dict):
            raise NotAnswered("it does not answer as it should just now") from None
        if (error := data.get("error")) and meaning("", error) not in {Meaning.PASSING, Meaning.UNCLEAR}:
            raise SlackRefused(str(error), data.get("needed")) from None
        raise NotAnswered("it does not answer as it should just now") from None
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as problem:
        raise NotAnswered(words_of(problem)) from None


# Who we are ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Introduced:
    """Holds what Slack says of this bot."""

    team_id: str
    scopes: frozenset[str]
    results: tuple[Result, ...]


async def introduce(client: AsyncWebClient, clock: Clock) -> Introduced | Result:
    """A result: Slack does not know us, so nothing else of it can be looked at."""
    sent = clock()
    try:
        me = await asked(client.auth_test())
    except NotAnswered as problem:
        return unreachable("Slack", f"{client.base_url} cannot be reached: {problem}. Look at the network.")
    except SlackRefused as refusal:
        advice = "Copy the bot token again from the app's page, under OAuth & Permissions."
        return fail("Slack", f"the bot token is refused: {refusal}. {advice}")
    granted = frozenset(me.headers.get("x-oauth-scopes", "").replace(" ", "").split(","))
    return Introduced(
        me["team_id"],
        granted,
        (
            ok("Slack", f"this is @{me.get('user')} in {me.get('team')}"),
            scopes(granted, wanted_scopes(MANIFEST)),
            clock_offset(me.headers.get("Date"), sent, clock()),
        ),
    )


def wanted_scopes(manifest: Path) -> frozenset[str] | None:
    """None: the manifest is not beside the program."""
    if not manifest.exists():
        return None
    described: Mapping[str, Any] = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    return frozenset(described["oauth_config"]["scopes"]["bot"])


def scopes(granted: Collection[str], wanted: Collection[str] | None) -> Result:
    if wanted is None:
        return warn("scopes", "manifest.yml is not beside the program. Compare its scopes by hand.")
    if missing := sorted(set(wanted) - set(granted)):
        advice = "Add them as in manifest.yml, then install the app again."
        return fail("scopes", f"missing: {', '.join(missing)}. {advice}")
    return ok("scopes", f"all {len(wanted)} of manifest.yml")


def clock_offset(date: str | None, sent: datetime, received: datetime) -> Result:
    """`date` is Slack's, with which it answered between `sent` and `received`."""
    try:
        theirs = parsedate_to_datetime(date or "").astimezone(UTC) + HALF_A_SECOND
    except ValueError:
        return warn("clock", "Slack did not say what time it is. See that this machine's clock is kept.")
    apart = theirs - (sent + (received - sent) / 2)
    seconds = abs(apart.total_seconds())
    if abs(apart) > CLOCKS_APART:
        side = "behind" if apart > timedelta(0) else "ahead"
        advice = "Set it, and let NTP keep it: signatures and time limits depend on it."
        return fail("clock", f"this machine's clock is {seconds:.0f} s {side} of Slack's. {advice}")
    return ok("clock", f"within {max(seconds, 1):.0f} s of Slack's")


# Hearing -------------------------------------------------------------------------------------------


async def socket_mode(client: AsyncWebClient, app_token: str) -> Result:
    """Asks for the address of a socket, which nobody has to use."""
    try:
        await asked(client.apps_connections_open(app_token=app_token))
    except NotAnswered as problem:
        return unreachable("Socket Mode", f"Slack cannot be reached: {problem}. Look at the network.")
    except SlackRefused as refusal:
        advice = "Make an app-level token with connections:write, and put it into SLACK_APP_TOKEN."
        return fail("Socket Mode", f"the app token is refused: {refusal}. {advice}")
    return ok("Socket Mode", "Slack opens a socket for the app token")


# Channels ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListedChannel:
    id: str
    name: str
    private: bool
    member: bool  # whether the bot is in it
    shared: bool  # with another organisation
    archived: bool

    def fits(self, glob: str) -> bool:
        return self.id == glob or fnmatchcase(self.name, glob)


async def channels(client: AsyncWebClient, configuration: Configuration) -> list[Result]:
    try:
        known = await _listed(client)
    except NotAnswered as problem:
        return [unreachable("channels", f"Slack cannot be reached: {problem}. Look at the network.")]
    except SlackRefused as refusal:
        return [fail("channels", f"Slack does not list them: {refusal}. Install the app as in manifest.yml.")]
    results = [incident_channel(glob, known) for glob in configuration.incident_channels]
    if not configuration.incident_channels:
        results.append(any_channel(known))
    if configuration.audit_channel is not None:
        results.append(audit_channel(configuration.audit_channel, known))
    return results


async def _listed(client: AsyncWebClient) -> list[ListedChannel]:
    """Every public channel, and the private ones that the bot is in."""
    found: list[ListedChannel] = []
    cursor = ""
    for _ in range(MOST_PAGES):
        kinds = "public_channel,private_channel"
        page = await asked(client.conversations_list(types=kinds, limit=1000, cursor=cursor))
        found += map(_channel, page["channels"])
        cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            break
    return found


def _channel(said: Mapping[str, Any]) -> ListedChannel:
    shared = (said.get(key) for key in ("is_ext_shared", "is_org_shared", "is_pending_ext_shared"))
    return ListedChannel(
        said["id"],
        said.get("name", ""),
        bool(said.get("is_private")),
        bool(said.get("is_member")),
        any(shared),
        bool(said.get("is_archived")),
    )


def incident_channel(glob: str, known: Sequence[ListedChannel]) -> Result:
    name = f"channel {glob}"
    usable = [channel for channel in known if channel.fits(glob) and not channel.archived]
    if not usable:
        advice = "Correct incident_channels, or invite the bot if it is private."
        return warn(name, f"no channel of this name that the bot can see. {advice}")
    if shared := sorted(f"#{channel.name}" for channel in usable if channel.shared):
        return warn(
            name, f"{', '.join(shared)}: shared with another organisation, so no card is posted there"
        )
    return ok(name, ", ".join(sorted(f"#{channel.name}" for channel in usable)[:5]))


def any_channel(known: Sequence[ListedChannel]) -> Result:
    inside = [channel for channel in known if channel.member and not channel.archived]
    if not inside:
        return warn("channels", "the bot is in no channel. Invite it where incidents are worked on.")
    return ok("channels", f"the bot is in {len(inside)}, and requests are taken in any")


def audit_channel(wanted: str, known: Sequence[ListedChannel]) -> Result:
    name = f"audit channel {wanted}"
    channel = next((channel for channel in known if channel.fits(wanted)), None)
    if channel is None:
        return fail(name, "the bot cannot see it. Correct audit_channel, or invite the bot if it is private.")
    if channel.archived or channel.shared:
        what = "archived" if channel.archived else "shared with another organisation"
        return fail(name, f"it is {what}, so no request can be copied there. Name another audit_channel.")
    return ok(name, f"#{channel.name} takes a copy of every request")
