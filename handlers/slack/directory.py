"""Who is who, and who stands where, as Slack and the configuration say right now. Fails closed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.clock import Clock
from bot.configuration import Configuration, Human, Target
from bot.errors import TemporaryError, UserError
from bot.model import Person
from bot.policy import Entitled
from handlers.slack.refusals import NO_ANSWER, said

T = TypeVar("T")
FRESH_SECONDS = 5.0  # what a decision may rest on
REMEMBERED_ANSWERS = 5_000  # ids come from outside, and a stranger may invent them
PEOPLE_KNOWN_SECONDS = 60.0  # what a list or a request may rest on


class _OneFlight:
    """Remembers answers by age, and lets concurrent askers of the same thing share one request."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answers: dict[str, tuple[float, Any]] = {}
        self._flights: dict[str, asyncio.Task[Any]] = {}

    def now(self) -> float:
        return self._clock().timestamp()

    async def get(self, key: str, age: float, fetch: Callable[[], Awaitable[T]]) -> T:
        now = self.now()
        if key in self._answers and now - self._answers[key][0] <= age:
            known: T = self._answers[key][1]
            return known
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.ensure_future(self._fetch(key, now, fetch))
            flight.add_done_callback(_heard)
            self._flights[key] = flight
        result: T = await asyncio.shield(flight)
        return result

    async def _fetch(self, key: str, asked_at: float, fetch: Callable[[], Awaitable[T]]) -> T:
        try:
            answer = await fetch()
            self._answers.pop(key, None)
            self._answers[key] = (asked_at, answer)
            if len(self._answers) > REMEMBERED_ANSWERS:
                del self._answers[next(iter(self._answers))]  # the oldest
            return answer
        finally:
            del self._flights[key]

    def forget(self, key: str) -> None:
        self._answers.pop(key, None)


def _heard(flight: asyncio.Task[Any]) -> None:
    """Takes the exception of a flight, as whoever waited for it may have gone."""
    if not flight.cancelled():
        flight.exception()


class SlackDirectory:
    """Fulfils the engine's Directory, and tells handlers who pressed."""

    def __init__(
        self, configuration: Configuration, client: AsyncWebClient, team_id: str, clock: Clock
    ) -> None:
        self._configuration = configuration
        self._client = client
        self._team_id = team_id
        self._cache = _OneFlight(clock)

    async def person(self, user_id: str, age: float = FRESH_SECONDS) -> Person:
        """Raises TemporaryError when Slack does not say; an unknown id is a barred person."""

        async def fetch() -> dict[str, Any]:
            try:
                answer = await self._client.users_info(user=user_id)
            except SlackApiError as problem:
                if said(problem)[1] in {"user_not_found", "user_not_visible"}:
                    return {}
                raise
            user: dict[str, Any] = answer["user"]
            return user

        try:
            user = await self._cache.get(f"user {user_id}", age, fetch)
        except NO_ANSWER as problem:
            raise TemporaryError("Slack did not say who you are. Try again in a moment.") from problem
        return self._person(user_id, user)

    async def refuse_who_cannot(self, user_id: str) -> None:
        """Raises UserError where something is to be left to an account that may do nothing here."""
        try:
            person = await self.person(user_id)
        except TemporaryError:
            raise UserError("Slack did not say who that is. Try again in a moment.") from None
        if person.barred:
            raise UserError(f"It cannot be left to them: {person.barred}. Choose somebody else.")

    def _person(self, user_id: str, user: dict[str, Any]) -> Person:
        profile = user.get("profile", {})
        verified = profile.get("email") if user.get("is_email_confirmed") else None
        email = verified.casefold() if verified else None
        human = self._configuration.human(user_id, email)
        return Person(
            id=user_id,
            human=human.name if human else (email or user_id),
            name=profile.get("display_name") or user.get("real_name") or user.get("name") or user_id,
            email=email,
            timezone=user.get("tz") or "UTC",
            barred=self._why_barred(user),
            marks=frozenset(_marks(user_id, email, human)),
        )

    def _why_barred(self, user: dict[str, Any]) -> str | None:
        if not user:
            return "this account is not known in this workspace"
        if user.get("deleted"):
            return "this account is deactivated"
        if user.get("is_bot") or user.get("id") == "USLACKBOT":  # Slack says is_bot false of Slackbot
            return "bots may not decide"
        if user.get("is_restricted") or user.get("is_ultra_restricted"):
            return "guests may neither ask nor approve"
        if user.get("is_invited_user"):
            return "this account has not joined yet"
        if user.get("is_stranger") or not self._ours(user):
            return "this account belongs to another organisation"
        return None

    def _ours(self, user: dict[str, Any]) -> bool:
        enterprise = user.get("enterprise_user", {})
        return user.get("team_id", self._team_id) == self._team_id or self._team_id in enterprise.get(
            "teams", ()
        )

    async def entitled(self, target: Target, age: float = FRESH_SECONDS) -> Entitled:
        """Everybody's part in this target; a group that cannot be read is empty and named."""
        unread: list[str] = []
        approver_ids = await self._accounts(target.approval.from_, age, unread)
        requesters = await self._accounts(target.requesters, age, unread) if target.requesters else None
        owner = tuple(filter(None, (target.owner, target.point_of_contact)))
        owners = await self._accounts(owner, age, unread)
        return Entitled(
            approvers=await self._people(approver_ids, age, unread),
            requesters=requesters,
            owners=owners,
            unread=tuple(dict.fromkeys(unread)),
        )

    async def _people(self, ids: Iterable[str], age: float, unread: list[str]) -> tuple[Person, ...]:
        ids = sorted(ids)
        found = await asyncio.gather(
            *(self.person(i, max(age, PEOPLE_KNOWN_SECONDS)) for i in ids), return_exceptions=True
        )
        people = []
        for user_id, person in zip(ids, found, strict=True):
            if isinstance(person, Person):
                people.append(person)
            elif isinstance(person, TemporaryError):
                unread.append(f"<@{user_id}>")
            else:
                raise person
        return tuple(people)

    async def _accounts(self, refs: Iterable[str], age: float, unread: list[str]) -> frozenset[str]:
        """Account ids behind group names, names of people and user ids; free text is nobody."""
        accounts: set[str] = set()
        for ref in refs:
            group = self._configuration.groups.get(ref)
            if group is None:
                accounts.update(self._configuration.account_ids(ref))
            elif group.slack_usergroup is None:
                for member in group.members:
                    accounts.update(self._configuration.account_ids(member))
            else:
                accounts.update(await self._usergroup(ref, group.slack_usergroup, age, unread))
        return frozenset(accounts)

    async def _usergroup(self, name: str, group_id: str, age: float, unread: list[str]) -> list[str]:
        async def fetch() -> list[str]:
            answer = await self._client.usergroups_users_list(usergroup=group_id)
            return list(answer["users"])

        try:
            return await self._cache.get(f"group {group_id}", age, fetch)
        except NO_ANSWER:
            unread.append(name)
            return []

    async def on_dnd(self, users: Sequence[str]) -> frozenset[str]:
        """Returns who will not hear it ring; a courtesy, so whatever goes wrong means "not known"."""
        if not users:
            return frozenset()

        async def fetch() -> dict[str, Any]:
            answer = await self._client.dnd_teamInfo(users=list(users))
            found: dict[str, Any] = answer["users"]
            return found

        try:
            known = await self._cache.get(f"dnd {','.join(users)}", PEOPLE_KNOWN_SECONDS, fetch)
        except NO_ANSWER:
            return frozenset()
        now = self._cache.now()
        return frozenset(user for user, dnd in known.items() if _quiet(dnd, now))

    def forget_group(self, group_id: str) -> None:
        """Slack says that its members changed."""
        self._cache.forget(f"group {group_id}")


def _marks(user_id: str, email: str | None, human: Human | None) -> Iterator[str]:
    yield user_id
    if email:
        yield f"mailto:{email}"
    if human is not None:
        yield from human.slack
        yield f"person:{human.name}"


def _quiet(dnd: dict[str, Any], now: float) -> bool:
    return bool(dnd.get("dnd_enabled")) and dnd.get("next_dnd_start_ts", 0) <= now < dnd.get(
        "next_dnd_end_ts", 0
    )
