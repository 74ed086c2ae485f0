"""Slack's limits for messages and views: which blocks may stand where, and when Slack refuses the whole.

Unknown blocks and keys are refused, as Slack does. Blocks that the bot never draws (video, file, call, card,
carousel, container, data_table and those of streams) are unknown here. The figures, and which block may stand
where, are those of docs.slack.dev, read in November 2026.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from workspace.slack import reading
from workspace.slack.composition import (
    ID,
    IMAGE,
    IN_ACTIONS,
    IN_INPUT,
    IN_SECTION,
    MANY,
    SLACK_FILE,
    URL,
)
from workspace.slack.refusal import CallRefused
from workspace.slack.rich_text import RICH_TEXT_PARTS
from workspace.slack.schema import (
    MRKDWN,
    PLAIN,
    Check,
    Findings,
    at_least_one,
    by_type,
    exactly_one,
    flag,
    listed,
    number,
    one_of,
    shape,
    text,
    typed,
    words,
)
from workspace.slack.wire import Json

MESSAGE_BLOCKS: Final = 50
VIEW_BLOCKS: Final = 100
VIEW_BYTES: Final = 250_000
# All words of a message. Slack names no figure; people met it at about 13,200 (slackapi/bolt-js#2509).
MESSAGE_CHARACTERS: Final = 13_200
MARKDOWN_CHARACTERS: Final = 12_000
CHARTS: Final = 2  # in one message

HasFile = Callable[[str], bool]

_BLOCK_ID: Final[Mapping[str, Check]] = {"block_id": ID}
_RICH_TEXT: Final = typed("rich_text", {"elements": listed(RICH_TEXT_PARTS, MANY, least=0)}, _BLOCK_ID)
_STATUS: Final = one_of("pending", "in_progress", "complete", "error")


def _one_part(block: Json, at: str, findings: Findings) -> None:
    for key in ("details", "output"):
        if isinstance(block.get(key), dict) and len(block[key].get("elements", [])) > 1:
            findings.add("no more than 1 items allowed", f"{at}/{key}/elements")


_TASK: Final[Mapping[str, Check]] = {
    "details": _RICH_TEXT,
    "output": _RICH_TEXT,
    "sources": listed(typed("url", {"url": URL, "text": words()}, {}), MANY, least=0),
    "status": _STATUS,
    "block_id": ID,
}
# Inside a plan a task may leave its type out.
_PLANNED_TASK: Final = shape(
    {"task_id": words(), "title": words()}, {"type": one_of("task_card"), **_TASK}, _one_part
)


def _task_ids_differ(plan: Json, at: str, findings: Findings) -> None:
    tasks = plan.get("tasks")
    ids = [each.get("task_id") for each in tasks if isinstance(each, dict)] if isinstance(tasks, list) else []
    if len(set(ids)) != len(ids):
        findings.add("task_id must be unique", f"{at}/tasks")


def _not_pending(card: Json, at: str, findings: Findings) -> None:
    if card.get("status") == "pending":
        findings.add("only the tasks of a plan can be pending", f"{at}/status")


_CELL: Final = by_type(
    {
        "raw_text": typed("raw_text", {"text": words()}, {}),
        "raw_number": typed("raw_number", {"value": number()}, {"text": words()}),
        "rich_text": _RICH_TEXT,
    }
)
_COLUMN: Final = shape({}, {"align": one_of("left", "center", "right"), "is_wrapped": flag})
_POINT: Final = shape({"label": words(20), "value": number()}, {})
_AXES: Final = shape({"categories": listed(words(20), 20)}, {"x_label": words(50), "y_label": words(50)})
_SERIES: Final = shape({"name": words(20), "data": listed(_POINT, 20)}, {})


def _points_match_axis(chart: Json, at: str, findings: Findings) -> None:
    axes, series = chart.get("axis_config"), chart.get("series")
    if not isinstance(axes, dict) or not isinstance(series, list):
        return
    for index, each in enumerate(series):
        points = each.get("data") if isinstance(each, dict) else None
        labels = [point.get("label") for point in points or [] if isinstance(point, dict)]
        if labels != axes.get("categories"):
            findings.add("labels must match the categories of the axis", f"{at}/series/{index}/data")


def _plotted(type: str) -> Check:
    return typed(type, {"series": listed(_SERIES, 6), "axis_config": _AXES}, {}, _points_match_axis)


_CHART: Final = by_type(
    {
        "pie": typed("pie", {"segments": listed(_POINT, 6)}, {}),
        "bar": _plotted("bar"),
        "line": _plotted("line"),
        "area": _plotted("area"),
    }
)


def _action_ids_differ(block: Json, at: str, findings: Findings) -> None:
    elements = block.get("elements")
    ids = (
        [each.get("action_id") for each in elements if isinstance(each, dict)]
        if isinstance(elements, list)
        else []
    )
    for id, times in Counter(id for id in ids if id is not None).items():
        if times > 1:
            findings.add(f"`action_id` {id} already exists", f"{at}/elements")


_EVERYWHERE: Final[Mapping[str, Check]] = {
    "section": typed(
        "section",
        {},
        {
            **_BLOCK_ID,
            "text": text(3000),
            "fields": listed(text(2000), 10),
            "accessory": IN_SECTION,
            "expand": flag,
        },
        at_least_one("text", "fields"),
    ),
    "header": typed("header", {"text": text(150, PLAIN)}, {**_BLOCK_ID, "level": number(1, 6)}),
    "context": typed(
        "context",
        {
            "elements": listed(
                by_type({PLAIN: text(2000, PLAIN), MRKDWN: text(2000, MRKDWN), "image": IMAGE}), 10
            )
        },
        _BLOCK_ID,
    ),
    "actions": typed("actions", {"elements": listed(IN_ACTIONS, 25)}, _BLOCK_ID, _action_ids_differ),
    "divider": typed("divider", {}, _BLOCK_ID),
    "image": typed(
        "image",
        {"alt_text": words(2000)},
        {**_BLOCK_ID, "title": text(2000, PLAIN), "image_url": URL, "slack_file": SLACK_FILE},
        exactly_one("image_url", "slack_file"),
    ),
    "input": typed(
        "input",
        {"label": text(2000, PLAIN), "element": IN_INPUT},
        {**_BLOCK_ID, "hint": text(2000, PLAIN), "optional": flag, "dispatch_action": flag},
    ),
    "rich_text": _RICH_TEXT,
}
_TABLE: Final = typed(
    "table",
    {"rows": listed(listed(_CELL, 20), 100)},
    {**_BLOCK_ID, "column_settings": listed(_COLUMN, 20)},
)
_VISUALIZATION: Final = typed("data_visualization", {"title": words(50), "chart": _CHART}, _BLOCK_ID)

_IN_MESSAGE: Final[Mapping[str, Check]] = {
    **_EVERYWHERE,
    "markdown": typed("markdown", {"text": words(MARKDOWN_CHARACTERS)}, _BLOCK_ID),
    "table": _TABLE,
    "task_card": typed("task_card", {"task_id": words(), "title": words()}, _TASK, _one_part, _not_pending),
    "plan": typed(
        "plan",
        {"title": words()},
        {**_BLOCK_ID, "tasks": listed(_PLANNED_TASK, 50, least=0)},
        _task_ids_differ,
    ),
    "data_visualization": _VISUALIZATION,
}
_IN_MODAL: Final[Mapping[str, Check]] = {
    **_EVERYWHERE,
    "alert": typed(
        "alert",
        {"text": text(200)},
        {**_BLOCK_ID, "level": one_of("default", "info", "warning", "error", "success")},
    ),
}
_IN_HOME: Final[Mapping[str, Check]] = {**_EVERYWHERE, "table": _TABLE, "data_visualization": _VISUALIZATION}

_MESSAGE: Final = listed(by_type(_IN_MESSAGE), MESSAGE_BLOCKS, least=0)
_VIEW_KEYS: Final[Mapping[str, Check]] = {
    "private_metadata": words(3000, least=0),
    "callback_id": words(255, least=0),
    "external_id": words(255, least=0),
    "clear_on_close": flag,
    "notify_on_close": flag,
}
_VIEW: Final = by_type(
    {
        "modal": typed(
            "modal",
            {"title": text(24, PLAIN), "blocks": listed(by_type(_IN_MODAL), VIEW_BLOCKS)},
            {**_VIEW_KEYS, "submit": text(24, PLAIN), "close": text(24, PLAIN), "submit_disabled": flag},
        ),
        "home": typed("home", {"blocks": listed(by_type(_IN_HOME), VIEW_BLOCKS)}, _VIEW_KEYS),
    }
)


def check_message(blocks: list[Json], has_file: HasFile) -> None:
    """Refuse blocks that Slack would not post."""
    findings = wrong_in_blocks(blocks, has_file)
    if findings.found:
        raise _refusal("invalid_blocks", findings)
    if sum(block["type"] == "table" for block in blocks) > 1:
        raise CallRefused("invalid_attachments", ["[ERROR] only_one_table_allowed"])
    if sum(len(line) for line in reading.plain(blocks).splitlines()) > MESSAGE_CHARACTERS:
        raise CallRefused("msg_blocks_too_long")


def check_view(view: Json, has_file: HasFile) -> None:
    """Refuse a view that Slack would not open."""
    if len(json.dumps(view, ensure_ascii=False).encode()) > VIEW_BYTES:
        raise CallRefused("view_too_large")
    findings = wrong_in_view(view, has_file)
    if findings.found:
        findings.found.insert(0, ("failed to match all allowed schemas", "/view"))
        raise _refusal("invalid_arguments", findings)


def wrong_in_blocks(blocks: object, has_file: HasFile, at: str = "/blocks") -> Findings:
    findings = Findings()
    _MESSAGE(blocks, at, findings)
    if isinstance(blocks, list) and not findings.found:
        _check_whole(blocks, at, has_file, findings)
        _check_together(blocks, at, findings)
    return findings


def wrong_in_view(view: Json, has_file: HasFile, at: str = "/view") -> Findings:
    findings = Findings()
    _VIEW(view, at, findings)
    if not findings.found:
        _check_whole(view["blocks"], f"{at}/blocks", has_file, findings)
        _check_submit(view, at, findings)
    return findings


def _check_together(blocks: list[Json], at: str, findings: Findings) -> None:
    kinds = Counter(block["type"] for block in blocks)
    if kinds["data_visualization"] > CHARTS:
        findings.add(f"no more than {CHARTS} data_visualization blocks allowed", at)
    if kinds["plan"] and kinds["task_card"]:
        findings.add("plan and task_card cannot stand in one message", at)


def _check_whole(blocks: list[Json], at: str, has_file: HasFile, findings: Findings) -> None:
    """Checks what no block can know alone: ids that repeat, files that are not there, two focused fields."""
    for id, times in Counter(block["block_id"] for block in blocks if "block_id" in block).items():
        if times > 1:
            findings.add(f"`block_id` {id} already exists", at)
    for id, where in _files(blocks, at):
        if not has_file(id):
            findings.add("invalid slack file", where)
    if sum(bool(element.get("focus_on_load")) for _, element in reading.elements(blocks)) > 1:
        findings.add("only one element can be focused on load", at)


def _check_submit(view: Json, at: str, findings: Findings) -> None:
    if view["type"] == "modal" and "submit" not in view:
        for index, block in enumerate(view["blocks"]):
            if block["type"] == "input":
                findings.add(
                    "must define `submit` to use an `input` block in modals", f"/view/blocks/{index}/input"
                )


def _files(node: object, at: str) -> Iterator[tuple[str, str]]:
    """(id, pointer) of every Slack file that is shown."""
    if isinstance(node, list):
        for index, each in enumerate(node):
            yield from _files(each, f"{at}/{index}")
    elif isinstance(node, dict):
        for key, held in node.items():
            if key == "slack_file":
                yield str(held.get("id") or held.get("url")), f"{at}/{key}"
            else:
                yield from _files(held, f"{at}/{key}")


def _refusal(error: str, findings: Findings) -> CallRefused:
    return CallRefused(error, [f"[ERROR] {line}" for line in findings.lines()], errors=findings.lines())
