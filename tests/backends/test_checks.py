"""What every check must do, whatever it looks at: each runs through all of this against a real world."""

import asyncio
import os
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest

from backends.command.check import CommandCheck
from backends.http.check import HttpCheck
from backends.sql.check import QueryCheck, TablesCheck
from backends.surroundings import Surroundings
from bot.looking import PatientCheck
from bot.model import Finding, Verdict, When

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SHORT = 0.3  # seconds a look may take in a world that is too slow


class Harness(Protocol):
    """One kind of check, in each of the worlds that it may meet."""

    def passing(self) -> PatientCheck: ...
    def failing(self) -> PatientCheck: ...
    def unreachable(self) -> PatientCheck: ...
    def slow(self) -> PatientCheck: ...


@dataclass
class Http:
    site: str

    def passing(self) -> PatientCheck:
        return HttpCheck(when=When.ONLINE, url=f"{self.site}/well", contains="ok")

    def failing(self) -> PatientCheck:
        return HttpCheck(when=When.ONLINE, url=f"{self.site}/ill")

    def unreachable(self) -> PatientCheck:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            port = nobody.getsockname()[1]
        return HttpCheck(when=When.ONLINE, url=f"http://127.0.0.1:{port}/well")

    def slow(self) -> PatientCheck:
        return HttpCheck(when=When.ONLINE, url=f"{self.site}/slow", timeout=SHORT)


@dataclass
class Query:
    base: Path

    def passing(self) -> PatientCheck:
        return self.check("select count(*) from orders where total < 0")

    def failing(self) -> PatientCheck:
        return self.check("select count(*) from orders")

    def unreachable(self) -> PatientCheck:
        return QueryCheck(when=When.OFFLINE, url="sqlite:///no-such.db", base=self.base, query="select 1")

    def slow(self) -> PatientCheck:
        forever = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
        return self.check(forever, SHORT)

    def check(self, query: str, timeout: float = 10.0) -> QueryCheck:
        return QueryCheck(
            when=When.OFFLINE, url="sqlite:///shop.db", base=self.base, query=query, equals=0, timeout=timeout
        )


@dataclass
class Tables:
    base: Path
    lock: sqlite3.Connection

    def passing(self) -> PatientCheck:
        return self.check("orders")

    def failing(self) -> PatientCheck:
        return self.check("orders", "refunds")

    def unreachable(self) -> PatientCheck:
        return TablesCheck(when=When.OFFLINE, url="sqlite:///no-such.db", base=self.base, tables=("orders",))

    def slow(self) -> PatientCheck:
        self.lock.execute("begin exclusive")
        return self.check("orders", timeout=SHORT)

    def check(self, *tables: str, timeout: float = 10.0) -> TablesCheck:
        url = "sqlite:///shop.db"
        return TablesCheck(when=When.OFFLINE, url=url, base=self.base, tables=tables, timeout=timeout)


@dataclass
class Command:
    surroundings: Surroundings

    def passing(self) -> PatientCheck:
        return self.check("print('all well')")

    def failing(self) -> PatientCheck:
        return self.check("import sys; sys.exit('the till is empty')")

    def unreachable(self) -> PatientCheck:
        return CommandCheck(when=When.OFFLINE, argv=("no-such-test",), surroundings=self.surroundings)

    def slow(self) -> PatientCheck:
        return self.check("import time; time.sleep(60)", SHORT)

    def check(self, program: str, timeout: float = 10.0) -> CommandCheck:
        argv = (sys.executable, "-I", "-S", "-c", program)
        return CommandCheck(when=When.OFFLINE, argv=argv, surroundings=self.surroundings, timeout=timeout)


@pytest.fixture(params=["http", "query", "tables", "command"])
async def harness(request: pytest.FixtureRequest, site: str, base: Path) -> AsyncIterator[Harness]:
    lock = sqlite3.connect(base / "shop.db", isolation_level=None)
    surroundings = Surroundings(base, base / "spool", {"PATH": os.defpath})
    kinds: dict[str, Harness] = {
        "http": Http(site),
        "query": Query(base),
        "tables": Tables(base, lock),
        "command": Command(surroundings),
    }
    yield kinds[request.param]
    lock.close()


async def look(check: PatientCheck, before: Finding | None = None) -> Finding:
    return await check.look(before, NOW)


async def test_a_world_as_it_should_be_passes(harness: Harness) -> None:
    finding = await look(harness.passing())
    assert (finding.verdict, finding.value is not None) == (Verdict.PASSED, True)


async def test_a_world_as_it_should_not_be_fails(harness: Harness) -> None:
    finding = await look(harness.failing())
    assert finding.verdict is Verdict.FAILED
    assert finding.words


async def test_a_world_that_is_not_there_is_inconclusive_and_says_why(harness: Harness) -> None:
    finding = await look(harness.unreachable())
    assert (finding.verdict, finding.value) == (Verdict.INCONCLUSIVE, None)
    assert finding.words


async def test_a_world_that_is_too_slow_is_inconclusive_in_time(harness: Harness) -> None:
    async with asyncio.timeout(5):
        finding = await look(harness.slow())
    assert (finding.verdict, finding.value) == (Verdict.INCONCLUSIVE, None)


@pytest.mark.parametrize("world", ["passing", "failing", "unreachable", "slow"])
async def test_a_finding_carries_the_check_and_the_value_before(harness: Harness, world: str) -> None:
    check: PatientCheck = getattr(harness, world)()
    before = Finding(check.name, check.when, None, "what it was")
    finding = await look(check, before)
    assert (finding.name, finding.when, finding.before) == (check.name, check.when, "what it was")


async def test_a_check_may_be_called_by_a_name_of_its_own(base: Path) -> None:
    check = QueryCheck(
        when=When.OFFLINE, label="no debts", url="sqlite:///shop.db", base=base, query="select 1"
    )
    assert (await look(check)).name == "no debts"


@pytest.mark.parametrize("world", ["passing", "unreachable"])
async def test_looking_leaves_no_descriptors_open(harness: Harness, world: str) -> None:
    check: PatientCheck = getattr(harness, world)()
    open_after = []
    for _ in range(6):
        await look(check)
        await asyncio.sleep(0.05)  # the server's own side of a closed connection
        open_after.append(len(os.listdir("/proc/self/fd")))
    assert open_after[-1] <= open_after[0]
