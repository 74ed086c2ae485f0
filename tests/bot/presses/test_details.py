"""*Details*."""

import pytest

from bot import presses
from tests.bot.presses.examples import STATES, WHO, let_through


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("state", STATES)
def test_details_are_for_everybody_at_any_time(state: str, who: str) -> None:
    assert let_through(presses.DETAILS, state, who)
