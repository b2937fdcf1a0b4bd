"""This is where it is decided which events a person asked for."""

from __future__ import annotations

import fnmatch
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hygge import schema
from hygge.errors import UsageError, did_you_mean, nearest

LEVELS = ("INFO", "WARN", "ERROR")
"""From harmless to bad."""

EARLY = ("step.warned",)
"""Types that are written no more, but stand in logs of early versions."""


def event_types() -> list[str]:
    """Return the types that an event may have."""
    return [*schema.read("event")["properties"]["type"]["enum"], *EARLY]


@dataclass(frozen=True)
class EventFilter:
    """What an event must be to be shown; all of it."""

    types: Sequence[str] = ()
    """One of these types, or one that goes on with a dot; any if empty."""
    steps: Sequence[str] = ()
    """About one of these partitions, flows or patterns; any if empty."""
    level: str = "INFO"
    """This level or a worse one."""

    @classmethod
    def of(cls, types: Sequence[str], steps: Sequence[str], level: str) -> EventFilter:
        """Return the filter that the command line asks for.

        Raises:
            UsageError: There is no such type or level.
        """
        names = event_types()
        known = dict.fromkeys([*(each.partition(".")[0] for each in names), *names])
        for each in types:
            if each.rstrip(".") not in known:
                near = nearest(each, known)
                hint = f"did you mean '{near}'?" if near else f"one of {', '.join(names)}"
                raise UsageError(f"no type of event is called '{each}'", hint=hint)
        if level and level.upper() not in LEVELS:
            hint = did_you_mean(level.upper(), LEVELS)
            raise UsageError(f"no level is called '{level}'", hint=hint)
        return cls([each.rstrip(".") for each in types], steps, level.upper() or "INFO")

    def check_steps(self, events: Iterable[Mapping[str, Any]], run: str) -> None:
        """Raise UsageError if one of the steps asked for stands for none in *events*."""
        known = list(dict.fromkeys(event["step"] for event in events if "step" in event))
        for asked in self.steps:
            if not any(_stands_for(asked, step) for step in known):
                flows = dict.fromkeys(step.partition(":")[0] for step in known)
                near = nearest(asked, known if ":" in asked else flows)
                hint = f"did you mean '{near}'?" if near else f"see what it did: doit show {run}"
                raise UsageError(f"no step '{asked}' in run {run}", hint=hint)

    def last(
        self, batches: Iterable[Iterable[dict[str, Any]]], count: int
    ) -> Iterator[dict[str, Any]]:
        """Yield those events of *batches* that are wanted, of the first one *count* at most.

        Args:
            count: 0 for all.
        """
        for number, batch in enumerate(batches):
            wanted = filter(self.lets_through, batch)
            yield from deque(wanted, maxlen=count) if count and not number else wanted

    def lets_through(self, event: Mapping[str, Any]) -> bool:
        """Tell whether *event* is wanted."""
        kind, level = event["type"], event["level"]
        if self.types and not any(f"{kind}.".startswith(f"{each}.") for each in self.types):
            return False
        if level in LEVELS and LEVELS.index(level) < LEVELS.index(self.level):
            return False
        step = event.get("step")
        return not self.steps or (
            step is not None and any(_stands_for(asked, step) for asked in self.steps)
        )


def _stands_for(asked: str, step: str) -> bool:
    flow = step.partition(":")[0]
    return asked in (step, flow, flow.partition(".")[0]) or fnmatch.fnmatchcase(step, asked)
