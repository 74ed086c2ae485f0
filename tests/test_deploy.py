"""The example of a deployment keeps apart what the roles keep apart, and names only what exists."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from backends.installed import definitions
from bot.configuration import load
from handlers.role import Role
from handlers.settings import SECRETS, ProcessSettings

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
BOTS = {name: each for name, each in COMPOSE["services"].items() if each.get("image") == "rollback-bot"}
OF_A_FRONT = {"slack_bot_token", "slack_signing_secret", "front_key"}
OF_A_WORKER = {"slack_read_token", "front_keys", "worker_key", "target_credentials"}


def test_there_are_two_fronts_and_two_workers() -> None:
    roles = [each["command"][2] for each in BOTS.values() if each["command"][0] == "serve"]
    assert sorted(roles) == [Role.FRONT, Role.FRONT, Role.WORKER, Role.WORKER]


@pytest.mark.parametrize("name", BOTS)
def test_every_setting_is_one_that_is_read(name: str) -> None:
    known = {field.alias for field in ProcessSettings.model_fields.values()}
    known |= {f"{secret}_FILE" for secret in SECRETS}
    assert BOTS[name]["environment"].keys() <= known


@pytest.mark.parametrize("name", BOTS)
def test_no_process_holds_the_secrets_of_two_roles(name: str) -> None:
    held = set(BOTS[name]["secrets"])
    assert not (held & OF_A_FRONT and held & OF_A_WORKER)


def test_all_workers_of_the_zone_share_one_key() -> None:
    """With keys of their own they would take each other's markers for planted, and end each other's plans."""
    workers = [each["environment"] for each in BOTS.values() if each["command"][2:3] == [Role.WORKER]]
    assert {each.get("ROLLBACK_WORKER_KEY_FILE") for each in workers} == {"/run/secrets/worker_key"}


@pytest.mark.parametrize("name", BOTS)
def test_every_secret_that_a_setting_names_is_given_to_that_process(name: str) -> None:
    files = [value for key, value in BOTS[name]["environment"].items() if key.endswith("_FILE")]
    assert {Path(file).name for file in files} <= set(BOTS[name]["secrets"]) <= COMPOSE["secrets"].keys()


def test_only_the_proxy_is_published_and_on_loopback() -> None:
    published = {name: each["ports"] for name, each in COMPOSE["services"].items() if "ports" in each}
    assert published == {"proxy": ["127.0.0.1:8080:8080"]}


def test_the_configuration_of_the_example_has_no_problems() -> None:
    assert "shop-config" in load(ROOT / "deploy" / "rollback.yaml", definitions()).targets
