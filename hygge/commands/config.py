"""This is where `doit config` shows what holds for a flow, and where each value comes from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from hygge import flow as flows
from hygge import origin
from hygge.commands.reading import JSON_OPTION, Answer, Opened, Reading
from hygge.commands.telling import NOTHING_STARTED, no_task
from hygge.commands.terminal import printable
from hygge.document import Path
from hygge.errors import HyggeError
from hygge.origin import Configuration
from hygge.prepared import Prepared

LONGEST_VALUE = 60
"""Characters of a value that stand beside its origin."""


class Config(Reading):
    """Shows the configuration of flows."""

    name = "config"
    doc_purpose = "show what is configured for a flow, and where it is written"
    doc_usage = "[FLOW ...]"
    cmd_options = (
        {
            "name": "resolved",
            "long": "resolved",
            "type": bool,
            "default": False,
            "help": "replace variables, add what holds by default, a flow for each entity",
        },
        {
            "name": "origin",
            "long": "origin",
            "type": bool,
            "default": False,
            "help": "say of each value where it comes from",
        },
        JSON_OPTION,
    )

    def answer(self, opened: Opened, params: Any, names: list[str]) -> Answer:
        """Return the configuration of *names*, or of every flow.

        Raises:
            UsageError: There is no such flow.
            ConfigError: Two files define one flow.
        """
        read = _resolved if params["resolved"] else _written
        found, problems = read(opened, names)
        known = {each.name for each in found} | {name for name, _ in opened.project.flow_files()}
        for name in names:
            if not any(name in (each, each.partition(".")[0]) for each in known):
                raise no_task(name, sorted(known))
        data = {"flows": [_described(each, params["origin"]) for each in found]}
        lines = _with_origins(found) if params["origin"] else _as_yaml(found)
        if not (found or problems):
            lines = iter(["No flows yet: write a first one, flows/NAME.yml."])
        status, code = ("error", NOTHING_STARTED) if problems else ("ok", 0)
        return Answer(data, lines, status, code, problems)


def _asked(name: str, names: Sequence[str]) -> bool:
    """Tell whether the flow called *name* is one of *names*, or of a file that is."""
    return not names or name in names or name.partition(".")[0] in names


def _written(opened: Opened, names: Sequence[str]) -> tuple[list[Configuration], list[HyggeError]]:
    """Return what the files of *names* say; an entity's name stands for the file it is in."""
    found: list[Configuration] = []
    problems: list[HyggeError] = []
    files = {name.partition(".")[0] for name in names}
    for name, file in opened.project.flow_files():
        if not names or name in files:
            try:
                found += origin.written(opened.project, name, file)
            except HyggeError as error:
                problems.append(error)
    return found, problems


def _resolved(opened: Opened, names: Sequence[str]) -> tuple[list[Configuration], list[HyggeError]]:
    """Return what holds for *names*, also for flows that can't be used, as far as it is known."""
    found: dict[str, Configuration] = {}
    problems: list[HyggeError] = []
    broken: list[str] = []
    for each in opened.coordinator.prepared():
        if isinstance(each, Prepared):
            if _asked(each.flow.name, names):
                found[each.flow.name] = origin.resolved(each.flow, each)
        elif _asked(each.name, names) and each.error is not None:
            problems.append(each.error)
            broken.append(each.name)
    for name, file in opened.project.flow_files():
        if any(each.partition(".")[0] == name for each in broken):
            try:
                loaded = flows.load_all(opened.project, name, file)
            except HyggeError:
                continue  # it is among the problems already
            for one in loaded:
                if one.flow.name in broken:
                    found[one.flow.name] = origin.resolved(one.flow, None)
    return [found[name] for name in sorted(found)], problems


# For programs


def _described(found: Configuration, with_origins: bool) -> dict[str, Any]:
    described = {"name": found.name, "file": found.file, "values": found.values}
    if with_origins:
        described["origins"] = [
            {"key": key(path), "value": value, **dataclasses.asdict(where)}
            for path, value, where in found.origins()
        ]
    return described


# For people


def key(path: Path) -> str:
    """Return *path* as people write it: ``checks[0].not_null``."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")


def _title(found: Configuration) -> str:
    return printable(f"# {found.name}, {found.file}")


def _as_yaml(all_found: Sequence[Configuration]) -> Iterator[str]:
    for i, found in enumerate(all_found):
        yield from [""] * (i > 0)
        yield _title(found)
        text = yaml.dump(
            found.values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
        )
        yield from text.splitlines()


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as people do."""


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _with_origins(all_found: Sequence[Configuration]) -> Iterator[str]:
    for i, found in enumerate(all_found):
        yield from [""] * (i > 0)
        yield _title(found)
        rows = [(key(path), _word(value), str(where)) for path, value, where in found.origins()]
        widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
        for name, value, where in rows:
            yield printable(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {where}")


def _word(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = printable(" ".join(text.split()) if "\n" in text else text)
    return line if len(line) <= LONGEST_VALUE else f"{line[:LONGEST_VALUE]}…"
