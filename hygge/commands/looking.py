"""This is where a process of its own begins: one that looks at a project, or runs it, once.

`doit watch` starts them, so that each of them sees YAML and Python as they are at that moment, and
none can take the watch down.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import os
import shutil
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.doit_cmd import DoitMain
from doit.task import Task

from hygge import project as projects
from hygge import tasks
from hygge.commands.telling import no_task
from hygge.errors import ConfigError, HyggeError
from hygge.fingerprint import canonical_json, text_hash
from hygge.group_tasks import BrokenFlowTask, GroupTask
from hygge.plan import Decision
from hygge.prepared import Prepared, quarantine_folder
from hygge.project import FLOWS, SETTINGS, Project, read_yaml
from hygge.tasks import PartitionTask, ProjectLoader
from hygge.variables import concealed
from hygge.watching import places
from hygge.watching.places import Place
from hygge.watching.sight import Configured, Sight, Trouble

PARTS = ("home", "store", "transform", "schema")
"""Sections that a flow has one of."""


def look(into: str) -> None:
    """Look at the project in the current folder; write what was found as the last line.

    Its configuration is copied to the folder *into* first, and read there: what is run later is
    what was looked at. If it can't be copied, it is read where it is, and nothing is left there.
    """
    root = Path.cwd()
    try:
        projects.load(root).copy(Path(into))
        projects.keep(root, Path(into))
    except (HyggeError, OSError):
        shutil.rmtree(into, ignore_errors=True)
    sys.exit(_main("look", Main))


def look_by(copies: str) -> None:
    """Look as `look` does, with the configuration that was copied to *copies* then."""
    projects.keep(Path.cwd(), Path(copies))
    sys.exit(_main("look", Main))


def run(copies: str | None) -> None:
    """Run the project in the current folder, once this process can be told to stop.

    Its configuration is read from *copies*, as `look` made them; None stands for the files.
    """
    if copies is not None:
        projects.keep(Path.cwd(), Path(copies))
    try:
        # Blocked by who started it: a signal that came too early would have ended an import.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        code = _main("run", DoitMain)
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    sys.exit(code)


def _main(command: str, main: type[DoitMain]) -> int:
    bare = not Path("dodo.py").is_file()
    sys.argv[0] = "hygge" if bare else "doit"
    return int(main(ProjectLoader() if bare else None).run([command, *sys.argv[1:]]) or 0)


class Look(DoitCmdBase):  # type: ignore[misc]
    """Finds out what a run would do, without doing it, and what that depends on."""

    name = "look"

    def execute(self, params: Any, args: list[str]) -> int:
        """Write the sight; return 0."""
        try:
            sight = super().execute(params, args)
        except HyggeError as error:
            sight = _rejected([error])
        sys.stdout.write(f"\n{sight.to_json()}\n")
        return 0

    def _execute(self, pos_args: list[str]) -> Sight:
        if tasks.current.plan is None:
            return Sight(unusable=Trouble.of(tasks.not_configured()))
        names = [*map(self._told_of, self.sel_tasks or [])]
        names = names or [task.name for task in self.task_list]
        for name in names:
            if not any(_stands_for(name, task) for task in self.task_list):
                unknown = no_task(name, [task.name for task in self.task_list])
                return Sight(unusable=Trouble.of(unknown))
        chosen = _chosen(self.task_list, names)
        errors = [task.error for task in chosen if isinstance(task, BrokenFlowTask)]
        broken = [error for error in errors if isinstance(error, ConfigError)]
        seen = _rejected(broken) if broken else Sight(stale=dict(self._stale(chosen)))
        project = tasks.project_here()
        plans = tasks.current.plan.flows
        prepared = [each.prepared for each in plans if each.prepared is not None]
        own = [each for each in self.task_list if _is_own(each)]
        return dataclasses.replace(
            seen,
            places=tuple(sorted({*seen.places, *_places(project, prepared, own)})),
            values=_values(project, prepared),
            flows={each.flow.name: _configured(project, each) for each in prepared},
        )

    def _told_of(self, name: str) -> str:
        """Return *name*, or the flow that it is of, if that is broken: nobody knows its tasks."""
        flow = name.partition(":")[0]
        for task in self.task_list:
            is_broken = isinstance(task, BrokenFlowTask) and isinstance(task.error, ConfigError)
            if is_broken and task.name in (flow, flow.partition(".")[0]):
                return str(task.name)
        return name

    def _stale(self, chosen: Iterable[Task]) -> Iterator[tuple[str, str]]:
        known = {task.name: task for task in self.task_list}
        for task in chosen:
            if isinstance(task, PartitionTask):
                if task.decision.reason and not self.dep_manager.status_is_ignore(task):
                    yield task.name, _depends_on(task.prepared, task.decision)
            elif isinstance(task, BrokenFlowTask):
                yield task.name, text_hash(str(task.error))
            elif _is_own(task) and self.dep_manager.get_status(task, known).status != "up-to-date":
                yield task.name, text_hash(canonical_json([_stat(each) for each in task.file_dep]))


class Main(DoitMain):  # type: ignore[misc]
    """doit with one command more."""

    DOIT_CMDS = (*DoitMain.DOIT_CMDS, Look)


def _rejected(errors: Sequence[HyggeError]) -> Sight:
    return Sight(
        rejected=tuple(map(Trouble.of, errors)),
        places=tuple(places.of_configuration(Path.cwd(), _flows_folder(Path.cwd()))),
    )


def _flows_folder(root: Path) -> Path:
    """Return the folder with the flows, as far as hygge.yml can be read."""
    try:
        written = read_yaml(root / SETTINGS, SETTINGS).values.get("flows_dir")
    except ConfigError:
        written = None
    return root / (written if isinstance(written, str) and written else FLOWS)


def _is_own(task: Task) -> bool:
    """Tell whether *task* is one of the project's dodo.py itself, and does something."""
    return bool(task.actions) and not isinstance(task, GroupTask | PartitionTask | BrokenFlowTask)


def _stands_for(name: str, task: Task) -> bool:
    return (
        name == task.name
        or name in task.targets
        or ("*" in name and fnmatch.fnmatch(task.name, name))
    )


def _chosen(every: Sequence[Task], names: Iterable[str]) -> list[Task]:
    """Return the tasks that a run of *names* executes, in the order of *every*."""
    known = {task.name: task for task in every}
    waiting = [task.name for task in every if any(_stands_for(name, task) for name in names)]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        task = known.get(name)
        if task is None or name in found:
            continue
        found.add(name)
        waiting += [*task.task_dep, *task.setup_tasks]
        if isinstance(task, PartitionTask):
            waiting += task.prepared.ancestors
        elif _is_own(task):
            # It may read what any flow writes.
            waiting += known
    return [task for task in every if task.name in found]


def _depends_on(prepared: Prepared, decision: Decision) -> str:
    """Return a hash of what the next move of a partition depends on.

    If that move fails, another one of the same is no use.
    """
    sources = [*decision.partition.sources] if decision.partition else []
    read = [*sources, *prepared.input_sources]
    signatures = [[each.path, _identity(each.signature)] for each in read]
    return text_hash(canonical_json([prepared.config_hash, signatures]))


def _identity(signature: Any) -> list[int] | None:
    if signature is None:
        return None
    return [signature.size, signature.mtime_ns, signature.ctime_ns, signature.inode]


def _stat(path: str) -> list[Any]:
    try:
        stat = os.stat(path)
    except OSError:
        return [path]
    return [path, stat.st_size, stat.st_mtime_ns, stat.st_ino]


# Where a change can come from


def _places(project: Project, prepared: Sequence[Prepared], own: Sequence[Task]) -> Iterator[Place]:
    root = project.root
    yield from places.of_configuration(root, project.flows)
    for name, file in project.flow_files():
        yield from places.of_flow(_written(project, name, file), root)
    for each in prepared:
        sections = {"inputs": {name: s.values for name, s in each.flow.inputs.items()}}
        yield from places.of_flow({"home": each.flow.home.values, **sections}, root)
        yield Place(os.path.normpath(each.store.folder()))
        if not each.checks.is_empty:
            yield Place(str(quarantine_folder(each.flow.name, root)))
        for path in _modules(each):
            yield Place(os.path.join(root, path), "itself")
    for task in own:
        for path in (*task.file_dep, *task.targets):
            yield Place(os.path.normpath(os.path.join(root, path)), "itself")


def _modules(prepared: Prepared) -> Mapping[str, str]:
    """Return the hashes of the Python files of a flow, by path."""
    function = prepared.transform.function
    return {} if function is None else function.hashes()


# What the configuration says


def _values(project: Project, prepared: Sequence[Prepared]) -> dict[str, Any]:
    """Return what each file of the configuration says, by path; broken ones say nothing."""
    found: dict[str, Any] = {}
    if project.settings.is_file():
        found[SETTINGS] = concealed(read_yaml(project.settings, SETTINGS).values)
    for name, file in project.flow_files():
        found[project.relative(file)] = _written(project, name, file)
        for _, each in project.entity_files(name):
            found[project.relative(each)] = _read(project, each)
    for flow in prepared:
        found |= _modules(flow)
    return found


def _written(project: Project, name: str, file: Path) -> Any:
    return concealed(project.given[name].values) if name in project.given else _read(project, file)


def _read(project: Project, file: Path) -> Any:
    try:
        return concealed(read_yaml(file, project.relative(file)).values)
    except ConfigError:
        return {}


def _configured(project: Project, prepared: Prepared) -> Configured:
    flow = prepared.flow
    sections = {name: getattr(flow, name) for name in PARTS}
    says = {name: each.values for name, each in sections.items() if each is not None}
    says["inputs"] = {name: each.values for name, each in flow.inputs.items()}
    says["checks"] = {str(i): each.values for i, each in enumerate(flow.checks)}
    whole = [says, flow.description, list(flow.needs), dict(_modules(prepared))]
    file, entity = flow.name.partition(".")[::2]
    files = [flow.file, SETTINGS, *_modules(prepared)]
    for suffix in (".yml", ".yaml") if entity else ():
        path = project.flows / file / "entities" / f"{entity}{suffix}"
        files.append(project.relative(path))
    return Configured(text_hash(canonical_json(whole)), tuple(files))
