"""This is where it is known of each value of a flow's configuration where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from hygge import schema
from hygge.document import Document, Path
from hygge.flow import Flow
from hygge.prepared import Prepared
from hygge.project import Project, read_yaml
from hygge.variables import Expanded, shown_in

SCHEMA = "default"
"""Origin of what nobody wrote and the schema says."""

FOUND = "found out"
"""Origin of a type that nobody wrote: the files of a home, or the store they lie in, tell it."""


@dataclass(frozen=True)
class Origin:
    """Where a value comes from."""

    file: str = ""
    """The YAML it was written in, relative to the root; empty if in none."""
    line: int = 0
    """1 is the first; 0 if it was written nowhere."""
    variables: tuple[str, ...] = ()
    """Variables of the environment that the value holds."""
    otherwise: str = ""
    """`SCHEMA` or `FOUND`; empty if it was written."""

    def __str__(self) -> str:
        if self.otherwise:
            return self.otherwise
        place = f"{self.file}:{self.line}"
        if not self.variables:
            return place
        plural = "variable" if len(self.variables) == 1 else "variables"
        return f"{place}, {plural} {', '.join(self.variables)}"


@dataclass(frozen=True)
class Configuration:
    """What is configured for one flow, or written in one file."""

    name: str
    """The flow, or the file's part of its name."""
    file: str
    """The YAML it was read from, relative to the root."""
    values: Any
    """Plain data without secrets."""
    document: Document
    """Where it was written."""
    added: Mapping[Path, str] = field(default_factory=dict)
    """Origin of each value that was written nowhere."""

    def origins(self) -> Iterator[tuple[Path, Any, Origin]]:
        """Yield each value with the keys that lead to it and its origin, in their order."""
        for path, value in leaves(self.values):
            yield path, value, self._origin(path)

    def _origin(self, path: Path) -> Origin:
        for i in range(len(path), 0, -1):
            if path[:i] in self.added:
                return Origin(otherwise=self.added[path[:i]])
        place = self.document.place(path)
        value = _at(self.document.values, path)
        variables = value.variables if isinstance(value, Expanded) else ()
        if place is None:
            return Origin(self.file, 1, variables)
        return Origin(place.file, place.line, variables)


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield all that is no mapping or list in *value*, or empty, with what leads to it."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from leaves(each, (*path, key))
    elif isinstance(value, list) and value:
        for i, each in enumerate(value):
            yield from leaves(each, (*path, i))
    else:
        yield path, value


def _at(value: Any, path: Path) -> Any:
    for key in path:
        try:
            value = value[key]
        except (LookupError, TypeError):
            return None
    return value


def written(project: Project, name: str, file: FilePath) -> Iterator[Configuration]:
    """Yield what stands in the *file* of a flow, over the project's defaults; then its entities'.

    Variables are not replaced.

    Raises:
        ConfigError: A file can't be read.
    """
    shown = project.relative(file)
    own = _long_where_needed(project.written(name, file), project.defaults)
    whole = own.over(project.defaults)
    yield Configuration(name, shown, _ordered(_unexpanded(whole.values)), whole)
    for entity, each in project.entity_files(name):
        shown = project.relative(each)
        own = read_yaml(each, shown)
        yield Configuration(f"{name}.{entity}", shown, _unexpanded(own.values), own)


def _long_where_needed(own: Document, defaults: Document) -> Document:
    """Return *own* with a section that is a string as a mapping if there are defaults for it."""
    values, places = dict(own.values), dict(own.places)
    for section in schema.SECTIONS:
        if isinstance(values.get(section), str) and section in defaults.values:
            values[section] = {"path": values[section]}
            places[section, "path"] = places[section,]
    return Document(values, places, own.keys)


def _ordered(values: dict[str, Any]) -> dict[str, Any]:
    """Return *values* in the order in which the schema names the keys, the unknown ones last."""
    known = list(schema.read("flow")["properties"])
    rank = {key: i for i, key in enumerate(known)}
    return dict(sorted(values.items(), key=lambda pair: rank.get(pair[0], len(rank))))


def _unexpanded(value: Any) -> Any:
    if isinstance(value, Expanded):
        return value.written
    if isinstance(value, dict):
        return {key: _unexpanded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_unexpanded(each) for each in value]
    return value


def resolved(flow: Flow, prepared: Prepared | None) -> Configuration:
    """Return all that holds for *flow*: variables replaced, defaults added, secrets hidden.

    Args:
        prepared: The same flow, which knows the types that nobody wrote; None if it can't be used.
    """
    whole = flow.home.document
    values = shown_in(whole.values)
    added: dict[Path, str] = {}
    kinds = _kinds(prepared) if prepared is not None else {}
    for at, (section, kind) in kinds.items():
        own = _at(values, at)
        if "type" not in own:
            own["type"] = kind
            added[*at, "type"] = SCHEMA if section == "store" else FOUND
        if kind in schema.kinds(section):
            known = schema.read(f"{section}/{kind}")
            if "options" in known["properties"]:
                own.setdefault("options", {})
            _add_defaults(own, known, at, added)
            if not own.get("options", True):
                del own["options"]
    _add_defaults(values, schema.read("flow"), (), added)
    return Configuration(flow.name, flow.file, _ordered(values), whole, added)


def _kinds(prepared: Prepared) -> dict[Path, tuple[str, str]]:
    """Return the section, as its schema is called, and the kind of each home and store, by path."""
    return {
        ("home",): ("home", prepared.home.kind),
        ("store",): ("store", prepared.store.kind),
        **{("inputs", n): ("home", each.home.kind) for n, each in prepared.inputs.items()},
    }


def _add_defaults(
    values: dict[str, Any], known: Mapping[str, Any], at: Path, added: dict[Path, str]
) -> None:
    """Add to *values* what the schema *known* says of what is not there."""
    for key, rule in known.get("properties", {}).items():
        here: Path = (*at, key)
        if key not in values:
            if "default" in rule:
                values[key] = rule["default"]
                added[here] = SCHEMA
            continue
        inner = values[key]
        if isinstance(inner, dict):
            _add_defaults(inner, rule, here, added)
        for i, each in enumerate(inner if isinstance(inner, list) else ()):
            if isinstance(each, dict):
                _add_defaults(each, rule.get("items", {}), (*here, i), added)
