"""The recipe for a backend: one folder and one test world add it, and nothing else changes."""

from pathlib import Path

import pytest

from tests.recipe.carrying_out import IN_OUR_TREE, SMALL, copy_of_the_tree, files, python, write_backend

FOLDER = "backends/counter/"
WORLD = "tests/backends/counter/world.py"
# Everything that looks at all backends there are: a new one must break none of it.
LOOKS_AT_ALL = (
    "tests/backends/test_installed.py",
    "tests/backends/test_examples.py",
    "tests/test_house.py",
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of ours with the backend `counter` in it."""
    tree = copy_of_the_tree(tmp_path_factory.mktemp("tree"))
    before = files(tree)
    write_backend(tree / FOLDER, tree / WORLD, IN_OUR_TREE)
    after = files(tree)
    assert {name: after[name] for name in before} == before
    assert [name for name in after.keys() - before.keys() if not name.startswith(FOLDER)] == [WORLD]
    return tree


def test_check_knows_the_new_type(tree: Path) -> None:
    (tree / "rollback.yaml").write_text(SMALL)
    assert python(tree, "handlers.cli", "check") == "1 target, no problems\n"


def test_the_contract_is_tried_on_it_and_nothing_that_looks_at_all_backends_fails(tree: Path) -> None:
    said = python(tree, "pytest", "-v", "-p", "no:cacheprovider", "tests/backends/counter", *LOOKS_AT_ALL)
    assert f"{WORLD}::CounterWorld::test_a_second_start_does_nothing PASSED" in said
    assert f"{WORLD}::CounterCheckWorld::test_a_world_as_it_should_be_passes PASSED" in said
    assert "test_every_definition_of_ours_has_a_world[counter] PASSED" in said
    assert "test_an_example_shows_every_setting_of_its_folder[counter] PASSED" in said
