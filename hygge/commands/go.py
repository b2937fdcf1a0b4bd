"""This is where `hygge go` becomes a run, or a plan, of the flows that it names."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

from doit.cmd_base import DoitCmdBase

from hygge import overrides, tasks
from hygge.commands.plan import Plan
from hygge.commands.reading import Answer, Opened
from hygge.commands.run import Run
from hygge.commands.telling import Entering, told
from hygge.commands.typed import words
from hygge.coordinator import Coordinator, Options
from hygge.errors import UsageError
from hygge.overrides import Asked
from hygge.tasks import Invocation


def _flag(name: str, help_: str) -> dict[str, Any]:
    long = name.replace("_", "-")
    return {"name": name, "long": long, "type": bool, "default": False, "help": help_}


def _several(name: str, help_: str) -> dict[str, Any]:
    return {"name": name, "long": name, "type": list, "default": [], "help": help_}


class Go(Entering, DoitCmdBase):  # type: ignore[misc]
    """Hands over to `run` or `plan`, which do the work."""

    name = "go"
    doc_purpose = "bring flows up to date; options as other hygge projects have them"
    doc_usage = "[--flow A,B ...] [--entity F.E ...] [options]"
    doc_description = None
    execute_tasks = True
    cmd_options = (
        _several("flow", "flows to move, with commas between; may stand several times"),
        _several("entity", "entities to move, FLOW.ENTITY; may stand several times"),
        _flag("incremental", "move what is stale, which is what happens anyway"),
        _flag("full_drop", "move everything, stale or not: -a of run"),
        {
            "name": "concurrency",
            "long": "concurrency",
            "type": int,
            "default": 0,
            "help": "how many partitions are moved at a time: -n of run",
        },
        _several("var", "flow.NAME.KEY=VALUE: a value instead of that in a flow's file"),
        _flag("dry_run", "only show what would be moved: plan"),
        _flag("verbose", "show tracebacks: --debug of run"),
    )

    def parse_execute(self, in_args: list[str]) -> Any:
        """Also take the values of ``--var``, which doit takes for variables of its own."""
        return super().parse_execute(words("go", in_args))

    def execute(self, params: Any, args: list[str]) -> int | None:
        """Bring up to date what the options name, or everything; return an exit code."""
        return told(functools.partial(self._hand_over, params, args))

    def _hand_over(self, params: Any, args: list[str]) -> int | None:
        names = _names(params, args)
        values = overrides.read(params["var"])
        options = Options(params["full_drop"], asked=Asked(names, values))
        tasks.current = Invocation(options=options)
        command = self._planning() if params["dry_run"] else self._running()
        arguments = [] if params["dry_run"] else _run_options(params)
        result: int | None = command.execute(self._merged(params, command, arguments), names)
        return result

    def _running(self) -> Run:
        return Run(task_loader=self.loader, config=self.config, bin_name=self.bin_name)

    def _planning(self) -> DryRun:
        return DryRun(task_loader=self.loader, config=self.config, bin_name=self.bin_name)

    def _merged(self, params: Any, command: DoitCmdBase, arguments: Sequence[str]) -> Any:
        """Return *arguments* as the parameters of *command*, with what was typed for doit here."""
        merged, _ = command.cmdparser.parse(list(arguments))
        own = {option["name"] for option in self.cmd_options}
        for name in params.keys() - own:
            if name in params._non_default_keys:
                merged[name] = params[name]
        merged.update(self.opt_vals)
        return merged


class DryRun(Plan):
    """A plan of what was asked of `go`."""

    def answer(self, opened: Opened, params: Any, names: list[str]) -> Answer:
        """Return what a run with the same options would do.

        Raises:
            UsageError: A name stands for nothing.
        """
        before = opened.coordinator
        options = dataclasses.replace(tasks.current.options, reserved=before.options.reserved)
        coordinator = Coordinator(opened.project, opened.state, options, before.look.hashes)
        asked = dataclasses.replace(opened, coordinator=coordinator)
        return super().answer(asked, params, names)


def _names(params: Any, args: Sequence[str]) -> list[str]:
    """Return the tasks that the command line names.

    Raises:
        UsageError: It says what can't be meant.
    """
    if args:
        hint = f"doit go --flow {args[0]}, or doit {args[0]}"
        raise UsageError(f"'{args[0]}' stands alone", f"go {args[0]}", hint)
    if params["incremental"] and params["full_drop"]:
        what = "--incremental and --full-drop are opposites"
        raise UsageError(what, hint="leave one of them out; without both a run is incremental")
    if params["concurrency"] < 0:
        where = f"--concurrency {params['concurrency']}"
        raise UsageError("less than nothing at a time", where, "--concurrency 4")
    flows, entities = _listed("flow", params), _listed("entity", params)
    for name in flows:
        if "." in name:
            hint = f"that is an entity: --entity {name}"
            raise UsageError(f"no flow '{name}'", f"--flow {name}", hint)
        if ":" in name or "*" in name:
            hint = f"by name without go: doit '{name}'"
            raise UsageError(f"no flow '{name}'", f"--flow {name}", hint)
    for name in entities:
        if name.count(".") != 1 or not all(name.split(".")) or ":" in name:
            raise UsageError(f"no entity '{name}'", f"--entity {name}", "--entity FLOW.ENTITY")
    return list(dict.fromkeys([*flows, *entities]))


def _listed(option: str, params: Any) -> list[str]:
    """Return the names after *option*, which may stand several times.

    Raises:
        UsageError: It stands there without any: that must not mean everything.
    """
    names = [each.strip() for text in params[option] for each in text.split(",")]
    names = [each for each in names if each]
    if params[option] and not names:
        raise UsageError(f"--{option} names nothing", hint="leave it out to move everything")
    return names


def _run_options(params: Any) -> list[str]:
    """Return the options of `run` that mean the same."""
    options = ["--always-execute"] if params["full_drop"] else []
    options += ["-n", str(params["concurrency"])] if params["concurrency"] else []
    return options + (["--debug"] if params["verbose"] else [])
