"""What the environment says, and that nothing of it is repeated where it might be read."""

from pathlib import Path

import pytest

from bot.errors import ConfigurationError
from handlers.settings import read_settings


def test_only_the_environment_that_is_handed_in_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLBACK_HTTP", "127.0.0.1:1")
    assert read_settings({}).http == "127.0.0.1:3000"


def test_it_listens_on_loopback_unless_it_is_told_otherwise() -> None:
    assert read_settings({}).address == ("127.0.0.1", 3000)
    assert read_settings({"ROLLBACK_HTTP": ":3000"}).address == ("127.0.0.1", 3000)
    assert read_settings({"ROLLBACK_HTTP": "0.0.0.0:80"}).address == ("0.0.0.0", 80)


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("xoxb-1\n")
    settings = read_settings({"SLACK_BOT_TOKEN_FILE": str(tmp_path / "token")})
    assert settings.bot_token is not None
    assert settings.bot_token.get_secret_value() == "xoxb-1"


def test_a_secret_in_a_file_that_cannot_be_read_is_a_sentence() -> None:
    with pytest.raises(ConfigurationError, match="SLACK_BOT_TOKEN_FILE: No such file"):
        read_settings({"SLACK_BOT_TOKEN_FILE": "/nowhere/at/all"})


def test_an_empty_variable_is_not_set() -> None:
    assert read_settings({"SLACK_APP_TOKEN": "", "ROLLBACK_HTTP": ""}).app_token is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLACK_API_URL", "https://slack.com"),
        ("ROLLBACK_HTTP", "127.0.0.1"),
        ("ROLLBACK_HTTP", "127.0.0.1:http"),
        ("ROLLBACK_HTTP", "127.0.0.1:65536"),
        ("ROLLBACK_DRAIN_SECONDS", "soon"),
        ("ROLLBACK_DRAIN_SECONDS", "-1"),
        ("ROLLBACK_DRAIN_SECONDS", "3601"),
        ("ROLLBACK_DRAIN_SECONDS", "nan"),
        ("ROLLBACK_STANDSTILL_SECONDS", "0"),
        ("ROLLBACK_STANDSTILL_SECONDS", "never"),
    ],
)
def test_a_value_that_cannot_be_is_refused_in_one_sentence_without_the_tokens(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        read_settings({"SLACK_BOT_TOKEN": "xoxb-secret", name: value})
    assert len(refusal.value.problems) == 1
    assert name in str(refusal.value)
    assert "xoxb-secret" not in str(refusal.value)


def test_it_drains_for_less_than_the_30_s_after_which_an_orchestrator_kills() -> None:
    assert read_settings({}).drain_seconds == 25.0
    assert read_settings({"ROLLBACK_DRAIN_SECONDS": "80"}).drain_seconds == 80.0
