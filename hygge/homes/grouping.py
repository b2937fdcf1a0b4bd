"""This is where files are put together into partitions, and partitions get their keys."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from hygge.errors import ConfigError, HomeError
from hygge.flow import Section
from hygge.homes.listing import Listed
from hygge.partition import natural
from hygge.paths import HIVE_NULL

Values = tuple[tuple[str, str | None], ...]
Naming = Callable[[Listed], tuple[str, str, Values]]
"""From a file: what its partition's files share, the partition's name, and captured columns."""

_CAPTURE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_HIVE = re.compile(r"([^=/]+)=([^/]*)")


@dataclass(frozen=True)
class Group:
    """Files that form one partition."""

    name: str
    """What the partition's output is called, without suffix."""
    values: Values
    """Captured columns."""
    files: list[Listed] = field(default_factory=list)
    """In natural order of their names."""

    @functools.cached_property
    def key(self) -> str:
        """The name as doit can bear it: ``year=2013/month=1`` is ``2013/1``."""
        if "=" not in self.name:
            return self.name
        return "/".join(_HIVE.sub(r"\2", part) for part in self.name.split("/"))


def partitions(
    section: Section, mode: str, files: Iterable[Listed], suffixes: tuple[str, ...]
) -> list[Group]:
    """Put *files* together as *mode* says: ``file``, ``hive``, ``all`` or a template.

    Raises:
        ConfigError: *mode* is none of these.
        HomeError: A file does not fit, two partitions have one key, or doit would refuse a key.
    """
    naming = _naming(section, mode, suffixes)
    groups: dict[str, Group] = {}
    for file in sorted(files, key=lambda file: natural(file.name)):
        together, name, values = naming(file)
        groups.setdefault(together, Group(name, values)).files.append(file)
    _check_keys(section, list(groups.values()))
    return list(groups.values())


def _naming(section: Section, mode: str, suffixes: tuple[str, ...]) -> Naming:
    if mode == "file":
        return lambda file: (file.name, without_suffix(file.name, suffixes), ())
    if mode == "all":
        return lambda file: ("all", "all", ())
    if mode == "hive":
        return lambda file: _hive(section, file)
    if not _CAPTURE.search(mode):
        raise section.error(
            ConfigError,
            f"'home.partition' can't be '{mode}'",
            'file, hive, all, or a template with captures such as "{year}-{month}.parquet"',
            "partition",
        )
    pattern = re.compile(_template_pattern(mode))
    # What the stars match does not tell partitions apart, so it is no part of their name.
    parts = without_suffix(mode, suffixes).split("/")
    told = [part for part in parts if _CAPTURE.search(part) or "*" not in part]
    template = "/".join(told).replace("*", "").rstrip("/-_.")
    return lambda file: _captured(section, mode, template, pattern, file)


def without_suffix(name: str, suffixes: tuple[str, ...]) -> str:
    """Return *name* without the longest of *suffixes* it ends in, or without its last one."""
    ending = max((s for s in suffixes if name.lower().endswith(s)), key=len, default=None)
    if ending is None:
        folder, slash, last = name.rpartition("/")
        return folder + slash + (last.rpartition(".")[0] or last)
    return name[: -len(ending)]


def _hive(section: Section, file: Listed) -> tuple[str, str, Values]:
    folder = file.name.rpartition("/")[0]
    matches = [match for match in map(_HIVE.fullmatch, folder.split("/")) if match]
    values = tuple(
        (unquote(match[1]), None if match[2] == HIVE_NULL else unquote(match[2]))
        for match in matches
    )
    if not values:
        raise section.error(
            HomeError,
            f"'{file.name}' is in no key=value folder",
            "move it, exclude it, or write 'partition: file'",
            "partition",
        )
    # Without the 'key=': the values become columns, and a reader that takes them from the path too
    # would find the column twice.
    return folder, _HIVE.sub(r"\2", folder), values


def _template_pattern(template: str) -> str:
    seen: set[str] = set()
    pattern = ""
    for i, part in enumerate(_CAPTURE.split(template)):
        if i % 2 == 0:
            pattern += re.escape(part).replace(r"\*", "[^/]*")
        else:
            pattern += f"(?P={part})" if part in seen else f"(?P<{part}>[^/]+?)"
            seen.add(part)
    return pattern


def _captured(
    section: Section, written: str, template: str, pattern: re.Pattern[str], file: Listed
) -> tuple[str, str, Values]:
    match = pattern.fullmatch(file.name)
    if match is None:
        raise section.error(
            HomeError,
            f"'{file.name}' does not match '{written}'",
            "correct the template, or exclude the file",
            "partition",
        )
    values = match.groupdict()
    name = _CAPTURE.sub(lambda capture: values[capture[1]], template)
    return "\0".join(values.values()), name, tuple(values.items())


def _check_keys(section: Section, groups: list[Group]) -> None:
    by_key: dict[str, Group] = {}
    for group in groups:
        first = by_key.setdefault(group.key, group)
        if first is not group:
            one, other = first.files[0].name, group.files[0].name
            raise section.error(
                HomeError,
                f"'{one}' and '{other}' would both be the partition '{group.key}'",
                "rename one of them, or exclude it",
                "path",
            )
        hidden = [part for part in group.name.split("/") if part[:1] in ("", ".")]
        if hidden:
            # No output may leave the store, nor be passed over by its readers.
            raise section.error(
                HomeError,
                f"'{group.files[0].name}' can't name a partition: '{group.name}' has a part that "
                "is empty or begins with a dot",
                "rename it, exclude it, or correct the template",
                "path",
            )
        if "=" in group.key:
            raise section.error(
                HomeError,
                f"'{group.files[0].name}' can't name a partition: '{group.key}' contains '='",
                "rename it without the '=', or exclude it",
                "path",
            )
