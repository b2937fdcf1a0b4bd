"""This is where the files of a home are found: a file, a folder or a glob."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hygge.errors import HomeError, nearest
from hygge.flow import Section
from hygge.paths import located


@dataclass(frozen=True, slots=True)
class Listed:
    """A file that was found."""

    path: str
    """Absolute."""
    name: str
    """Relative to the home, forward slashes."""
    stat: os.stat_result | None
    """None if it can't be had: a dangling link."""


class Listing:
    """What the path of a home's section names.

    Names that begin with a dot are passed over: they are other programs' work in progress.
    """

    def __init__(self, section: Section, root: Path) -> None:
        self.section = section
        self.root = root
        self.path: str = section.values["path"]
        self.full = os.path.normpath(os.path.join(root, self.path))

    def files(self, suffixes: tuple[str, ...]) -> Iterator[Listed]:
        """Yield each file that ends in one of *suffixes*; a single named file whatever its end.

        Raises:
            HomeError: Nothing is there, it can't be listed, or a name is no UTF-8.
        """
        return (Listed(path, name, stat_or_none(path)) for path, name in self.names(suffixes))

    def names(self, suffixes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """Yield path and name of each of `files`, without looking at the file itself.

        Raises:
            HomeError: As `files`.
        """
        is_wanted = self._filter()
        for path, name in self._found():
            if not name.lower().endswith(suffixes) and path != self.full:
                continue
            if is_wanted is None or is_wanted(path):
                if not path.isascii():
                    self._check_name(path, name)
                yield path, name

    def _found(self) -> Iterator[tuple[str, str]]:
        if os.path.isdir(self.full):
            yield from self._walk(self.full)
        elif os.path.lexists(self.full):
            yield self.full, os.path.basename(self.full)
        elif glob.has_magic(self.path):
            yield from self._matches()
        else:
            raise self._missing()

    def _matches(self) -> Iterator[tuple[str, str]]:
        fixed = self.path
        while glob.has_magic(fixed):
            fixed = os.path.dirname(fixed)
        fixed = os.path.normpath(os.path.join(self.root, fixed))
        if not os.path.isdir(fixed):
            raise self._missing()
        # Only what was written in the flow is a pattern, not the folder the project lies in.
        pattern = os.path.normpath(os.path.join(glob.escape(str(self.root)), self.path))
        for path in glob.iglob(pattern, recursive=True):
            if not os.path.isdir(path):
                name = os.path.relpath(path, fixed).replace(os.sep, "/")
                yield path, name

    def _walk(self, top: str) -> Iterator[tuple[str, str]]:
        folders: list[tuple[str, str, tuple[str, ...]]] = [(top, "", ())]
        while folders:
            folder, prefix, above = folders.pop()
            above = (*above, folder)
            for entry in self._entries(folder):
                name = entry.name
                if name.startswith("."):
                    continue
                if _is_folder(entry):
                    if entry.is_symlink():
                        self._check_leads_down(entry.path, above)
                    folders.append((entry.path, f"{prefix}{name}/", above))
                else:
                    yield entry.path, prefix + name

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as found:
                return list(found)
        except OSError as error:
            what = f"the folder '{located(folder, self.root)}' can't be listed: {error.strerror}"
            hint = "see to it that you may read it"
            raise self.section.error(HomeError, what, hint, "path") from error

    def _check_leads_down(self, link: str, above: Sequence[str]) -> None:
        """Refuse a *link* to one of the folders *above*, in which it would be met for ever."""
        if any(os.path.samefile(link, each) for each in above):
            shown = located(link, self.root)
            raise self.section.error(
                HomeError, f"'{shown}' is a link to a folder above it", "remove the link", "path"
            )

    def _patterns(self, key: str) -> Callable[[str], bool] | None:
        lines = self.section.values.get(key)
        if not lines:
            return None
        import pathspec

        return pathspec.GitIgnoreSpec.from_lines(lines).match_file

    def _filter(self) -> Callable[[str], bool] | None:
        """Return what tells whether a path is included and not excluded; None if all are."""
        included, excluded = self._patterns("include"), self._patterns("exclude")
        if included is None and excluded is None:
            return None

        def is_wanted(path: str) -> bool:
            shown = located(path, self.root)
            if included is not None and not included(shown):
                return False
            return excluded is None or not excluded(shown)

        return is_wanted

    def _check_name(self, path: str, name: str) -> None:
        try:
            path.encode("utf-8")
        except UnicodeEncodeError as error:
            shown = os.fsencode(name).decode("utf-8", "backslashreplace")
            raise self.section.error(
                HomeError,
                f"the name of the file '{shown}' is no UTF-8",
                "rename it, for example with convmv",
                "path",
            ) from error

    def _missing(self) -> HomeError:
        kind = "file" if os.path.splitext(self.path)[1] else "folder"
        near = _near_miss(self.full)
        hint = (
            "create it"
            if near is None
            else (f"create it, or did you mean '{located(near, self.root)}'?")
        )
        return self.section.error(HomeError, f"no {kind} '{self.path}'", hint, "path")


def could_match_in(pattern: str, folder: str) -> bool:
    """Tell whether the glob *pattern* could match a file in *folder*; both absolute."""
    parts, inside = pattern.split(os.sep), folder.split(os.sep)
    for i, part in enumerate(parts):
        if part == "**" or i == len(inside):
            return True
        if not fnmatch.fnmatchcase(inside[i], part):
            return False
    return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def stat_or_none(path: str) -> os.stat_result | None:
    """Return what `Listed` has of the file at *path*."""
    try:
        return os.stat(path)
    except OSError:
        return None


def _near_miss(path: str) -> str | None:
    """Return the existing path that *path* most likely meant, or None."""
    folder, rest = path, []
    while not os.path.isdir(folder):
        folder, name = os.path.split(folder)
        rest.append(name)
    try:
        close = nearest(rest[-1], os.listdir(folder))
    except OSError:
        return None
    meant = os.path.join(folder, close or rest[-1], *reversed(rest[:-1]))
    return meant if os.path.exists(meant) else None
