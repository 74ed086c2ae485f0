"""The recipes for a button and a command, carried out on a copy of this tree: they name all that it takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.recipe.carrying_out import copy_of_the_tree, python

Edits = Mapping[str, tuple[tuple[str, str], ...]]  # by file: what stands there, and what comes in its place


@dataclass(frozen=True, slots=True)
class Recipe:
    new: Mapping[str, str]
    edits: Edits

    def carry_out(self, tree: Path) -> set[str]:
        """Returns the files that it touched."""
        for path, text in self.new.items():
            assert not (tree / path).exists()
            (tree / path).write_text(text, encoding="utf-8")
        for path, changes in self.edits.items():
            text = (tree / path).read_text(encoding="utf-8")
            for old, new in changes:
                assert text.count(old) == 1, f"{path}: {old!r} stands there {text.count(old)} times"
                text = text.replace(old, new)
            (tree / path).write_text(text, encoding="utf-8")
        return {*self.new, *self.edits}


BUTTON = Recipe(
    new={
        "bot/presses/nod.py": '''"""*Nod…*: the owner is told what a nod means. Nothing is recorded."""

from bot.model import State
from bot.policy import PersonRole
from bot.presses.press import Asks, Form, Press, Right

RIGHT = Right(frozenset({PersonRole.OWNER}), frozenset({State.PAUSED}))
SEEN = Form("nod")

NOD = Press(action_id="nod", verb="nod to", right=RIGHT, asks=(Asks(SEEN),))
''',
        "tests/handlers/test_nod.py": """from tests.handlers.test_deciding import failed_check
from tests.handlers.world import World


async def test_the_owner_nods_to_a_paused_run_and_nothing_is_recorded(world: World) -> None:
    await failed_check(world)
    before = await world.run()
    await world.clicks("dora", "Nod…")
    await world.sees_modal("dora", "RB-1 was seen by you")
    assert await world.run() == before


async def test_nobody_else_nods(world: World) -> None:
    await failed_check(world)
    await world.clicks("ben", "Nod…")
    await world.sees_modal("ben", "You cannot nod to RB-1: only the owner of `shop` can.")
""",
    },
    edits={
        "bot/presses/__init__.py": (
            (
                "from bot.presses.press import Attempt",
                "from bot.presses.nod import NOD\nfrom bot.presses.press import Attempt",
            ),
            ("        DETAILS,\n    )\n", "        DETAILS,\n        NOD,\n    )\n"),
        ),
        "bot/views/buttons.py": (
            (
                "from bot.presses.press import DIALOG\n",
                "from bot.presses.nod import NOD\nfrom bot.presses.press import DIALOG\n",
            ),
            (
                '[_button(RETRY, run, "Check again", value)]',
                '[_button(RETRY, run, "Check again", value), _button(NOD, run, "Nod…", value)]',
            ),
        ),
        "bot/views/press_forms.py": (
            (
                "from bot.presses.press import Form\n",
                "from bot.presses.nod import SEEN\nfrom bot.presses.press import Form\n",
            ),
            (
                "DRAWN: Mapping",
                "def nod(run: Run, facts: CardFacts, metadata: str, now: datetime) -> View:\n"
                '    return modal("Seen", [section(f"{run.id} was seen by you.")], metadata=metadata)\n'
                "\n\n"
                "DRAWN: Mapping",
            ),
            ("    CODE: approve,\n", "    CODE: approve,\n    SEEN: nod,\n"),
        ),
    },
)
COMMAND = Recipe(
    new={
        "bot/commands/hello.py": '''"""`hello [TARGET]`: whether somebody is there."""

from dataclasses import dataclass

from bot.commands.reading import Sentence, TypedCommand, Usage, Verb, nothing_after, target_at


@dataclass(frozen=True, slots=True)
class Hello(TypedCommand):
    target: str | None = None


def read(sentence: Sentence) -> Hello:
    target = target_at(sentence, 1) if len(sentence.words) > 1 else None
    nothing_after(sentence, 2)
    return Hello(target)


HELLO = Verb(
    name="hello",
    yields=Hello,
    read=read,
    help=(Usage("hello [TARGET]", "whether somebody is there"),),
)
''',
        "tests/handlers/test_hello.py": """from tests.handlers.world import World


async def test_hello_is_answered(world: World) -> None:
    assert (await world.says("ana", "hello shop")).text == "Here, and so is `shop`."


async def test_hello_is_in_the_help_and_nearly_hello_is_asked_about(world: World) -> None:
    assert "hello [TARGET]" in ((await world.says("ana", "help")).text or "")
    assert "Did you mean `hello`?" in ((await world.says("ana", "helo")).text or "")


async def test_hello_is_for_members(world: World) -> None:
    assert "You cannot read this: guests" in ((await world.says("guest", "hello")).text or "")
""",
    },
    edits={
        "bot/commands/__init__.py": (
            (
                "from bot.commands.help_ import",
                "from bot.commands.hello import HELLO\nfrom bot.commands.help_ import",
            ),
            ("    SNAPSHOT,\n    HELP,\n", "    SNAPSHOT,\n    HELLO,\n    HELP,\n"),
        ),
        "handlers/slack/command.py": (
            ("from bot.errors import", "from bot.commands.hello import Hello\nfrom bot.errors import"),
            (
                "async def _misunderstood(",
                "async def _hello(ctx: Context, said: TypedLine, asked: Hello) -> MessageContent:\n"
                '    return _line(f"Here, and so is `{asked.target}`." if asked.target else "Here.")\n'
                "\n\n"
                "async def _misunderstood(",
            ),
            (
                "    Misunderstood: Row(",
                "    Hello: Row(OpenTo.MEMBER, _hello),\n    Misunderstood: Row(",
            ),
        ),
    },
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return copy_of_the_tree(tmp_path)


def the_tests_of(tree: Path, *paths: str) -> None:
    python(tree, "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *paths)


def test_a_button_is_added_by_five_files_its_test_among_them(tree: Path) -> None:
    touched = BUTTON.carry_out(tree)
    about_all_presses = (
        "tests/bot/presses/test_every_press.py",
        "tests/bot/views/test_modals.py",
        "tests/handlers/door/test_admission.py",
        "tests/test_routes.py",
    )
    the_tests_of(tree, "tests/handlers/test_nod.py", *about_all_presses)
    python(tree, "ruff", "check", *touched)
    assert len(touched) == 5


def test_a_command_is_added_by_four_files_its_test_among_them(tree: Path) -> None:
    touched = COMMAND.carry_out(tree)
    the_tests_of(tree, "tests/handlers/test_hello.py", "tests/test_routes.py")
    python(tree, "ruff", "check", *touched)
    assert len(touched) == 4
