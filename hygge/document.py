"""This is where YAML text becomes plain values that know their line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from hygge.errors import ConfigError
from hygge.variables import Unusable, expand

Path = tuple[str | int, ...]
"""Keys and indexes that lead from the top of a document to a value."""

MOST_NODES = 100_000
"""Values a document may have after its aliases are expanded; more is a mistake or an attack."""

MOST_CHARACTERS = 20_000_000
"""Characters that all values together may have, after aliases are expanded."""

DEEPEST = 50
"""Levels of mappings and lists in each other. What nests deeper ends the whole process in the
parser, which calls itself for each level."""

LONGEST_NUMBER = 100
"""Characters that a number may have. What is longer is slow to read, and can't be written again."""

LONGEST_LINE = 200
"""Characters of a line that are shown."""

_COLLECTIONS = {f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "set", "omap", "pairs")}
"""What becomes a mapping or a list; any other tag would name something to be made of it."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a text file."""

    file: str
    """Path, relative to the project's root."""
    line: int
    """1 is the first."""
    column: int
    """1 is the first."""
    text: str
    """The whole line, without its line break."""

    def __str__(self) -> str:
        shown = self.text.lstrip()
        head = f"{self.file}:{self.line}:{self.column}  "
        # A mistake in the indentation itself is shown at the first thing that is indented.
        within = max(self.column - 1 - (len(self.text) - len(shown)), 0)
        if len(shown) > LONGEST_LINE:
            start = max(within - LONGEST_LINE // 2, 0)
            shown, within = shown[start : start + LONGEST_LINE], within - start
        caret = len("  at ") + len(head) + within
        return f"{head}{shown}\n{' ' * caret}^"


@dataclass(frozen=True)
class Document:
    """Values with the places they were written at."""

    values: Any
    """Plain dicts, lists, strings, numbers, booleans and None; ``${VAR}`` is expanded, and what
    came of it is an `Expanded`."""
    places: Mapping[Path, Place] = field(default_factory=dict)
    """Where each value stands."""
    keys: Mapping[Path, Place] = field(default_factory=dict)
    """Where the key of each value stands."""

    def place(self, path: Path) -> Place | None:
        """Return where the value at *path* stands, or the nearest thing around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path)

    def error(self, path: Path, what: str, hint: str = "") -> ConfigError:
        """Build the error for a wrong value at *path*."""
        return ConfigError(what, str(self.place(path) or ""), hint)

    def key_error(self, path: Path, what: str, hint: str = "") -> ConfigError:
        """Build the error for a wrong key at *path*."""
        return ConfigError(what, str(self.keys.get(path) or self.place(path) or ""), hint)

    def below(self, name: str) -> Document:
        """Return what stands below the top-level key *name* on its own, empty if nothing does."""
        found = self.parts().get(name)
        return Document({}) if found is None else found

    def without(self, *names: str) -> Document:
        """Return this document without what stands below the top-level keys called *names*."""
        return Document(
            {key: value for key, value in self.values.items() if key not in names},
            {path: place for path, place in self.places.items() if not {*path[:1]} & {*names}},
            {path: place for path, place in self.keys.items() if not {*path[:1]} & {*names}},
        )

    def parts(self) -> dict[str | int, Document]:
        """Return each value of the mapping or list that this is on its own, in their order.

        The empty path leads to the value itself and to its key.
        """
        pairs = self.values.items() if isinstance(self.values, dict) else enumerate(self.values)
        places, keys = _by_first(self.places), _by_first(self.keys)
        return {
            each: Document({} if value is None else value, places.get(each, {}), keys.get(each, {}))
            for each, value in pairs
        }

    def over(self, defaults: Document) -> Document:
        """Return this document with *defaults* merged below it, mapping by mapping."""
        return Document(
            merged(defaults.values, self.values),
            {**defaults.places, **self.places},
            {**defaults.keys, **self.keys},
        )


def _by_first(places: Mapping[Path, Place]) -> dict[str | int, dict[Path, Place]]:
    result: dict[str | int, dict[Path, Place]] = {}
    for path, place in places.items():
        if path:
            result.setdefault(path[0], {})[path[1:]] = place
    return result


def merged(below: Any, above: Any) -> Any:
    """Return *above*, with what it lacks taken from *below*; only mappings are merged."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    result = dict(below)
    for key, value in above.items():
        result[key] = merged(below[key], value) if key in below else value
    return result


def parse(text: str, file: str, environment: Mapping[str, str] = os.environ) -> Document:
    """Read YAML *text* that stands in *file*, with ``${VAR}`` taken from *environment*.

    Raises:
        ConfigError: Not YAML, too large, a key stands twice, or a variable is not set.
    """
    lines = text.split("\n")
    try:
        _check_depth(text, file, lines)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise _syntax_error(error, file, lines) from error
    reader = _Reader(file, lines, environment)
    if node is None:
        return Document({}, {(): reader.at(0, 0)})
    return Document(reader.value(node, ()), reader.places, reader.keys)


def _check_depth(text: str, file: str, lines: list[str]) -> None:
    """Refuse *text* that is nested too deep, or has too many values, before it is composed."""
    # Each level takes one of these; few texts have so many that it has to be looked at.
    if sum(map(text.count, "[{-:?")) <= DEEPEST:
        return
    depth = count = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        count += isinstance(event, yaml.NodeEvent)
        if depth > DEEPEST or count > 2 * MOST_NODES:  # a key is a node too
            mark: Any = event.start_mark
            text_there = lines[mark.line] if mark.line < len(lines) else ""
            place = Place(file, mark.line + 1, mark.column + 1, text_there)
            raise _too_deep(place) if depth > DEEPEST else _too_many(place)


def _too_deep(place: Place) -> ConfigError:
    what = f"more than {DEEPEST} mappings and lists in each other"
    return ConfigError(what, str(place), "write it flatter")


def _too_many(place: Place) -> ConfigError:
    return ConfigError(f"more than {MOST_NODES:,} values", str(place), "use fewer aliases")


def _syntax_error(error: yaml.YAMLError, file: str, lines: list[str]) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).split("\n")[0]
    if mark is None:
        return ConfigError(f"not YAML: {problem}", file)
    line = min(mark.line, len(lines) - 1)
    place = Place(file, line + 1, mark.column + 1, lines[line].rstrip("\r"))
    indented_by_tab = "\t" in place.text[: place.column]
    hint = "indent with spaces, not with tabs" if indented_by_tab else "quote the value"
    return ConfigError(f"not YAML: {problem}", str(place), hint)


class _Reader:
    """Builds values from YAML nodes; remembers where each stood."""

    def __init__(self, file: str, lines: list[str], environment: Mapping[str, str]) -> None:
        self.file = file
        self.lines = lines
        self.environment = environment
        self.places: dict[Path, Place] = {}
        self.keys: dict[Path, Place] = {}
        self._scalars: Any = yaml.constructor.SafeConstructor()
        self._open: set[int] = set()
        self._count = 0
        self._characters = 0

    def at(self, line: int, column: int) -> Place:
        text = self.lines[line].rstrip("\r") if line < len(self.lines) else ""
        return Place(self.file, line + 1, column + 1, text)

    def value(self, node: yaml.Node, path: Path) -> Any:
        place = self.at(node.start_mark.line, node.start_mark.column)
        self.places[path] = place
        self._count += 1
        if self._count > MOST_NODES:
            raise _too_many(place)
        if len(path) > DEEPEST:
            raise _too_deep(place)
        if id(node) in self._open:
            raise ConfigError("a value that contains itself", str(place), "remove the alias")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        if node.tag not in _COLLECTIONS:
            raise ConfigError(f"unknown YAML tag '{node.tag}'", str(place), "remove it")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return [self.value(each, (*path, i)) for i, each in enumerate(node.value)]
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = self.at(key_node.start_mark.line, key_node.start_mark.column)
            if not isinstance(key_node, yaml.ScalarNode) or key_node.value == "<<":
                raise ConfigError("a key must be a plain name", str(place), "write it out")
            key = key_node.value
            if key in result:
                first = self.keys[(*path, key)].line
                raise ConfigError(
                    f"the key '{key}' stands twice", str(place), f"remove it, or line {first}"
                )
            self.keys[(*path, key)] = place
            result[key] = self.value(value_node, (*path, key))
        return result

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Any:
        kind = node.tag.rpartition(":")[2]
        self._characters += len(node.value)
        if self._characters > MOST_CHARACTERS:
            what = f"values of more than {MOST_CHARACTERS:,} characters"
            raise ConfigError(what, str(place), "use fewer aliases")
        if kind in ("str", "timestamp", "binary"):
            return self._expanded(node.value, place)
        if kind not in ("null", "bool", "int", "float"):
            raise ConfigError(f"unknown YAML tag '{node.tag}'", str(place), "remove it")
        if len(node.value) > LONGEST_NUMBER:
            what = f"not a {kind}: it has {len(node.value):,} characters"
            raise ConfigError(what, str(place), "quote it")
        try:
            return self._scalars.construct_object(node)
        except (ValueError, LookupError, OverflowError, yaml.YAMLError) as error:
            raise ConfigError(f"not a {kind}: '{node.value}'", str(place), "quote it") from error

    def _expanded(self, text: str, place: Place) -> str:
        try:
            return expand(text, self.environment)
        except Unusable as error:
            what, hint = error.args
            raise ConfigError(what, str(place), hint) from error
