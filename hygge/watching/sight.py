"""This is where what one look at a project found has its form, on its way between processes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hygge.errors import HyggeError
from hygge.watching.places import Place


@dataclass(frozen=True)
class Trouble:
    """An error that crossed from one process to another."""

    type: str
    """Name of its class."""
    what: str
    where: str = ""
    hint: str = ""

    @classmethod
    def of(cls, error: HyggeError) -> Trouble:
        """Return what *error* says."""
        return cls(type(error).__name__, error.what, error.where, error.hint)

    @property
    def error(self) -> HyggeError:
        """An error that says the same; of the common class."""
        return HyggeError(self.what, self.where, self.hint)

    @property
    def file(self) -> str:
        """The file to be mended; empty if none is named."""
        place = self.error.place
        return place[0] if place else self.where.partition("\n")[0]


@dataclass(frozen=True)
class Configured:
    """What the configuration makes of one flow."""

    digest: str
    """Hash of all that it says."""
    files: tuple[str, ...]
    """Files that have a part in it, from the root."""


@dataclass(frozen=True)
class Sight:
    """What one look found."""

    stale: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What a run would do, by task: a hash of what that depends on. A flow's error is one too."""
    rejected: tuple[Trouble, ...] = ()
    """Why the configuration can't be used; empty if it can."""
    unusable: Trouble | None = None
    """Why there is nothing to be watched; None if there is."""
    places: tuple[Place, ...] = ()
    """Where a change can come from."""
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """What each file of the configuration says, without secrets; of Python its hash."""
    flows: Mapping[str, Configured] = dataclasses.field(default_factory=dict)
    """What that makes of each flow."""

    def to_json(self) -> str:
        """Return one line that `from_json` reads."""
        return json.dumps(dataclasses.asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Sight:
        """Return the sight that `to_json` wrote; raises ValueError if *text* is none."""
        written = json.loads(text)
        if not isinstance(written, dict) or "rejected" not in written:
            raise ValueError("no sight")
        unusable = written["unusable"]
        return cls(
            stale=written["stale"],
            rejected=tuple(Trouble(**each) for each in written["rejected"]),
            unusable=None if unusable is None else Trouble(**unusable),
            places=tuple(Place(**each) for each in written["places"]),
            values=written["values"],
            flows={
                name: Configured(each["digest"], tuple(each["files"]))
                for name, each in written["flows"].items()
            },
        )
