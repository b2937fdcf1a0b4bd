"""This is where it is said, in as few words as possible and without hygge, what is stale."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

Disk = Mapping[str, bytes]
"""Content of every file, by path."""

Origin = tuple[str, Disk]
"""A configuration and the files that were read with it."""

Contents = Iterable[bytes]


@dataclass(frozen=True)
class Flow:
    """What the model has to know of a flow."""

    config: str
    """What can change its results, in any form that can be compared."""
    home: str
    """Folder."""
    stores: tuple[tuple[str, int], ...]
    """Folders that it writes to, and how many folders a file's rows name in each."""
    ending: str = ".parquet"
    """Of its outputs."""
    mode: str = "file"
    """``file``, ``hive`` or ``all``."""
    inputs: tuple[str, ...] = ()
    """Folders."""
    excluded: str = "\0"
    """End of the names that don't count."""
    fails: Callable[[Contents, Contents], bool] = lambda sources, inputs: False
    """Whether these sources and inputs can't be moved."""

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.home, *self.inputs)


@dataclass
class Outcome:
    """What a run does, by task."""

    moved: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    not_run: set[str] = field(default_factory=set)


@dataclass
class Model:
    """Remembers what each partition was made from, and what became of it."""

    known: dict[str, tuple[Origin, Disk]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    begun: set[str] = field(default_factory=set)
    """Those of which something may lie somewhere though no move of theirs has ended."""

    def outcome(self, flows: Mapping[str, Flow], before: Disk, after: Disk) -> Outcome:
        """Return what a run has to do that found the disk as *before* and left it as *after*.

        Args:
            flows: Each after those whose stores it reads.
        """
        result = Outcome()
        for name, flow in flows.items():
            before_it = upstream(flow, flows)
            stuck = [t for t in result.failed | result.not_run if t.split(":")[0] in before_it]
            groups = partitions(flow, after)
            mine = {t for t in {*self.known, *self.begun} if t.split(":")[0] == name}
            for task in mine - {*tasks(name, groups)}:
                read = self.known[task][0][1] if task in self.known else ()
                kept = any(path in self._written(each) for each in stuck for path in read)
                (result.not_run if kept else result.removed).add(task)
            for task, files in tasks(name, groups).items():
                made_from, outputs = self.known.get(task, (None, {}))
                stale = task in self.failed or made_from != origin(flow, files, after)
                stale |= any(before.get(path) != outputs[path] for path in outputs)
                if any(self._blocks(each, flow, files, after, flows) for each in stuck):
                    result.not_run.add(task)
                elif stale and flow.fails(*contents(flow, files, after)):
                    result.failed.add(task)
                elif stale:
                    result.moved.add(task)
        return result

    def _blocks(
        self,
        task: str,
        flow: Flow,
        files: Iterable[str],
        disk: Disk,
        flows: Mapping[str, Flow],
    ) -> bool:
        if task not in self.known:  # but a killed run may have left what it was to write
            name, key = task.split(":", 1)
            left = outputs(flows[name], key, disk) if flows[name].stores[0][1] == 0 else {}
            return flow.mode != "file" or bool(flow.inputs) or any(path in left for path in files)
        return any(path in self._written(task) for path in [*files, *below(flow.inputs, disk)])

    def _written(self, task: str) -> Disk:
        return self.known[task][1] if task in self.known else {}

    def learn(self, flows: Mapping[str, Flow], disk: Disk, outcome: Outcome) -> None:
        """Remember what a run did that left the disk as *disk*."""
        for task in outcome.removed:
            self.known.pop(task, None)
        for task in outcome.moved:
            name, key = task.split(":", 1)
            files = tasks(name, partitions(flows[name], disk))[task]
            self.known[task] = origin(flows[name], files, disk), outputs(flows[name], key, disk)
        for left in (self.failed, self.begun):
            left -= outcome.moved | outcome.removed
            left |= outcome.failed


def partitions(flow: Flow, disk: Disk) -> dict[str, list[str]]:
    """Return the files of each partition, by key."""
    found: dict[str, list[str]] = {}
    for path in below([flow.home], disk):
        name = path.removeprefix(flow.home + "/")
        key = {"file": name.rpartition(".")[0], "hive": name.rpartition("/")[0], "all": "all"}
        if not path.endswith(flow.excluded):
            found.setdefault(re.sub(r"[^=/]+=", "", key[flow.mode]), []).append(path)
    return found


def upstream(flow: Flow, flows: Mapping[str, Flow]) -> set[str]:
    """Return all flows that *flow* waits for."""
    direct = {name for name, each in flows.items() if each.stores[0][0] in flow.reads}
    return direct.union(*(upstream(flows[name], flows) for name in direct))


def tasks(name: str, groups: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {f"{name}:{key}": files for key, files in groups.items()}


def below(folders: Iterable[str], disk: Disk) -> list[str]:
    found = {path for path in disk for each in folders if path.startswith(each + "/")}
    return sorted(path for path in found if not path.endswith("/"))


def contents(flow: Flow, files: Iterable[str], disk: Disk) -> tuple[list[bytes], list[bytes]]:
    return [disk[path] for path in files], [disk[path] for path in below(flow.inputs, disk)]


def origin(flow: Flow, files: Iterable[str], disk: Disk) -> Origin:
    """Return everything that a partition's outputs follow from."""
    return flow.config, {path: disk[path] for path in [*files, *below(flow.inputs, disk)]}


def outputs(flow: Flow, key: str, disk: Disk) -> Disk:
    """Return what lies where only one partition writes."""
    patterns = [
        re.compile(re.escape(folder) + "/[^/]+=[^/]+" * depth + re.escape("/" + key + flow.ending))
        for folder, depth in flow.stores
    ]
    return {path: disk[path] for path in disk if any(p.fullmatch(path) for p in patterns)}
