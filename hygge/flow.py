"""This is where a flow's YAML becomes a value."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hygge import schema
from hygge.document import Document
from hygge.errors import ConfigError, HyggeError
from hygge.project import Project, read_yaml

AnyError = TypeVar("AnyError", bound=HyggeError)


@dataclass(frozen=True)
class Section:
    """A home or a store as it was written, always in the long form."""

    name: str
    """``home`` or ``store``."""
    values: Mapping[str, Any]
    """Keys and values; ``type`` is absent where it was not written."""
    document: Document
    """Where they were written."""

    def error(self, cls: type[AnyError], what: str, hint: str = "", key: str = "") -> AnyError:
        """Build an error of *cls* that points at *key*, or at the whole section."""
        place = self.document.place((self.name, key) if key else (self.name,))
        return cls(what, str(place or self.values.get("path", "")), hint)

    def with_kind(self, kind: str) -> Section:
        """Return this section with its ``type`` set to *kind*, held against that kind's schema.

        Raises:
            ConfigError: The kind has no such options.
        """
        values = {**self.values, "type": kind}
        if kind in schema.kinds(self.name):  # a package's kind checks its own options
            schema.check(self.document, values, f"{self.name}/{kind}", (self.name,))
        return Section(self.name, values, self.document)


@dataclass(frozen=True)
class Flow:
    """One home moved to one store."""

    name: str
    """Unique in the project; the first part of its partitions' names."""
    file: str
    """The YAML it was read from, relative to the root."""
    home: Section
    """Where the data comes from."""
    store: Section
    """Where it settles."""
    description: str = ""
    """One line for people; empty if none was written."""


def load(project: Project, name: str, file: Path, reserved: Collection[str] = ()) -> Flow:
    """Read the flow called *name* from *file*.

    Args:
        reserved: Names that a flow can't have because a command has them.

    Raises:
        ConfigError: Something in it is wrong.
    """
    shown = project.relative(file)
    _check_name(name, shown, reserved)
    written = read_yaml(file, shown)
    document = _long_form(written).over(_long_form(project.defaults))
    schema.check(document, document.values, "flow")
    values = document.values
    return Flow(
        name=name,
        file=shown,
        home=Section("home", values["home"], document),
        store=Section("store", values["store"], document),
        description=values.get("description", ""),
    )


def section_of(name: str, config: str | Mapping[str, Any] | Section) -> Section:
    """Return *config* as the section called *name*, whichever form it has."""
    if isinstance(config, Section):
        return config
    values = {"path": config} if isinstance(config, str) else dict(config)
    return Section(name, values, Document({name: values}))


def _long_form(document: Document) -> Document:
    """Return *document* with a home or store that is a string written as ``{path: string}``."""
    values = dict(document.values)
    for name in schema.SECTIONS:
        if isinstance(values.get(name), str) and values[name]:
            values[name] = {"path": values[name]}
    return Document(values, document.places, document.keys)


def _check_name(name: str, shown: str, reserved: Collection[str]) -> None:
    if name in reserved:
        raise ConfigError(
            f"a flow can't be called '{name}': it is a command", shown, f"rename it: '{name}_flow'"
        )
    if not name.replace("-", "_").isidentifier() or name.startswith(("_", "-")):
        raise ConfigError(
            f"a flow can't be called '{name}'",
            shown,
            "use letters, digits, '_' and '-', and begin with a letter",
        )
