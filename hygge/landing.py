"""This is where the entities of a flow are found on the disk: what lies below its home."""

from __future__ import annotations

import functools
import glob
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hygge.document import Document
from hygge.errors import ConfigError, HomeError, HyggeError, nearest
from hygge.partition import natural
from hygge.paths import located
from hygge.project import WHAT_A_NAME_IS, is_name

AnyError = TypeVar("AnyError", bound=HyggeError)

MARK = "{entity}"
"""What becomes the entity's name in any text."""

SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "parquet": (".parquet", ".pq"),
    "csv": (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zst", ".tsv.zst"),
    "ndjson": (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz", ".ndjson.zst", ".jsonl.zst"),
    "arrow": (".arrow", ".feather", ".ipc"),
}
"""Endings of the files that can be an entity, by the home's type."""


def path_in(values: Mapping[str, Any], section: str) -> str:
    """Return the path of *section*, empty if there is none; its schema has not seen it yet."""
    written = values.get(section)
    path = written.get("path") if isinstance(written, dict) else None
    return path if isinstance(path, str) else ""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file or a folder that could be an entity."""

    file: str
    """Its name on the disk."""
    stem: str
    """The same without *suffix*."""
    suffix: str
    """The ending that tells what the file holds; empty for a folder, and where none is known."""
    is_folder: bool


class Landing:
    """Where all entities of a flow lie that don't say it themselves.

    Args:
        shared: What holds for every entity, with the mark in the path of its home.
        root: Where relative paths start.
    """

    def __init__(self, shared: Document, root: Path) -> None:
        self.shared = shared
        self.root = root
        self.path = path_in(shared.values, "home")
        self.folder = os.path.dirname(self.path.partition(MARK)[0])
        # The part of the path that holds the name, and what comes below it.
        self.part, _, self.rest = self.path[len(self.folder) :].lstrip("/").partition("/")

    @property
    def shown(self) -> str:
        return self.folder or "."

    def names(self) -> list[str]:
        """Return the names of all that lies there, in no order.

        Raises:
            ConfigError: The home tells no folder to look in.
            HomeError: It can't be listed, or two things have one name, or one that can't be.
        """
        self._check_listable()
        found: dict[str, _Entry] = {}
        home = self.shared.values["home"]
        for entry in sorted(self._entries, key=lambda entry: natural(entry.file)):
            name = self._name_of(entry)
            if name is None or not self._is_wanted(entry, home):
                continue
            if not is_name(name):
                raise self._bad_name(entry)
            if name in found:
                raise self._two(found[name], entry, name)
            found[name] = entry
        return list(found)

    def path_of(self, name: str, home: Mapping[str, Any]) -> str:
        """Return where the entity *name* lies, whose *home* says which files count.

        That is the file of this name if there is no folder, and the folder if there is nothing.

        Raises:
            HomeError: Two files have the name.
        """
        path = str(home["path"])
        if self.part != MARK or self.rest or os.path.isdir(os.path.join(self.root, path)):
            return path
        files = [each for each in self._by_stem.get(name, ()) if self._is_wanted(each, home)]
        if len(files) > 1:
            raise self._two(files[0], files[1], name)
        return os.path.join(self.folder, files[0].file) if files else path

    def nothing(self) -> HomeError:
        """Build the error for a folder in which there is no entity."""
        return self._error(
            HomeError,
            f"no entities in '{self.shown}'",
            "put a folder or a file for each of them there, or name them, for example "
            "entities: [users, orders]",
        )

    def _name_of(self, entry: _Entry) -> str | None:
        """Return what *entry* is called as an entity; None if it is none."""
        if self.rest and not entry.is_folder:
            return None
        if self.part == MARK:
            return entry.stem if entry.is_folder or entry.suffix else None
        first, *more = map(re.escape, self.part.split(MARK))
        match = re.fullmatch(f"{first}(?P<name>.+){'(?P=name)'.join(more)}", entry.file, re.DOTALL)
        return match["name"] if match else None

    def _is_wanted(self, entry: _Entry, home: Mapping[str, Any]) -> bool:
        shown = located(os.path.join(self._full, entry.file), self.root)
        excluded, included = _lines(home.get("exclude")), _lines(home.get("include"))
        if _patterns(excluded).match_file(shown + "/" if entry.is_folder else shown):
            return False
        if entry.is_folder:
            return True
        if self.part == MARK and entry.suffix not in _suffixes(home.get("type")):
            return False
        return not included or bool(_patterns(included).match_file(shown))

    @property
    def _full(self) -> str:
        return os.path.normpath(os.path.join(self.root, self.folder))

    @functools.cached_property
    def _entries(self) -> list[_Entry]:
        """What is there, hidden names passed over; nothing if it can't be listed."""
        try:
            found = list(os.scandir(self._full)) if self.path else []
        except OSError:
            return []
        return [_known(each) for each in found if not each.name.startswith(".")]

    @functools.cached_property
    def _by_stem(self) -> dict[str, list[_Entry]]:
        """The files that a known suffix has, by what they are called without it."""
        result: dict[str, list[_Entry]] = {}
        for each in sorted(self._entries, key=lambda entry: natural(entry.file)):
            if each.suffix:
                result.setdefault(each.stem, []).append(each)
        return result

    def _check_listable(self) -> None:
        if not self.path:
            what = "no home below which the entities lie"
            raise self.shared.error(("home",), what, "write one, for example home: data/landing")
        if glob.has_magic(self.folder) or glob.has_magic(self.part):
            what = f"the glob '{self.path}' does not tell the names of the entities"
            hint = "name them, for example entities: [users, orders]"
            raise self._error(ConfigError, what, hint)
        try:
            os.scandir(self._full).close()
        except FileNotFoundError as error:
            raise self._error(HomeError, f"no folder '{self.shown}'", self._near_miss()) from error
        except NotADirectoryError as error:
            hint = "name the entities, for example entities: [users, orders]"
            raise self._error(HomeError, f"'{self.shown}' is no folder", hint) from error
        except OSError as error:
            what = f"the folder '{self.shown}' can't be listed: {error.strerror}"
            raise self._error(HomeError, what, "see to it that you may read it") from error

    def _near_miss(self) -> str:
        above, name = os.path.split(self._full)
        try:
            near = nearest(name, [each.name for each in os.scandir(above) if each.is_dir()])
        except OSError:
            near = None
        if near is None:
            return "create it, or first run the flow that writes it: doit FLOW"
        return f"create it, or did you mean '{located(os.path.join(above, near), self.root)}'?"

    def _bad_name(self, entry: _Entry) -> HomeError:
        return self._error(
            HomeError,
            f"'{self._shown(entry)}' can't name an entity",
            f"rename it ({WHAT_A_NAME_IS}), or exclude it",
        )

    def _two(self, one: _Entry, other: _Entry, name: str) -> HomeError:
        return self._error(
            HomeError,
            f"'{self._shown(one)}' and '{self._shown(other)}' would both be the entity '{name}'",
            "rename one of them, or exclude it",
        )

    def _shown(self, entry: _Entry) -> str:
        path = located(os.path.join(self._full, entry.file), self.root)
        return os.fsencode(path).decode("utf-8", "backslashreplace")

    def _error(self, cls: type[AnyError], what: str, hint: str) -> AnyError:
        return cls(what, str(self.shared.place(("home", "path")) or ""), hint)


def _known(entry: os.DirEntry[str]) -> _Entry:
    try:
        is_folder = entry.is_dir()
    except OSError:  # a link that leads back to itself
        is_folder = False
    lower = entry.name.lower()
    endings = [] if is_folder else [each for each in _suffixes(None) if lower.endswith(each)]
    suffix = max(endings, key=len, default="")
    return _Entry(entry.name, entry.name[: len(entry.name) - len(suffix)], suffix, is_folder)


def _suffixes(kind: object) -> tuple[str, ...]:
    """Return the endings of the files of *kind*, of all kinds for None, of none if unknown."""
    if kind is None:
        return tuple(suffix for each in SUFFIXES.values() for suffix in each)
    return SUFFIXES.get(str(kind), ())


def _lines(written: object) -> tuple[str, ...]:
    """Return the patterns in *written*, which its schema has not seen yet."""
    lines = written if isinstance(written, list) else []
    return tuple(each for each in lines if isinstance(each, str))


@functools.lru_cache(maxsize=16)
def _patterns(lines: tuple[str, ...]) -> Any:
    import pathspec

    return pathspec.GitIgnoreSpec.from_lines(lines)
