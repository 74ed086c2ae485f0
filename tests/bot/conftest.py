import pytest

from tests.bot.configured import CAREFUL, configuration
from tests.bot.scripted import Play


@pytest.fixture
def play() -> Play:
    """Orders without maintenance: baseline, undo point, restore, checks."""
    return Play()


@pytest.fixture
def careful() -> Play:
    """All eight steps."""
    return Play(configuration(CAREFUL))
