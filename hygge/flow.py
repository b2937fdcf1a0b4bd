"""This is where a flow's YAML becomes a value."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from hygge import entities, overrides, schema
from hygge.document import Document, Path, Place
from hygge.errors import ConfigError, HyggeError
from hygge.handling import THREAD, Retry, isolate_of, retry_of, timeout_of
from hygge.project import WHAT_A_NAME_IS, Project, is_name, read_yaml

AnyError = TypeVar("AnyError", bound=HyggeError)


@dataclass(frozen=True)
class Section:
    """A part of a flow as it was written, always in the long form."""

    name: str
    """What it is: ``home``, ``store``, ``transform``, ``check`` or ``schema``."""
    values: Mapping[str, Any]
    """Keys and values; ``type`` is absent where it was not written."""
    document: Document
    """Where they were written."""
    at: Path = ()
    """Keys that lead to it in the document; empty for its name."""

    def place(self, *keys: str | int) -> Place | None:
        """Return where the value at *keys* of this section stands, or what is around it."""
        return self.document.place((*(self.at or (self.name,)), *keys))

    def error(self, cls: type[AnyError], what: str, hint: str = "", key: str = "") -> AnyError:
        """Build an error of *cls* that points at *key*, or at the whole section."""
        place = self.place(key) if key else self.place()
        return cls(what, str(place or self.values.get("path", "")), hint)

    def with_kind(self, kind: str) -> Section:
        """Return this section with its ``type`` set to *kind*, held against that kind's schema.

        Raises:
            ConfigError: The kind has no such options.
        """
        values = {**self.values, "type": kind}
        if kind in schema.kinds(self.name):  # a package's kind checks its own options
            at = self.at or (self.name,)
            schema.check(self.document, values, f"{self.name}/{kind}", at)
        return dataclasses.replace(self, values=values)


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
    inputs: Mapping[str, Section] = dataclasses.field(default_factory=dict)
    """Homes of other tables that the transform reads, by name."""
    transform: Section | None = None
    """What is done to the rows of a partition; None for nothing."""
    checks: tuple[Section, ...] = ()
    """What must hold before rows become visible, in the order they were written."""
    schema: Section | None = None
    """What columns the store may have: ``mode`` or ``columns``; None for any."""
    needs: tuple[str, ...] = ()
    """Flows that are brought up to date before this one, as they were written."""
    timeout: float | None = None
    """Seconds that shaping a partition may take; None for any."""
    isolate: str = THREAD
    """Where a partition is shaped: ``thread`` or ``process``."""
    retry: Retry | None = None
    """How a partition is tried again when what failed may pass by itself; None if it is not."""
    on_error: str = ""
    """What becomes of its other partitions when one fails: ``fail_fast``, ``collect_all``; empty
    for what the command line says."""


@dataclass(frozen=True)
class Loaded:
    """A flow that a file defines."""

    flow: Flow
    """Ready to be used, or what it would be if it is gone."""
    gone: bool = False
    """Whether it is an entity that is remembered, but no longer lies below its flow's home."""


def load(project: Project, name: str, file: pathlib.Path, reserved: Collection[str] = ()) -> Flow:
    """Read the flow called *name* from *file*, which names no entities. See `load_all`."""
    (loaded,) = load_all(project, name, file, reserved)
    return loaded.flow


def load_all(
    project: Project,
    name: str,
    file: pathlib.Path,
    reserved: Collection[str] = (),
    known: Collection[str] = (),
    typed: Document | None = None,
) -> tuple[Loaded, ...]:
    """Read the flows that *file* defines: one called *name*, or ``name.entity`` for each entity.

    Entities come in the order in which they were written, those of ``"*"`` in natural order,
    gone ones last.

    Args:
        reserved: Names that a flow can't have because a command has them.
        known: Entities of the flow that are remembered; those that ``"*"`` does not find are gone.
        typed: Values that go over those of *file*.

    Raises:
        ConfigError: Something in it, or in one of its entities, is wrong.
        HomeError: The folder whose content are the entities can't be listed, or has none.
    """
    shown = project.relative(file)
    _check_name(name, shown, reserved)
    document = _long_form(project.written(name, file)).over(_long_form(project.defaults))
    if typed is not None:
        document = overrides.applied(_long_form(typed), document)
    files = {
        entity: _long_form(read_yaml(each, project.relative(each)))
        for entity, each in project.entity_files(name)
    }
    if not entities.are_in(document, files):
        return (Loaded(_flow(name, shown, document)),)
    return tuple(
        Loaded(_flow(f"{name}.{each.name}", shown, each.document), each.gone)
        for each in entities.expand(document, files, known, project.root)
    )


def _flow(name: str, shown: str, document: Document) -> Flow:
    schema.check(document, document.values, "flow")
    values = document.values
    inputs = {
        each: Section("home", values["inputs"][each], document, ("inputs", each))
        for each in values.get("inputs", {})
    }
    checks = enumerate(values.get("checks", []))
    return Flow(
        name=name,
        file=shown,
        home=Section("home", values["home"], document),
        store=Section("store", values["store"], document),
        description=values.get("description", ""),
        inputs=inputs,
        transform=Section("transform", values["transform"], document)
        if values.get("transform")
        else None,
        checks=tuple(Section("check", each, document, ("checks", i)) for i, each in checks),
        schema=_schema_section(document),
        needs=tuple(values.get("needs", ())),
        timeout=timeout_of(document),
        isolate=isolate_of(document),
        retry=retry_of(document),
        on_error=values.get("on_error", ""),
    )


def section_of(name: str, config: str | Mapping[str, Any] | Section) -> Section:
    """Return *config* as the section called *name*, whichever form it has."""
    if isinstance(config, Section):
        return config
    values = {"path": config} if isinstance(config, str) else dict(config)
    return Section(name, values, Document({name: values}))


def _schema_section(document: Document) -> Section | None:
    written = document.values.get("schema")
    if written is None:
        return None
    values = {"mode": written} if isinstance(written, str) else {"columns": written}
    return Section("schema", values, document)


def _long_form(document: Document) -> Document:
    """Return *document* with each home, store or input that is a string as ``{path: string}``."""
    places = dict(document.places)
    return Document(_with_paths(document.values, (), places), places, document.keys)


def _with_paths(values: Any, at: Path, places: dict[Path, Place]) -> Any:
    """Return the *values* of a flow or an entity at *at* in the long form; adds to *places*."""
    if not isinstance(values, dict):
        return values
    result = dict(values)
    for name in schema.SECTIONS:
        if name in result:
            result[name] = _with_path(result[name], (*at, name), places)
    if isinstance(result.get("inputs"), dict):
        inputs = result["inputs"].items()
        result["inputs"] = {k: _with_path(v, (*at, "inputs", k), places) for k, v in inputs}
    for name in entities.KEYS & result.keys():
        result[name] = _within_entities(result[name], (*at, name), places)
    return result


def _within_entities(written: Any, at: Path, places: dict[Path, Place]) -> Any:
    if at[-1] == "defaults":
        return _with_paths(written, at, places)
    if isinstance(written, dict):
        return {name: _with_paths(each, (*at, name), places) for name, each in written.items()}
    if isinstance(written, list):
        return [_with_paths(each, (*at, i), places) for i, each in enumerate(written)]
    return written


def _with_path(value: Any, at: Path, places: dict[Path, Place]) -> Any:
    if not (isinstance(value, str) and value):
        return value
    if at in places:
        places[*at, "path"] = places[at]
    return {"path": value}


def _check_name(name: str, shown: str, reserved: Collection[str]) -> None:
    if name in reserved:
        raise ConfigError(
            f"a flow can't be called '{name}': it is a command", shown, f"rename it: '{name}_flow'"
        )
    if not is_name(name):
        raise ConfigError(f"a flow can't be called '{name}'", shown, WHAT_A_NAME_IS)
