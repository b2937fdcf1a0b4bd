"""This is where values that were typed on the command line go over those of a flow's YAML."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hygge import document
from hygge.document import Document, Path, Place
from hygge.errors import ConfigError, UsageError, did_you_mean

EXAMPLE = "--var flow.NAME.store.compression=zstd"
"""What an assignment looks like."""

_ASSIGNMENT = re.compile(r"flow\.(?P<flow>[^.=]+)\.(?P<keys>[^=]+)=(?P<value>.*)", re.DOTALL)
_ITEM = "- "


@dataclass(frozen=True, slots=True)
class Typed(Place):
    """A place on the command line."""

    def __str__(self) -> str:
        head = f"--var {self.text}"
        caret = len("  at --var ") + self.column - 1
        return f"{head}\n{' ' * caret}^"


def read(assignments: Iterable[str]) -> dict[str, Document]:
    """Return what *assignments* say, by flow; of two for one key the later one counts.

    Args:
        assignments: Each ``flow.NAME.KEY=VALUE``, with dots in KEY for what is nested; VALUE is
            YAML.

    Raises:
        UsageError: One has another form, or its value is no YAML.
    """
    found: dict[str, Document] = {}
    for each in assignments:
        flow, values = _read(each)
        found[flow] = values.over(found[flow]) if flow in found else values
    return found


@dataclass(frozen=True)
class Asked:
    """What was asked of flows by their names."""

    flows: Collection[str] = ()
    """Those that must be there, or ``flow.entity``."""
    values: Mapping[str, Document] = field(default_factory=dict)
    """Values that go over those of their files, as `read` returns them."""

    def check(self, known: Collection[str]) -> None:
        """Refuse what is asked of flows that are not among the *known* ones.

        Raises:
            UsageError: There is no such flow.
        """
        asked = {each.partition(".")[0]: "" for each in self.flows}
        typed = {flow: _text_of(values) for flow, values in self.values.items()}
        for flow, option in {**asked, **typed}.items():
            if flow not in known:
                hint = did_you_mean(flow, known) if known else "there are no flows yet"
                raise UsageError(f"no flow '{flow}'", option, hint)

    def names_entity_of(self, flow: str) -> bool:
        """Tell whether an entity of *flow* was asked for."""
        return any(each.startswith(f"{flow}.") for each in self.flows)


def _text_of(values: Document) -> str:
    return f"--var {next(iter(values.keys.values())).text}"


def applied(overrides: Document, written: Document) -> Document:
    """Return *written* with *overrides* over it, mapping by mapping.

    What is wrong with a value is shown where that value stands.
    """
    places = {
        at: place
        for at, place in overrides.places.items()
        if not (_is_mapping(overrides.values, at) and _is_mapping(written.values, at))
    }
    return Document(overrides.values, places, overrides.keys).over(written)


def _is_mapping(values: Any, at: Path) -> bool:
    for key in at:
        if not isinstance(values, dict) or key not in values:
            return False
        values = values[key]
    return isinstance(values, dict)


def _read(text: str) -> tuple[str, Document]:
    match = _ASSIGNMENT.fullmatch(text)
    keys = match["keys"].split(".") if match else [""]
    if match is None or "" in keys:
        raise UsageError(f"'{text}' sets no value of a flow", f"--var {text}", EXAMPLE)
    # As an item of a list it is typed as it would be after its key, and may be empty.
    try:
        listed = document.parse(_ITEM + match["value"], "--var")
    except ConfigError as error:
        raise UsageError(error.what, f"--var {text}", error.hint) from error
    if len(listed.values) != 1:
        raise UsageError("more than one value", f"--var {text}", "a list is [a, b]")
    return match["flow"], _nested(text, keys, match.start("keys"), listed)


def _nested(text: str, keys: list[str], column: int, listed: Document) -> Document:
    """Return the only value in *listed* below *keys*, which begin at *column* of *text*."""
    places: dict[Path, Place] = {}
    starts: dict[Path, Place] = {}
    for i, key in enumerate(keys):
        at: Path = tuple(keys[: i + 1])
        places[at] = starts[at] = Typed("--var", 1, column + 1, text)
        column += len(key) + 1
    shift = column - len(_ITEM)
    for found, target in ((listed.places, places), (listed.keys, starts)):
        for inner, place in found.items():
            if inner:
                target[(*keys, *inner[1:])] = Typed("--var", 1, place.column + shift, text)
    value = listed.values[0]
    for key in reversed(keys):
        value = {key: value}
    return Document(value, places, starts)
