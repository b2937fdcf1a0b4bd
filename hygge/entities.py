"""This is where a flow that names entities becomes several: a document for each of them."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hygge import schema
from hygge.document import Document, Place
from hygge.errors import ConfigError
from hygge.landing import MARK, Landing, path_in
from hygge.partition import natural
from hygge.project import WHAT_A_NAME_IS, is_name

KEYS = frozenset({"entities", "defaults"})
"""Keys of a flow's file that are gone once there is a flow for each entity."""

ALL = "*"
"""Stands for every entity that lies below the home."""


@dataclass(frozen=True)
class Entity:
    """One of the flows that a file with entities defines."""

    name: str
    """Unique in its flow."""
    document: Document
    """All that its flow says, where it was written: every ``{entity}`` replaced, paths joined."""
    gone: bool = False
    """Whether it is remembered, but no longer lies below the home of ``"*"``."""


def are_in(document: Document, files: Mapping[str, Document]) -> bool:
    """Tell whether a flow has entities, in its own *document* or in *files* of their own.

    Raises:
        ConfigError: There are defaults for entities, but no entities.
    """
    if "entities" in document.values or files:
        return True
    if "defaults" in document.values:
        raise document.key_error(
            ("defaults",),
            "'defaults' are for entities, and there are none",
            "name them, for example entities: [users, orders], or move what is below "
            "'defaults' one level up",
        )
    return False


def expand(
    document: Document, files: Mapping[str, Document], known: Collection[str], root: Path
) -> tuple[Entity, ...]:
    """Return the entities of a flow, as they were written; of ``"*"`` by name, gone ones last.

    What an entity says itself goes over the flow's defaults, these over the flow's other keys.

    Args:
        document: The flow, every section in the long form.
        files: What the entities with a file of their own say, in the long form too.
        known: Entities that are remembered; those that ``"*"`` does not find are gone.
        root: Where relative paths start.

    Raises:
        ConfigError: What is written about the entities is wrong.
        HomeError: The folder whose content are the entities can't be listed, or has none.
    """
    # An entity may bring what the others lack, so nothing is missing yet.
    schema.check(document, {"home": {}, "store": {}, **document.values}, "flow")
    defaults = document.below("defaults")
    _refuse_nested(defaults, "defaults")
    landing = Landing(_with_marks(defaults.over(document.without(*KEYS))), root)
    written = _written(document, files)
    if document.values.get("entities") != ALL:
        return tuple(_entity(landing, name, own) for name, own in written.items())
    star = Document({}, document.below("entities").places)
    there = {*landing.names(), *written}
    gone = {*known} - there
    if not there and not gone:
        raise landing.nothing()
    return (
        *(_entity(landing, each, written.get(each, star)) for each in _sorted(there)),
        *(Entity(each, _entity(landing, each, star).document, True) for each in _sorted(gone)),
    )


def _sorted(names: Collection[str]) -> list[str]:
    return sorted(names, key=natural)


# What is written about each entity


@dataclass(frozen=True)
class _Written:
    name: str
    own: Document
    """What it says itself."""
    where: str
    """Where its name stands, for people to see."""
    line: str
    """The same in short."""


def _written(document: Document, files: Mapping[str, Document]) -> dict[str, Document]:
    """Return what each entity that is named says itself, by name, in the order of the text."""
    found: dict[str, _Written] = {}
    for each in (*_named_in(document.below("entities")), *_named_by_files(files)):
        if not is_name(each.name):
            what = f"an entity can't be called '{each.name}'"
            hint = 'write it alone: entities: "*"' if each.name == ALL else WHAT_A_NAME_IS
            raise ConfigError(what, each.where, hint)
        if each.name in found:
            what = f"two entities are called '{each.name}'"
            hint = f"rename it, or the one in {found[each.name].line}"
            raise ConfigError(what, each.where, hint)
        _refuse_nested(each.own, f"the entity '{each.name}'")
        found[each.name] = each
    return {name: each.own for name, each in found.items()}


def _named_in(entities: Document) -> Iterator[_Written]:
    if entities.values == ALL:
        return
    for key, part in entities.parts().items():
        if isinstance(part.values, str):
            yield _at(part.values, Document({}, part.places), part.place(()))
        elif isinstance(key, int):
            yield _at(part.values["name"], part.without("name"), part.place(("name",)))
        else:
            yield _at(key, part, part.keys.get(()))


def _at(name: str, own: Document, place: Place | None) -> _Written:
    return _Written(name, own, str(place or ""), f"{place.file}:{place.line}" if place else "")


def _named_by_files(files: Mapping[str, Document]) -> Iterator[_Written]:
    for name, own in files.items():
        place = own.place(())
        file = place.file if place else ""
        yield _Written(name, own, file, file)


def _refuse_nested(document: Document, called: str) -> None:
    for key in document.values:
        if key in KEYS:
            what = f"unknown key '{key}' in {called}"
            raise document.key_error((key,), what, "write it at the top of the flow")


# From the name of an entity to its flow


def _with_marks(shared: Document) -> Document:
    """Return *shared* with the mark in the paths of its home and store, at the end if in none."""
    values = dict(shared.values)
    for section in schema.SECTIONS:
        path = path_in(values, section)
        if path and MARK not in path:
            if section == "home" and glob.has_magic(path):
                raise _no_place_in_glob(shared, path)
            values[section] = {**values[section], "path": os.path.join(path, MARK)}
    return Document(values, shared.places, shared.keys)


def _no_place_in_glob(shared: Document, path: str) -> ConfigError:
    folder = path
    while glob.has_magic(folder):
        folder = os.path.dirname(folder)
    example = os.path.join(folder, MARK, os.path.relpath(path, folder or "."))
    what = f"the glob '{path}' does not tell where the name of an entity belongs"
    return shared.error(("home", "path"), what, f"write {MARK} there, for example '{example}'")


def _entity(landing: Landing, name: str, own: Document) -> Entity:
    document = own.over(landing.shared)
    values = _with_name(document.values, name)
    if path_in(values, "home") and not path_in(own.values, "home"):
        path = landing.path_of(name, values["home"])
        values["home"] = {**values["home"], "path": path}
    return Entity(name, Document(values, document.places, document.keys))


def _with_name(value: Any, name: str) -> Any:
    """Return *value* with *name* for each mark in its texts, but not in its keys."""
    if isinstance(value, dict):
        return {key: _with_name(each, name) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_name(each, name) for each in value]
    return value.replace(MARK, name) if isinstance(value, str) else value
