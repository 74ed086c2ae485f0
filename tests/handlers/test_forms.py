"""What is read from a modal, whatever state it comes with."""

import pytest

from handlers.slack.forms import any_block, block_of, typed


@pytest.mark.parametrize("view", [{}, {"state": None}, {"state": {}}, {"state": {"values": {}}}])
def test_a_modal_without_inputs_holds_nothing(view: dict[str, object]) -> None:
    assert (typed(view), block_of(view, "reason"), any_block(view)) == ({}, None, None)
