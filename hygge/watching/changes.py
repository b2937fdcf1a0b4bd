"""This is where two states of a project's configuration are compared, value by value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hygge.watching.sight import Sight


@dataclass(frozen=True)
class Change:
    """One value of the configuration that is another than before."""

    path: str
    """``flows/users.yml:store.compression``, or the file alone where all of it came or went."""
    old: Any
    """None if it was not set."""
    new: Any
    """None if it is not set any more."""
    flows: tuple[str, ...]
    """Names of those that it makes a difference to, sorted."""


def changes(old: Sight, new: Sight) -> Iterator[Change]:
    """Yield what differs in *new*, in order of the files and the keys."""
    for file in sorted({*old.values, *new.values}):
        before, now = old.values.get(file), new.values.get(file)
        flows = _affected(old, new, file)
        for keys, was, is_ in _differences((), before, now):
            path = f"{file}:{'.'.join(keys)}" if keys else file
            yield Change(path, was, is_, flows)


def _affected(old: Sight, new: Sight, file: str) -> tuple[str, ...]:
    found = []
    for name in {*old.flows, *new.flows}:
        before, now = old.flows.get(name), new.flows.get(name)
        files = {*(before.files if before else ()), *(now.files if now else ())}
        differs = before is None or now is None or before.digest != now.digest
        if differs and file in files:
            found.append(name)
    return tuple(sorted(found))


def _differences(
    keys: tuple[str, ...], old: Any, new: Any
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    old, new = _as_long_as(new, old), _as_long_as(old, new)
    if old == new:
        return
    if not (isinstance(old, dict) and isinstance(new, dict)):
        yield keys, old, new
        return
    for key in sorted({*old, *new}):
        yield from _differences((*keys, key), old.get(key), new.get(key))


def _as_long_as(other: Any, value: Any) -> Any:
    """Return *value* in the long form, if it is a path and *other* is in the long form."""
    is_short = isinstance(value, str) and isinstance(other, dict) and "path" in other
    return {"path": value} if is_short else value
