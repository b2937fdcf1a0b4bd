"""This is where the kinds of homes and stores are found by name."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from hygge import schema
from hygge.errors import ConfigError, nearest
from hygge.flow import Section

Kind = TypeVar("Kind")


class Registry(Generic[Kind]):
    """Classes by kind. Built-in ones are imported when they are asked for.

    Args:
        section: ``home`` or ``store``.
    """

    def __init__(self, section: str) -> None:
        self.section = section
        self._classes: dict[str, type[Kind]] = {}

    def add(self, kind: str, cls: type[Kind]) -> None:
        """Make *cls* the class for *kind*; the last one added wins."""
        self._classes[kind] = cls

    def kinds(self) -> list[str]:
        """Return every kind that can be asked for, sorted."""
        plugins = {point.name for point in self._plugins()}
        return sorted({*schema.kinds(self.section), *self._classes, *plugins})

    def built_in(self) -> dict[str, type[Kind]]:
        """Return the classes that come with hygge, by kind. Imports all of them."""
        return {kind: self._find(kind) for kind in schema.kinds(self.section)}

    def find(self, kind: str, section: Section) -> type[Kind]:
        """Return the class for *kind*, which *section* asks for.

        Raises:
            ConfigError: There is no such kind.
        """
        # Only of others the packages that are installed have to be asked.
        is_known = kind in self._classes or kind in schema.kinds(self.section)
        known = [kind] if is_known else self.kinds()
        if kind not in known:
            near = nearest(kind, known)
            hint = f"did you mean '{near}'?" if near else f"one of {', '.join(known)}"
            raise section.error(ConfigError, f"unknown {self.section} type '{kind}'", hint, "type")
        return self._find(kind)

    def _find(self, kind: str) -> type[Kind]:
        if kind not in self._classes:
            # Importing the module defines the class, and defining it registers it.
            if kind in schema.kinds(self.section):
                importlib.import_module(f"hygge.{self.section}s.{kind}")
            else:
                next(point for point in self._plugins() if point.name == kind).load()
        return self._classes[kind]

    def _plugins(self) -> list[importlib.metadata.EntryPoint]:
        return list(entry_points(group=f"hygge.{self.section}s"))
