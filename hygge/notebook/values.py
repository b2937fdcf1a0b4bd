"""This is where Python objects become the text of a flow, as if it had been typed into a file."""

from __future__ import annotations

import datetime
import json
import math
import os
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path, PurePath
from types import FunctionType
from typing import Any

import yaml

from hygge import schema
from hygge.errors import ConfigError
from hygge.homes.base import Home, homes
from hygge.paths import located, normal
from hygge.registry import Registry
from hygge.stores.base import Store, stores

KINDS: Mapping[str, Registry[Any]] = {"home": homes, "store": stores}

WHAT_A_VALUE_IS = "give text, numbers, True, False, None, dates, paths, lists and dicts of these"


def text_of(called: str, arguments: Mapping[str, Any], root: Path) -> str:
    """Return YAML with a line for each of the *arguments* of the flow *called* so.

    Args:
        root: Where the paths of objects and functions are to start.

    Raises:
        ConfigError: An argument is nothing that YAML could hold.
    """
    plain = _Plain(called, root)
    values = {key: plain.argument(key, value) for key, value in arguments.items()}
    lines = (
        yaml.dump(
            {key: value},
            Dumper=_OneLine,
            default_flow_style=True,
            width=math.inf,
            allow_unicode=True,
            sort_keys=False,
        )
        for key, value in values.items()
    )
    return "".join(line.strip()[1:-1] + "\n" for line in lines)


def check_kind(kind: str, section: str, at: str, called: str) -> None:
    """Refuse a *kind* of home or store that was defined in this process and nowhere else.

    Raises:
        ConfigError: So it is.
    """
    packaged = {point.name for point in entry_points(group=f"hygge.{section}s")}
    if kind not in schema.kinds(section) and kind not in packaged:
        what = f"'{at}' is a {section} of type '{kind}', which only this process knows"
        hint = f"a run is another process: make a package with an entry point 'hygge.{section}s'"
        raise ConfigError(what, called, hint)


class _OneLine(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _one_line(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_OneLine.add_representer(str, _one_line)


class _Plain:
    """Makes plain values of the arguments of one flow."""

    def __init__(self, called: str, root: Path) -> None:
        self.called = called
        self.root = root
        self._open: set[int] = set()

    def argument(self, key: str, value: Any) -> Any:
        """Return what YAML has for the argument *key*."""
        if key == "transform" and isinstance(value, FunctionType):
            value = {"python": value}
        return self.value(value, key)

    def value(self, value: Any, at: str) -> Any:
        """Return what YAML has for *value*, which is the argument *at* or lies within it."""
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float) and math.isfinite(value):
            return float(value)
        if isinstance(value, str):
            return str(value)
        if isinstance(value, PurePath):
            return str(value)
        if isinstance(value, datetime.date | datetime.time):
            return value.isoformat()
        if isinstance(value, Mapping | list | tuple):
            return self._container(value, at)
        return self._object(value, at)

    def _container(self, value: Any, at: str) -> Any:
        if id(value) in self._open:
            raise ConfigError(f"'{at}' contains itself", self.called, "give a copy")
        self._open.add(id(value))
        try:
            if not isinstance(value, Mapping):
                return [self.value(each, f"{at}.{i}") for i, each in enumerate(value)]
            for key in value:
                if not isinstance(key, str | int):
                    what = f"a key of '{at}' can't be {key!r}"
                    raise ConfigError(what, self.called, "name it with text")
            return {str(key): self.value(each, f"{at}.{key}") for key, each in value.items()}
        finally:
            self._open.discard(id(value))

    def _object(self, value: Any, at: str) -> Any:
        """Return what stands for an object: a home, a store, a function, a type of polars."""
        for section, cls in (("home", Home), ("store", Store)):
            if isinstance(value, cls):
                return self._section(value, section, at)
        if isinstance(value, FunctionType):
            return self._function(value, at)
        if _is_polars_type(value):
            from hygge.datatypes import type_name

            return type_name(value)
        what = f"'{at}' can't be of the type {type(value).__name__}"
        raise ConfigError(what, self.called, WHAT_A_VALUE_IS)

    def _section(self, made: Any, section: str, at: str) -> dict[str, Any]:
        """Return the keys and values that *made*, a home or a store, was created from."""
        kind = made.kind
        check_kind(kind, section, at, self.called)
        written = getattr(made, "section", None)
        if written is None:
            what = f"'{at}' is a {section} that does not tell what it was created from"
            raise ConfigError(what, self.called, f"give a dict: {{'type': '{kind}', …}}")
        # What is written in an object is meant as it is: nothing is replaced in it.
        plain = json.dumps(self.value(written.values, at))
        values: dict[str, Any] = json.loads(plain.replace("${", "$${"))
        if isinstance(values.get("path"), str) and isinstance(getattr(made, "root", None), Path):
            whole = normal(values["path"], made.root.resolve())
            values["path"] = normal(os.path.join(made.root.resolve(), whole), self.root)
        return values

    def _function(self, function: FunctionType, at: str) -> str:
        """Return ``path.py:name`` of a function that can be found there."""
        name = function.__name__
        module = sys.modules.get(function.__module__)
        file = getattr(module, "__file__", None)
        if file is None or getattr(module, name, None) is not function:
            what = f"'{at}' is the function '{name}', which stands in no file under this name"
            hint = "write it to a file of the project, at the top level of it"
            raise ConfigError(what, self.called, hint)
        return f"{located(os.path.realpath(file), self.root)}:{name}"


def _is_polars_type(value: Any) -> bool:
    if "polars" not in sys.modules:
        return False
    import polars as pl

    return isinstance(value, pl.DataType) or (
        isinstance(value, type) and issubclass(value, pl.DataType)
    )
