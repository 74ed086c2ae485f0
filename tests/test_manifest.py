"""The Slack app's manifest: valid, and asking for exactly what the design documents.

What the bot does with a scope or an event is tested where it is used.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = (
    ROOT.parent / "shared" / "data" / "manifest.schema.2.0.0.json"
)  # contract data kept beside the checkout

SCOPES = {
    "app_mentions:read",
    "channels:history",
    "channels:join",
    "channels:read",
    "chat:write",
    "chat:write.public",
    "commands",
    "dnd:read",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:write",
    "usergroups:read",
    "users:read",
    "users:read.email",
}
EVENTS = {
    "app_home_opened",
    "app_mention",
    "app_uninstalled",
    "channel_id_changed",
    "subteam_members_changed",
    "subteam_updated",
    "tokens_revoked",
}


@pytest.fixture(scope="module")
def manifest() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = yaml.safe_load((ROOT / "manifest.yml").read_text(encoding="utf-8"))
    return loaded


@pytest.mark.skipif(not SCHEMA.exists(), reason="Slack's manifest schema is not beside this checkout")
def test_slacks_schema_accepts_the_manifest(manifest: Mapping[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert [e.message for e in jsonschema.Draft7Validator(schema).iter_errors(manifest)] == []


def test_the_app_asks_for_the_documented_scopes_and_no_other(manifest: Mapping[str, Any]) -> None:
    assert manifest["oauth_config"]["scopes"].keys() == {"bot"}
    bot = manifest["oauth_config"]["scopes"]["bot"]
    assert len(bot) == len(set(bot))
    assert set(bot) == SCOPES


def test_the_app_subscribes_to_the_documented_events_and_no_other(manifest: Mapping[str, Any]) -> None:
    subscriptions = manifest["settings"]["event_subscriptions"]
    assert set(subscriptions["bot_events"]) == EVENTS
    assert "user_events" not in subscriptions


def test_the_command_is_rollback(manifest: Mapping[str, Any]) -> None:
    assert [c["command"] for c in manifest["features"]["slash_commands"]] == ["/rollback"]


def test_the_shortcut_on_a_message_carries_the_public_callback_id(manifest: Mapping[str, Any]) -> None:
    shortcuts = [(s["type"], s["callback_id"]) for s in manifest["features"]["shortcuts"]]
    assert shortcuts == [("message", "rollback_shortcut")]


def test_buttons_modals_and_the_socket_are_on(manifest: Mapping[str, Any]) -> None:
    settings = manifest["settings"]
    assert settings["interactivity"]["is_enabled"] is True
    assert settings["socket_mode_enabled"] is True


def test_no_organisation_wide_install_and_no_token_rotation(manifest: Mapping[str, Any]) -> None:
    settings = manifest["settings"]
    assert settings["org_deploy_enabled"] is False
    assert settings["token_rotation_enabled"] is False
