"""Slack's limits, one row each: just inside is taken, just outside is refused in Slack's own words."""

from typing import Any

import pytest

from tests.workspace.slack.drafts import (
    actions,
    button,
    field,
    modal,
    option,
    plain,
    section,
    select,
    text_field,
)
from workspace.slack.limits import check_message, check_view
from workspace.slack.refusal import CallRefused

Json = dict[str, Any]


def has_file(id: str) -> bool:
    return id == "F01HERE"


def confirm(**more: object) -> Json:
    return {
        "title": plain("Sure?"),
        "text": plain("It starts"),
        "confirm": plain("Yes"),
        "deny": plain("No"),
        **more,
    }


def context(*elements: Json) -> Json:
    return {"type": "context", "elements": list(elements)}


def table(rows: int, columns: int = 1) -> Json:
    return {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * columns] * rows}


def plan(*tasks: Json) -> Json:
    return {"type": "plan", "title": "Rollback", "tasks": list(tasks)}


def task(id: str = "t1", **more: object) -> Json:
    return {"type": "task_card", "task_id": id, "title": "Restore", "status": "pending", **more}


def line(title: str = "Errors", **more: object) -> Json:
    points = [{"label": "before", "value": 4.1}, {"label": "after", "value": 0.2}]
    chart = {
        "type": "line",
        "series": [{"name": "rate", "data": points}],
        "axis_config": {"categories": ["before", "after"]},
        **more,
    }
    return {"type": "data_visualization", "title": title, "chart": chart}


GOOD = {
    "nothing": [],
    "50 blocks": [section("x")] * 50,
    "section of 3000": [section("x" * 3000)],
    "10 fields": [{"type": "section", "fields": [plain("x")] * 10}],
    "header of 150": [{"type": "header", "text": plain("x" * 150)}],
    "25 buttons": [actions(*(button(f"a{n}") for n in range(25)))],
    "button text of 75": [actions(button("a", "x" * 75))],
    "button value of 2000": [actions(button("a", value="x" * 2000))],
    "action_id of 255": [actions(button("a" * 255))],
    "block_id of 255": [section("x", block_id="b" * 255)],
    "confirm at its limits": [
        actions(
            button(
                "a",
                confirm=confirm(
                    title=plain("x" * 100),
                    text=plain("x" * 300),
                    confirm=plain("x" * 30),
                    deny=plain("x" * 30),
                ),
            )
        )
    ],
    "10 in a context": [context(*[plain("x")] * 10)],
    "100 options": [actions(select("s", *(f"v{n}" for n in range(100))))],
    "option at its limits": [actions(select("s", options=[option("v" * 150, "x" * 75)]))],
    "one action_id in two blocks": [actions(button("a")), actions(button("a"))],
    "a file that is there": [{"type": "image", "alt_text": "plot", "slack_file": {"id": "F01HERE"}}],
    "a table of 100 by 20": [table(100, 20)],
    "a plan with pending tasks": [plan(task("t1"), task("t2", status="complete"))],
    "two charts": [line(), line()],
    "markdown": [{"type": "markdown", "text": "**x**"}],
    "an input block": [text_field("t")],
}


@pytest.mark.parametrize("blocks", GOOD.values(), ids=GOOD.keys())
def test_a_message_inside_the_limits_is_taken(blocks: list[Json]) -> None:
    check_message(blocks, has_file)


BAD: dict[str, tuple[list[Any], str]] = {
    "51 blocks": ([section("x")] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
    "section of 3001": (
        [section("x" * 3001)],
        "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
    ),
    "an empty section": ([section("")], "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
    "a section without words": (
        [{"type": "section"}],
        "must define either `text` or `fields` [json-pointer:/blocks/0/type]",
    ),
    "11 fields": (
        [{"type": "section", "fields": [plain("x")] * 11}],
        "no more than 10 items allowed [json-pointer:/blocks/0/fields]",
    ),
    "header of 151": (
        [{"type": "header", "text": plain("x" * 151)}],
        "must be less than 151 characters [json-pointer:/blocks/0/text/text]",
    ),
    "a header in mrkdwn": (
        [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}],
        "unsupported type: mrkdwn [json-pointer:/blocks/0/text/type]",
    ),
    "26 buttons": (
        [actions(*(button(f"a{n}") for n in range(26)))],
        "no more than 25 items allowed [json-pointer:/blocks/0/elements]",
    ),
    "button text of 76": (
        [actions(button("a", "x" * 76))],
        "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]",
    ),
    "button value of 2001": (
        [actions(button("a", value="x" * 2001))],
        "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]",
    ),
    "action_id of 256": (
        [actions(button("a" * 256))],
        "must be less than 256 characters [json-pointer:/blocks/0/elements/0/action_id]",
    ),
    "block_id of 256": (
        [section("x", block_id="b" * 256)],
        "must be less than 256 characters [json-pointer:/blocks/0/block_id]",
    ),
    "a style that is none": (
        [actions(button("a", style="warning"))],
        "must be a valid enum value [json-pointer:/blocks/0/elements/0/style]",
    ),
    "one action_id twice in a block": (
        [actions(button("a"), button("a"))],
        "`action_id` a already exists [json-pointer:/blocks/0/elements]",
    ),
    "one block_id twice": (
        [section("x", block_id="b"), section("y", block_id="b")],
        "`block_id` b already exists [json-pointer:/blocks]",
    ),
    "a confirm text of 301": (
        [actions(button("a", confirm=confirm(text=plain("x" * 301))))],
        "must be less than 301 characters [json-pointer:/blocks/0/elements/0/confirm/text/text]",
    ),
    "a confirm without a way out": (
        [actions(button("a", confirm={"title": plain("x"), "text": plain("x"), "confirm": plain("x")}))],
        "missing required field: deny [json-pointer:/blocks/0/elements/0/confirm]",
    ),
    "101 options": (
        [actions(select("s", *(f"v{n}" for n in range(101))))],
        "no more than 100 items allowed [json-pointer:/blocks/0/elements/0/options]",
    ),
    "a select without options": (
        [actions({"type": "static_select", "action_id": "s"})],
        "must define either `options` or `option_groups` [json-pointer:/blocks/0/elements/0]",
    ),
    "option text of 76": (
        [actions(select("s", options=[option("v", "x" * 76)]))],
        "must be less than 76 characters [json-pointer:/blocks/0/elements/0/options/0/text/text]",
    ),
    "option value of 151": (
        [actions(select("s", options=[option("v" * 151, "x")]))],
        "must be less than 151 characters [json-pointer:/blocks/0/elements/0/options/0/value]",
    ),
    "an initial option that is not offered": (
        [actions(select("s", "v41", initial_option=option("v40")))],
        "must be one of the provided options [json-pointer:/blocks/0/elements/0/initial_option]",
    ),
    "11 in a context": (
        [context(*[plain("x")] * 11)],
        "no more than 10 items allowed [json-pointer:/blocks/0/elements]",
    ),
    "a block that does not exist": (
        [{"type": "card_of_mine"}],
        "unsupported type: card_of_mine [json-pointer:/blocks/0/type]",
    ),
    "a block without a type": ([{"text": "x"}], "missing required field: type [json-pointer:/blocks/0]"),
    "a key that does not exist": (
        [section("x", colour="red")],
        "invalid additional property: colour [json-pointer:/blocks/0]",
    ),
    "a text that is a string": (
        [{"type": "section", "text": "x"}],
        "must provide an object [json-pointer:/blocks/0/text]",
    ),
    "a file that is not there": (
        [{"type": "image", "alt_text": "plot", "slack_file": {"id": "F99"}}],
        "invalid slack file [json-pointer:/blocks/0/slack_file]",
    ),
    "an alert, which only modals may show": (
        [{"type": "alert", "text": plain("x")}],
        "unsupported type: alert [json-pointer:/blocks/0/type]",
    ),
    "a pending task outside a plan": (
        [task()],
        "only the tasks of a plan can be pending [json-pointer:/blocks/0/status]",
    ),
    "two tasks of one id": (
        [plan(task("t"), task("t"))],
        "task_id must be unique [json-pointer:/blocks/0/tasks]",
    ),
    "a plan beside a task card": (
        [plan(), task(status="complete")],
        "plan and task_card cannot stand in one message [json-pointer:/blocks]",
    ),
    "101 rows": ([table(101)], "no more than 100 items allowed [json-pointer:/blocks/0/rows]"),
    "three charts": ([line()] * 3, "no more than 2 data_visualization blocks allowed [json-pointer:/blocks]"),
    "a chart title of 51": (
        [line("x" * 51)],
        "must be less than 51 characters [json-pointer:/blocks/0/title]",
    ),
    "a chart whose points miss the axis": (
        [line(axis_config={"categories": ["x"]})],
        "labels must match the categories of the axis [json-pointer:/blocks/0/chart/series/0/data]",
    ),
}


@pytest.mark.parametrize(("blocks", "words"), BAD.values(), ids=BAD.keys())
def test_a_message_outside_the_limits_is_refused_with_slacks_words(blocks: list[Json], words: str) -> None:
    with pytest.raises(CallRefused) as refused:
        check_message(blocks, has_file)
    assert refused.value.error == "invalid_blocks"
    assert refused.value.messages == (f"[ERROR] {words}",)


def test_two_tables_in_a_message_are_refused_in_slacks_own_way() -> None:
    with pytest.raises(CallRefused, match="only_one_table_allowed") as refused:
        check_message([table(1), table(1)], has_file)
    assert refused.value.error == "invalid_attachments"


def test_a_message_with_too_many_words_in_all_is_refused() -> None:
    with pytest.raises(CallRefused, match="msg_blocks_too_long"):
        check_message([section("x" * 3000)] * 5, has_file)


GOOD_VIEWS = {
    "100 blocks": modal(*[section("x")] * 100),
    "title of 24": modal(title=plain("x" * 24)),
    "submit of 24": modal(submit=plain("x" * 24), close=plain("x" * 24)),
    "private_metadata of 3000": modal(private_metadata="x" * 3000),
    "an alert": modal({"type": "alert", "text": plain("x"), "level": "warning"}),
    "a label of 2000": modal(text_field("t", label=plain("x" * 2000))),
    "a home": {"type": "home", "blocks": [section("x")]},
}


@pytest.mark.parametrize("view", GOOD_VIEWS.values(), ids=GOOD_VIEWS.keys())
def test_a_view_inside_the_limits_is_taken(view: Json) -> None:
    check_view(view, has_file)


def without_submit(*blocks: Json) -> Json:
    return {key: value for key, value in modal(*blocks).items() if key != "submit"}


BAD_VIEWS: dict[str, tuple[Json, str]] = {
    "101 blocks": (
        modal(*[section("x")] * 101),
        "no more than 100 items allowed [json-pointer:/view/blocks]",
    ),
    "title of 25": (
        modal(title=plain("x" * 25)),
        "must be less than 25 characters [json-pointer:/view/title/text]",
    ),
    "no title": (
        {"type": "modal", "blocks": [section("x")]},
        "missing required field: title [json-pointer:/view]",
    ),
    "submit of 25": (
        modal(submit=plain("x" * 25)),
        "must be less than 25 characters [json-pointer:/view/submit/text]",
    ),
    "private_metadata of 3001": (
        modal(private_metadata="x" * 3001),
        "must be less than 3001 characters [json-pointer:/view/private_metadata]",
    ),
    "callback_id of 256": (
        modal(callback_id="x" * 256),
        "must be less than 256 characters [json-pointer:/view/callback_id]",
    ),
    "input without submit": (
        without_submit(text_field("t")),
        "must define `submit` to use an `input` block in modals [json-pointer:/view/blocks/0/input]",
    ),
    "a label in mrkdwn": (
        modal(text_field("t", label={"type": "mrkdwn", "text": "x"})),
        "unsupported type: mrkdwn [json-pointer:/view/blocks/0/label/type]",
    ),
    "a plan, which only messages may show": (
        modal(plan()),
        "unsupported type: plan [json-pointer:/view/blocks/0/type]",
    ),
    "an initial value beyond max_length": (
        modal(field("b", {"type": "plain_text_input", "max_length": 4, "initial_value": "7f3a9"})),
        "must be less than 5 characters [json-pointer:/view/blocks/0/element/initial_value]",
    ),
    "a home with a submit button": (
        {"type": "home", "blocks": [section("x")], "submit": plain("x")},
        "invalid additional property: submit [json-pointer:/view]",
    ),
}


@pytest.mark.parametrize(("view", "words"), BAD_VIEWS.values(), ids=BAD_VIEWS.keys())
def test_a_view_outside_the_limits_is_refused_with_slacks_words(view: Json, words: str) -> None:
    with pytest.raises(CallRefused) as refused:
        check_view(view, has_file)
    assert refused.value.error == "invalid_arguments"
    everything = "[ERROR] failed to match all allowed schemas [json-pointer:/view]"
    assert refused.value.messages == (everything, f"[ERROR] {words}")


def test_a_view_beyond_250_kb_is_refused() -> None:
    blocks = [section("x" * 2900) for _ in range(90)]
    with pytest.raises(CallRefused, match="view_too_large"):
        check_view(modal(*blocks), has_file)
