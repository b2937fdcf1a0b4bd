"""This is where a flow is written in Python instead of in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from hygge import flow as flows
from hygge import redaction
from hygge import schema as schemas
from hygge.document import Document, parse
from hygge.errors import ConfigError
from hygge.homes.base import Home
from hygge.notebook.told import secrets_hidden
from hygge.notebook.values import KINDS, check_kind, text_of
from hygge.project import Project
from hygge.stores.base import Store


class Flow:
    """One home moved to one store: what a file in ``flows/`` says, as a value.

    Each argument is the key of the same name in a flow's YAML, and is held against the same
    schema at once; what depends on the disk is found out by a plan. Dicts and lists stand for
    YAML's; a home or a store may be what ``Home.create`` or ``Store.create`` returned, a function
    one that is defined in a file of the project. ``${VAR}`` is replaced in text.

    Args:
        name: What the flow is called; the last part of the store's path if it is not given.

    Raises:
        ConfigError: An argument is wrong.
    """

    def __init__(
        self,
        *,
        name: str = "",
        description: str | None = None,
        home: Home | Mapping[str, Any] | str | PurePath | None = None,
        store: Store | Mapping[str, Any] | str | PurePath | None = None,
        inputs: Mapping[str, Any] | None = None,
        transform: Mapping[str, Any] | Callable[..., Any] | None = None,
        checks: Sequence[Mapping[str, Any]] | None = None,
        schema: Mapping[str, Any] | str | None = None,
        needs: Sequence[str] | None = None,
        timeout: float | str | None = None,
        isolate: str | None = None,
        retry: Mapping[str, Any] | None = None,
        on_error: str | None = None,
        entities: Sequence[Any] | Mapping[str, Any] | str | None = None,
        defaults: Mapping[str, Any] | None = None,
        **unknown: Any,
    ) -> None:
        written = {
            "description": description,
            "home": home,
            "store": store,
            "inputs": inputs,
            "transform": transform,
            "checks": checks,
            "schema": schema,
            "needs": needs,
            "timeout": timeout,
            "isolate": isolate,
            "retry": retry,
            "on_error": on_error,
            "entities": entities,
            "defaults": defaults,
        }
        self._arguments = {k: v for k, v in written.items() if v is not None} | unknown
        self.name = name or _last_part(store)
        """Unique in the project; the first part of its partitions' names."""
        with secrets_hidden():
            self._check()

    @property
    def called(self) -> str:
        """What stands for its file in messages."""
        return f"Flow(name={self.name!r})" if self.name else "Flow()"

    def document(self, root: Path) -> Document:
        """Return what a file with the same keys would be read as, in the project at *root*.

        Raises:
            ConfigError: An argument can't be written down, or a variable is not set.
        """
        return parse(self.text(root), self.called)

    def text(self, root: Path) -> str:
        """Return the YAML of a file with the same keys in the project at *root*, a line a key.

        Raises:
            ConfigError: An argument can't be written down.
        """
        return text_of(self.called, self._arguments, root)

    def _check(self) -> None:
        root = Path.cwd()
        document = self.document(root)
        has_entities = "entities" in document.values
        # An entity may bring what the others lack; which there are, the disk may tell.
        lacking: dict[str, Any] = {"home": {}, "store": {}} if has_entities else {}
        schemas.check(document, {**lacking, **document.values}, "flow")
        if not self.name:
            raise ConfigError("the flow has no name", self.called, "Flow(name='flights', …)")
        if has_entities:
            return
        project = Project(root, given={self.name: document})
        flow = flows.load(project, self.name, Path(self.called))
        for section in (flow.home, flow.store, *flow.inputs.values()):
            if "type" in section.values:
                kind = section.values["type"]
                KINDS[section.name].find(kind, section)
                check_kind(
                    kind, section.name, ".".join(map(str, section.at)) or section.name, self.called
                )
                section.with_kind(kind)

    def __repr__(self) -> str:
        given = (f"{key}={value!r}" for key, value in self._arguments.items())
        return redaction.hide(f"Flow({', '.join([f'name={self.name!r}', *given])})")


def _last_part(store: Any) -> str:
    """Return the last part of the path that *store* names, empty if it names none."""
    if isinstance(store, Store):
        store = getattr(store, "section", store)
        store = getattr(store, "values", store)
    if isinstance(store, Mapping):
        store = store.get("path")
    return PurePath(store).name if isinstance(store, str | PurePath) else ""
