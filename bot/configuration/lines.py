"""YAML to plain values, with the line of each. Knows nothing of what the values mean.

Scalars are those of YAML 1.2: `on`, `yes`, `1:30` and dates stay text. Keys are always text. What is
refused: duplicate keys, tags, merge keys, several documents, and files that grow by their aliases.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

LARGEST_BYTES = 1_000_000
MOST_VALUES = 100_000  # also after aliases are followed
DEEPEST_LEVELS = 20  # the longest path that means anything has 8

Location: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    line: int  # from 1
    words: str  # one sentence, and what to do next


@dataclass(frozen=True, slots=True)
class Sheet:
    """A parsed file. A mapping's or a list's line is that of its key."""

    values: Any
    lines: Mapping[Location, int]
    problems: tuple[Problem, ...] = ()

    def place(self, location: Location) -> Location:
        """The deepest part of a location that stands in the file; what is not in it is left out."""
        place: Location = ()
        for part in location:
            if (*place, part) in self.lines:
                place = (*place, part)
        return place

    def line(self, location: Location) -> int:
        return self.lines.get(self.place(location), 1)


def read(data: bytes) -> Sheet:
    """Values are None where the file cannot be read at all; `problems` then say why."""
    try:
        text = data.decode("utf-8-sig")
        root = _Composer(text).get_single_node()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return _unreadable(line, "This line is not UTF-8. Save the file as UTF-8.")
    except yaml.reader.ReaderError as error:
        line = data.decode("utf-8-sig").count("\n", 0, error.position) + 1
        return _unreadable(line, f"This line holds a control character (U+{error.character:04X}). Remove it.")
    except yaml.MarkedYAMLError as error:
        return _unreadable(*_syntax(error))
    if root is None:
        return _unreadable(1, "The file is empty. Start from rollback.example.yaml.")
    builder = _Builder()
    try:
        values = builder.value(root, ())
    except _TooMuch as error:
        return _unreadable(error.args[0], "The aliases (*) unfold to too much. Write the values out.")
    return Sheet(values, builder.lines, tuple(builder.problems))


def _unreadable(line: int, words: str) -> Sheet:
    return Sheet(None, {}, (Problem(line, words),))


def _syntax(error: yaml.MarkedYAMLError) -> tuple[int, str]:
    mark = error.problem_mark or error.context_mark
    what = ", ".join(part for part in (error.context, error.problem) if part)
    return (
        mark.line + 1 if mark else 1,
        f"This is not readable as YAML: {what}. Look at indentation, colons and quotes.",
    )


class _Composer(yaml.SafeLoader):
    """Nodes only. Bounded while they are composed, since PyYAML does that by recursion."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  # filled below; the parent's are those of YAML 1.1
    depth = 0
    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.depth == DEEPEST_LEVELS or self.nodes == MOST_VALUES:
            words = f"more than {DEEPEST_LEVELS} levels or {MOST_VALUES} values"
            raise yaml.MarkedYAMLError(problem=words, problem_mark=self.get_mark())
        self.depth += 1
        self.nodes += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_SURROGATE = re.compile("[\ud800-\udfff]")
_TAG = "tag:yaml.org,2002:"
_SCALARS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "null": (r"~|null|", lambda _: None),
    "bool": (r"true|false", lambda text: text == "true"),
    "int": (r"0|-?[1-9][0-9]*", int),  # spelled as str(int) spells it
    "float": (r"-?[0-9]+\.[0-9]+", float),  # never 12e4567, which is a commit
}
for _name, (_pattern, _) in _SCALARS.items():
    _Composer.add_implicit_resolver(_TAG + _name, re.compile(rf"^(?:{_pattern})$"), None)


class _TooMuch(Exception):
    """Too many or too deep values, or a value that holds itself. Carries the line."""


@dataclass(slots=True)
class _Builder:
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def value(self, node: yaml.Node, path: Location) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)  # a mapping's value has the line of its key already
        if len(self.lines) > MOST_VALUES or len(path) > DEEPEST_LEVELS:
            raise _TooMuch(line)
        match node:
            case yaml.MappingNode() if node.tag == _TAG + "map":
                return self._mapping(node, path)
            case yaml.SequenceNode() if node.tag == _TAG + "seq":
                return [self.value(item, (*path, n)) for n, item in enumerate(node.value)]
            case yaml.ScalarNode():
                return self._scalar(node, line)
        return self._refuse(line, f"The tag {_shown(node.tag)} is not read here. Remove it.")

    def _mapping(self, node: yaml.MappingNode, path: Location) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self._refuse(line, "A key must be plain text. Put quotes around it.")
            elif key.value == "<<" and key.style is None:
                self._refuse(line, "Merge keys (<<) are not read here. Write the settings out.")
            elif key.value in values:
                first = self.lines[(*path, key.value)]
                self._refuse(line, f"`{key.value}` stands here twice, first on line {first}. Keep one.")
            else:
                self.lines[(*path, key.value)] = line
                values[key.value] = self.value(value, (*path, key.value))
        return values

    def _scalar(self, node: yaml.ScalarNode, line: int) -> Any:
        name = node.tag.removeprefix(_TAG)
        if not node.value.isascii() and _SURROGATE.search(node.value):
            return self._refuse(
                line, "Half a character (\\uD800 to \\uDFFF) stands here. Write the whole one."
            )
        if name == "str":
            return node.value
        if name not in _SCALARS:
            return self._refuse(line, f"The tag {_shown(node.tag)} is not read here. Remove it.")
        try:
            return _SCALARS[name][1](node.value)
        except ValueError:
            return self._refuse(line, f"This is no {name} that can be read. Put quotes around it.")

    def _refuse(self, line: int, words: str) -> None:
        self.problems.append(Problem(line, words))


def _shown(tag: str) -> str:
    return "!!" + tag.removeprefix(_TAG) if tag.startswith(_TAG) else tag
