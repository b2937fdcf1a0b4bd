"""The law: whatever happened to a project, one `doit` makes it what a build from nothing gives."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
import itertools
import json
import os
import re
import shutil
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from laws.model import Disk, Flow, Model, Outcome, outputs, partitions, upstream
from laws.server import Ended, Server

DODO = "from hygge.tasks import DOIT_CONFIG, task_hygge\n"

TYPES = {"types": {"k": "string", "n": "int64"}}

CHOICES: dict[str, list[Any]] = {
    "copied.path": ["copied", "elsewhere"],
    "copied.compression": [None, "gzip"],
    "copied.exclude": [None, "b.csv"],
    "checked.skip": [7, 3],
    "checked.on_fail": ["stop", "quarantine"],
    "checked.compression": [None, "snappy", "none"],
    "spread.by": [["k"], ["n"], ["k", "n"]],
    "spread.compression": [None, "none"],
    "grouped.times": [1, 2],
    "total.what": ["SUM(n)", "MAX(n)", "SUM(m)"],
    "joined.label": ["names.n", "total.n"],
}
"""What can be edited in the flows; the first of each is how it begins."""

EDITS = [(key, choice) for key, choices in CHOICES.items() for choice in choices]

SOURCE_CHANGES = ["touch", "empty", "cut", "shorten", "delete", "swap", "same size", "restore all"]

FLOWS = ("copied", "checked", "spread", "grouped", "total", "joined")

NAMES = ["a", "b", "d/a", "x", "x.csv/a", "x.parquet/a"]
"""Of sources, without suffix. A file of one may lie where another has a folder."""

HOMES = {"plain": NAMES, "raw": NAMES, "names": ["a", "b"]}

BASE = {
    "raw/a": [("a", 1), ("b", 2), ("", 3)],
    "raw/b": [("a", 2), ("æ/1", 1)],
    "raw/d/a": [("b", 1), ("b", 7)],
    "plain/a": [("a", 1), ("c", 2)],
    "plain/b": [("b", 150)],
    "names/a": [("a", 1), ("b", 2), ("b", 3)],
}
"""The sources with which each example begins."""

WHERE = st.sampled_from(
    [(home, name) for home in HOMES for name in HOMES[home]]
    + [("raw", "a"), ("raw", "b"), ("raw", "d/a"), ("plain", "a")] * 2
)
"""Homes and names of sources; what fans out most often."""

ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "", "æ/1"]), st.sampled_from([1, 2, 3, 7, 150])),
    max_size=4,
)

STOPS = st.tuples(
    st.sampled_from([int(signal.SIGKILL), int(signal.SIGKILL), int(signal.SIGTERM)]),
    st.sampled_from(["touch", "rename", "commit"]),
    st.integers(1, 400),
).map(lambda stop: (*stop[:2], stop[2] if stop[1] == "touch" else 1 + stop[2] % 30))
"""When a run is stopped; see `Server.start`."""

GO_ON = ("--continue", "--allow-prune")


def written(chosen: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the flows as they are written, each after those whose stores it reads."""

    def some(**given: Any) -> dict[str, Any]:
        return {key: value for key, value in given.items() if value is not None}

    exclude = chosen["copied.exclude"]
    flows = {
        "copied": {
            "home": some(type="csv", path="data/home/plain", exclude=exclude and [exclude]),
            "store": some(
                type="csv",
                path=f"data/store/{chosen['copied.path']}",
                compression=chosen["copied.compression"],
            ),
        },
        "checked": {
            "home": {"type": "csv", "path": "data/home/raw", "options": TYPES},
            "store": some(path="data/store/checked", compression=chosen["checked.compression"]),
            "transform": {"where": f"n <> {chosen['checked.skip']}"},
            "checks": [{"between": {"n": [0, 99]}, "on_fail": chosen["checked.on_fail"]}],
        },
        "spread": {
            "home": "data/store/checked",
            "store": some(
                path="data/store/spread",
                partition_by=chosen["spread.by"],
                compression=chosen["spread.compression"],
            ),
        },
        "grouped": {
            "home": {"path": "data/store/spread", "partition": "hive"},
            "transform": {
                "sql": f"SELECT *, n * {chosen['grouped.times']} AS m FROM self ORDER BY n"
            },
            "store": "data/store/grouped",
        },
        "total": {
            "home": {"path": "data/store/grouped", "partition": "all"},
            "transform": {"sql": f"SELECT k, {chosen['total.what']} AS n FROM self GROUP BY k"},
            "store": "data/store/total",
        },
        "joined": {
            "home": {"type": "csv", "path": "data/home/plain", "options": TYPES},
            "inputs": {
                "total": "data/store/total",
                "names": {"type": "csv", "path": "data/home/names", "options": TYPES},
            },
            "transform": {
                "sql": f"SELECT self.k, self.n, {chosen['joined.label']} AS label FROM self "
                "LEFT JOIN total ON self.k = total.k LEFT JOIN names ON self.k = names.k"
            },
            "store": "data/store/joined",
        },
    }
    return {names[name]: flow for name, flow in flows.items() if names[name]}


def understood(flows: Mapping[str, Mapping[str, Any]]) -> dict[str, Flow]:
    """Return what the model has to know of flows as they are written."""
    found = {}
    for name, flow in flows.items():
        home = flow["home"] if isinstance(flow["home"], dict) else {"path": flow["home"]}
        store = flow["store"] if isinstance(flow["store"], dict) else {"path": flow["store"]}
        text = store.get("type") == "csv"
        packed = text and "compression" in store
        stops = any(each["on_fail"] == "stop" for each in flow.get("checks", ()))
        aside = [(f"data/quarantine/{name}", 0)] if "checks" in flow else []
        config = {**flow, "home": {k: v for k, v in home.items() if k != "exclude"}}
        found[name] = Flow(
            config=json.dumps(config, sort_keys=True),
            home=home["path"],
            stores=((store["path"], len(store.get("partition_by", ()))), *aside),
            ending=".csv.gz" if packed else ".csv" if text else ".parquet",
            mode=home.get("partition", "file"),
            inputs=tuple(
                each if isinstance(each, str) else each["path"]
                for each in flow.get("inputs", {}).values()
            ),
            excluded="/" + home["exclude"][0] if "exclude" in home else "\0",
            fails=_fails(text and not packed, stops, "inputs" in flow),
        )
    return found


def _fails(copies: bool, stops: bool, joins: bool) -> Callable[[Any, Any], bool]:
    """Return what tells which sources and inputs a flow can't move."""

    def fails(sources: list[bytes], inputs: list[bytes]) -> bool:
        text = [each for each in (*sources, *inputs) if not each.startswith(b"PAR1")]
        if copies:
            return b"" in text
        lacks = joins and len({each.startswith(b"PAR1") for each in inputs}) < 2
        return lacks or any(broken(each) or (stops and b",150\n" in each) for each in text)

    return fails


def broken(content: bytes) -> bool:
    """Tell whether a file can't be read."""
    return not content or any(b"," not in line for line in content.splitlines())


def disk_of(root: Path) -> dict[str, bytes]:
    """Return every file and every empty folder below ``data``, hidden ones too."""
    found: dict[str, bytes] = {}
    for folder, folders, files in os.walk(root / "data"):
        for name in files:
            path = os.path.join(folder, name)
            found[path[len(str(root)) + 1 :]] = Path(path).read_bytes()
        inside = folder[len(str(root)) + 1 :]  # a store's own folder may be empty
        if not folders and not files and inside.count("/") > 2 and "/home/" not in inside:
            found[inside + "/"] = b""
    return found


def settled(disk: Disk) -> dict[str, bytes]:
    """Return what hygge wrote."""
    return {path: disk[path] for path in disk if not path.startswith("data/home/")}


def seen(out: str) -> Outcome:
    """Return what a run says it did."""
    found = Outcome()
    ways = {"moved": found.moved, "removed": found.removed, "failed": found.failed}
    for line in out.splitlines():
        match = re.match(r"(\w+:\S+)  (moved|removed|failed|not run)\b", line)
        if match:
            ways.get(match[2], found.not_run).add(match[1])
    return found


def recorded(root: Path) -> tuple[dict[str, str], set[str], set[str]]:
    """Return what the state has: the last run of each task, those that failed, those begun."""
    with contextlib.closing(sqlite3.connect(root / ".doit.db")) as state:
        try:
            rows = list(state.execute("SELECT task, data FROM tasks"))
            failed = {task for (task,) in state.execute("SELECT task FROM failures")}
            begun = {task for (task,) in state.execute("SELECT task FROM intents")}
        except sqlite3.OperationalError:  # killed while the tables were made
            return {}, set(), set()
    values = {task: json.loads(data).get("_values_:", {}) for task, data in rows}
    return {task: each["run"] for task, each in values.items() if "run" in each}, failed, begun


class Law(RuleBasedStateMachine):
    """A project to which everything happens, beside one that is built from nothing."""

    folder: ClassVar[Path]
    server: ClassVar[Server]
    builder: ClassVar[Server]
    built: ClassVar[dict[bytes, tuple[dict[str, bytes], Outcome]]]
    counts: ClassVar[Counter[str]]
    model_of_copy: ClassVar[list[Model]]
    numbers: ClassVar[Iterator[int]] = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.counts["examples"] += 1
        self.root = self.folder / f"project-{next(self.numbers)}"
        self.chosen = {key: choices[0] for key, choices in CHOICES.items()}
        self.names = {name: name for name in FLOWS}
        self.comment = ""
        self.model = Model()
        self.disturbed = True

    @initialize(built=st.booleans())
    def begin(self, built: bool) -> None:
        """Take a project that was built already, or one that was not."""
        if built and self.model_of_copy:
            shutil.copytree(self.folder / "copy", self.root)
            self.model = copy.deepcopy(self.model_of_copy[0])
            self.disturbed = False
            self._write_flows()
            return
        self._restore()
        (self.root / "dodo.py").write_text(DODO)
        self._write_flows()
        if built:
            self.bring_up_to_date()
            shutil.copytree(self.root, self.folder / "copy")
            self.model_of_copy.append(copy.deepcopy(self.model))

    def _write_flows(self) -> None:
        self.flows = understood(written(self.chosen, self.names))
        shutil.rmtree(self.root / "flows", ignore_errors=True)
        (self.root / "flows").mkdir()
        for name, flow in written(self.chosen, self.names).items():
            text = json.dumps(dict(reversed(flow.items())) if self.comment else flow)
            (self.root / f"flows/{name}.yml").write_text(self.comment + text)
        self._remove_what_no_flow_has_a_name_for()

    def _remove_what_no_flow_has_a_name_for(self) -> None:
        """Do what hygge leaves to people: a flow that goes leaves its data behind."""
        known = {task: made[1] for task, made in self.model.known.items()}
        mine = [p for task in known if task.split(":")[0] in self.flows for p in known[task]]
        stores = {flow.stores[0][0] for flow in self.flows.values()}
        for name in CHOICES["copied.path"]:
            folder = f"data/store/{name}"
            if folder not in stores and not any(path.startswith(folder + "/") for path in mine):
                shutil.rmtree(self.root / folder, ignore_errors=True)

    # What happens to sources

    def _sources(self) -> list[Path]:
        home = self.root / "data/home"
        return sorted(path for path in home.rglob("*") if path.is_file())

    def _one(self, number: int) -> Path | None:
        sources = self._sources()
        return sources[number % len(sources)] if sources else None

    def _put(self, home: str, name: str, content: bytes) -> None:
        path = self.root / "data/home" / home / f"{name}.csv"
        # Where one of them is a file, the other is a folder, in the home or in a store.
        for other in (path, path.with_suffix(".parquet")):
            if other.is_dir():
                shutil.rmtree(other)
        for other in (path.parent, path.parent.with_suffix(".csv")):
            if other.is_file():
                other.unlink()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def _restore(self) -> None:
        """Make the sources what they were in the beginning."""
        shutil.rmtree(self.root / "data/home", ignore_errors=True)
        for home in HOMES:
            (self.root / "data/home" / home).mkdir(parents=True)
        for path, rows in BASE.items():
            self._put(*path.split("/", 1), text_of(rows))

    def _set(self, where: tuple[str, str], rows: Any) -> None:
        """Give a source *rows*; None stands for what it had, or had not, in the beginning."""
        rows = BASE.get("/".join(where)) if rows is None else rows
        if rows is not None:
            self._put(*where, text_of(rows))
        else:
            path = self.root / f"data/home/{'/'.join(where)}.csv"
            if path.is_file():
                path.unlink()

    @rule(where=WHERE, rows=ROWS | st.none(), go=st.booleans())
    def add_or_replace(self, where: tuple[str, str], rows: Any, go: bool) -> None:
        self._set(where, rows)
        self._then(go)

    @rule(
        number=st.integers(0, 20),
        how=st.sampled_from(SOURCE_CHANGES),
        go=st.booleans(),
    )
    def disturb_a_source(self, number: int, how: str, go: bool) -> None:
        path = self._one(number)
        if path is not None:
            self.counts[f"source: {how}"] += 1
            self._disturb_source(path, how)
        self._then(go)

    def _disturb_source(self, path: Path, how: str) -> None:
        lines = path.read_bytes().splitlines(keepends=True)
        if how == "touch":
            os.utime(path)
        elif how == "delete":
            path.unlink()
        elif how == "restore all":
            self._restore()
        elif how == "same size":
            replace_unnoticed(path, b"".join(lines).replace(b",1\n", b",9\n"))
        elif how == "swap":
            other = self._one(0)
            assert other is not None
            a, b = path.read_bytes(), other.read_bytes()
            path.write_bytes(b)
            other.write_bytes(a)
        else:
            cut = b"".join(lines[:1]) + b"".join(lines[1:])[:-3]  # the header stays whole
            shorter = {"empty": b"", "cut": cut, "shorten": b"".join(lines[:-1])}
            path.write_bytes(shorter[how] if len(lines) > 1 or how == "empty" else b"k,n\n")
            if how == "cut" and not path.read_bytes().endswith(b"\n"):
                whole = not broken(path.read_bytes())
                path.write_bytes(path.read_bytes() + b"\n" * whole)

    @rule(
        number=st.integers(0, 20),
        where=WHERE,
        go=st.booleans(),
    )
    def rename_a_source(self, number: int, where: tuple[str, str], go: bool) -> None:
        path = self._one(number)
        if path is not None:
            content = path.read_bytes()
            path.unlink()
            self._put(*where, content)
        self._then(go)

    # What happens to outputs

    @rule(
        number=st.integers(0, 40),
        how=st.sampled_from(["touch", "delete", "truncate", "append", "same size", "folder"]),
        go=st.booleans(),
    )
    def disturb_an_output(self, number: int, how: str, go: bool) -> None:
        files = sorted(path for each in self.model.known.values() for path in each[1])
        files = [path for path in files if (self.root / path).is_file()]
        if files:
            self.counts[f"output: {how}"] += 1
            path = self.root / files[number % len(files)]
            content = path.read_bytes()
            if how == "touch":
                os.utime(path)
            elif how == "delete":
                path.unlink()
            elif how == "folder":
                shutil.rmtree(self.root / "/".join(files[number % len(files)].split("/")[:3]))
            elif how == "same size":
                replace_unnoticed(path, content[:-1] + bytes([content[-1] ^ 1]))
            else:
                path.write_bytes(content[:-2] if how == "truncate" else content + b"\n")
        self._then(go)

    # What happens to flows

    @rule(number=st.integers(0, len(EDITS) + 2), go=st.booleans())
    def edit_the_flows(self, number: int, go: bool) -> None:
        """Change one thing, or only the looks, or a flow's name; or take one out with its data."""
        edits = [edit for edit in EDITS if self.chosen[edit[0]] != edit[1]]
        how = ["looks", "name", "taken out or put back", *(key for key, _ in edits)]
        done = how[number % len(how)]
        self.counts[f"flow: {done}"] += 1
        if done == "looks":
            self.comment = "" if self.comment else "# A comment.\n"
        elif done == "name":
            self.names["copied"] = "copies" if self.names["copied"] == "copied" else "copied"
        elif done == "taken out or put back":
            self.names["joined"] = "" if self.names["joined"] else "joined"
            shutil.rmtree(self.root / "data/store/joined", ignore_errors=True)
        else:
            self.chosen.update([edits[number % len(how) - 3]])
        self._write_flows()
        self._then(go)

    # What runs

    def _then(self, go: bool) -> None:
        self.disturbed = True
        if go:
            self.bring_up_to_date()

    @rule(number=st.integers(0, 20), whole=st.booleans())
    def run_a_part(self, number: int, whole: bool) -> None:
        """Run one flow, or one partition of a flow that waits for none."""
        if whole:
            names = sorted(self.flows)
        else:
            early = {n: f for n, f in self.flows.items() if n in ("copied", "copies", "checked")}
            disk = disk_of(self.root)
            names = [f"{n}:{key}" for n, f in early.items() for key in partitions(f, disk)]
        if names:
            self.counts["partial runs"] += 1
            self._run(names[number % len(names)])

    @rule(stop=STOPS, forced=st.booleans(), ahead=st.booleans(), go=st.booleans())
    def stop_a_run(self, stop: tuple[int, str, int], forced: bool, ahead: bool, go: bool) -> None:
        self._stop(stop, *["-a"] * forced, ahead=10 * ahead)
        self._then(go)

    @rule(
        where=WHERE,
        rows=st.tuples(ROWS, ROWS | st.none()),
        stop=STOPS | st.none(),
        go=st.booleans(),
    )
    def change_a_source_twice(
        self, where: tuple[str, str], rows: tuple[Any, Any], stop: Any, go: bool
    ) -> None:
        """Change it again after a run that was stopped, or was not."""
        self._set(where, rows[0])
        if stop is None:
            self.bring_up_to_date()
        else:
            self._stop(stop)
        self._set(where, rows[1])
        self._then(go)

    def _stop(self, stop: tuple[int, str, int], *args: str, ahead: int = 10) -> None:
        before = recorded(self.root)[0]
        ended = self._doit(*GO_ON, *args, stop=stop, ahead=ahead)
        disk, (after, failed, begun) = disk_of(self.root), recorded(self.root)
        if ended.code in (-stop[0], 128 + stop[0]):
            self.counts["kills" if stop[0] == signal.SIGKILL else "signals"] += 1
            moved = {task for task in after if after[task] != before.get(task)}
            self.counts["stopped between two moves"] += bool(moved)
            assert seen(ended.out).moved <= moved, "what was moved is remembered at once"
            assert not seen(ended.out).removed & after.keys()
        else:
            self.counts["ended before they were stopped"] += 1
            moved = seen(ended.out).moved
        for task in set(self.model.known) - set(after):
            del self.model.known[task]
        self.model.learn(self.flows, disk, Outcome(moved=moved))
        self.model.failed, self.model.begun = failed, begun

    def _doit(self, *args: str, **more: Any) -> Ended:
        self.counts["commands"] += 1
        ended = self.server.doit(self.root, *args, **more)
        assert "Traceback" not in ended.out + ended.err, ended.out + ended.err
        return ended

    def _run(self, *names: str, ahead: int = 0) -> tuple[Disk, Outcome]:
        """Run and hold what was moved against the model."""
        before = disk_of(self.root)
        ended = self._doit(*GO_ON, *names, ahead=ahead)
        after = disk_of(self.root)
        names = tuple(name for name in names if name not in ("-n", "2"))
        asked = self._asked(names[0]) if names else self.flows
        expected = self.model.outcome(asked, before, after)
        if names and ":" in names[0]:
            for of in dataclasses.fields(expected):
                getattr(expected, of.name).intersection_update(names)
        found = seen(ended.out)
        assert found == expected, f"{expected}\n{found}\n{ended.out}{ended.err}"
        assert ended.code in ((1, 5) if expected.failed else (0,)), ended.out
        self.model.learn(self.flows, after, found)
        if not names:
            known = {*self.model.known, *self.model.begun}
            gone = {task for task in known if task.split(":")[0] not in self.flows}
            self.model.learn(self.flows, after, Outcome(removed=gone))
        for way in dataclasses.fields(found):
            self.counts[f"partitions {way.name}"] += len(getattr(found, way.name))
        return after, found

    def _asked(self, name: str) -> dict[str, Flow]:
        """Return the flow and those that it waits for."""
        asked = name.split(":")[0]
        wanted = {asked, *upstream(self.flows[asked], self.flows)}
        return {each: flow for each, flow in self.flows.items() if each in wanted}

    @precondition(lambda self: self.disturbed)
    @rule(ahead=st.booleans(), threads=st.booleans())
    def bring_up_to_date(self, ahead: bool = True, threads: bool = False) -> None:
        """Plan, run, and compare with a build from nothing."""
        build = self._start_build()
        try:
            plan = json.loads(self._doit("plan", "--json").out)["data"]
            disk, found = self._run(*["-n", "2"] * threads, ahead=10 * ahead)
        finally:
            built = build()
        self.disturbed = False
        self.counts["runs"] += 1
        self._compare_plan(plan, found)
        self._compare_build(built, disk, found)

    def _compare_plan(self, plan: Mapping[str, Any], found: Outcome) -> None:
        """Hold what `plan` said against what was done.

        Of a flow that waits for nothing that moves it said exactly this; of one that does, that
        it may change further.
        """
        waiting = {each["flow"] for each in plan["waiting"]} | set(plan["broken"])
        done = {(task, "move") for task in found.moved | found.failed}
        done |= {(task, "remove") for task in found.removed}
        said = {(each["task"], each["action"]) for each in plan["partitions"]}
        beside = {each for each in done ^ said if each[0].split(":")[0] not in waiting}
        assert not beside, f"plan said {plan}, done was {done}, not alike: {beside}"
        self.counts["flows planned exactly"] += len(self.flows.keys() - waiting)
        self.counts["flows that may change further"] += len(waiting)

    def _start_build(self) -> Callable[[], tuple[dict[str, bytes], Outcome]]:
        digest = hashlib.sha256()
        for path in [*self._sources(), *sorted((self.root / "flows").iterdir())]:
            for part in (str(path.relative_to(self.root)).encode(), path.read_bytes()):
                digest.update(hashlib.sha256(part).digest())
        known = self.built.get(digest.digest())
        if known is not None:
            return lambda: known
        fresh = self.folder / f"fresh-{next(self.numbers)}"
        shutil.copytree(self.root / "data/home", fresh / "data/home")
        shutil.copytree(self.root / "flows", fresh / "flows")
        shutil.copy(self.root / "dodo.py", fresh)
        waiting = self.builder.start(fresh, *GO_ON)

        def build() -> tuple[dict[str, bytes], Outcome]:
            ended = waiting()
            self.counts["builds from nothing"] += 1
            self.built[digest.digest()] = settled(disk_of(fresh)), seen(ended.out)
            shutil.rmtree(fresh)
            return self.built[digest.digest()]

        return build

    def _compare_build(
        self, build: tuple[dict[str, bytes], Outcome], disk: Disk, found: Outcome
    ) -> None:
        content, done = build
        if not found.failed:
            self.counts["equal to a build from nothing"] += 1
            assert difference(settled(disk), content) == []
            return
        self.counts["equal but for what failed"] += 1
        for task in done.moved - found.failed - found.not_run:
            flow, key = self.flows[task.split(":")[0]], task.split(":", 1)[1]
            assert difference(outputs(flow, key, disk), outputs(flow, key, content)) == []

    def teardown(self) -> None:
        if sys.exc_info()[0] is not None or not self.root.exists():
            return  # one failure is enough
        self._mend()
        self.bring_up_to_date(ahead=False)
        assert seen(self._doit(*GO_ON).out) == Outcome()
        shutil.rmtree(self.root)

    def _mend(self) -> None:
        """Let nothing fail any more."""
        self._put("names", "a", text_of(BASE["names/a"]))
        self._put("raw", "a", text_of(BASE["raw/a"]))
        for path in self._sources():
            if broken(path.read_bytes()) or b",150\n" in path.read_bytes():
                path.write_bytes(text_of([("b", 2)]))


def text_of(rows: list[tuple[str, int]]) -> bytes:
    return ("k,n\n" + "".join(f"{k},{n}\n" for k, n in rows)).encode()


def replace_unnoticed(path: Path, content: bytes) -> None:
    """Write *content*, of the same size, and give the file the times it had."""
    stat = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def difference(one: Disk, other: Disk) -> list[str]:
    """Return the paths that are not the same in both."""
    return sorted(path for path in {*one, *other} if one.get(path) != other.get(path))


@pytest.fixture
def law(tmp_path: Path) -> Iterator[type[Law]]:
    Law.folder, Law.counts, Law.built, Law.model_of_copy = tmp_path, Counter(), {}, []
    Law.server, Law.builder = Server(), Server()
    yield Law
    Law.server.close()
    Law.builder.close()


@pytest.mark.parametrize(
    ("examples", "same"),
    [(200, True), pytest.param(5000, False, marks=[pytest.mark.full, pytest.mark.timeout(10_800)])],
)
def test_whatever_happened_one_run_makes_it_what_a_build_from_nothing_gives(
    law: type[Law], examples: int, same: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """The few examples are the same each time, so that a change is judged by what it changed.

    What they have never been is looked for by the many, which are others each time.
    """
    began = time.perf_counter()
    try:
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            law,
            settings=settings(
                max_examples=examples,
                stateful_step_count=8,
                deadline=None,
                database=None,
                derandomize=same,
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        with capsys.disabled():
            print(f"\nthe law, in {time.perf_counter() - began:.0f} s: {dict(law.counts)}")

    assert law.counts["examples"] >= examples
