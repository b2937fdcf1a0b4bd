"""Several runs at once: one works, the others say so or wait, and who only looks does no harm."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import ProjectFolder, Result, check_records

from faults.results import record
from faults.trial import Reference, done, reference, remembered

PARTITIONS = 30

LOOKING = (
    ("plan",),
    ("list", "--all"),
    ("tail",),
    ("show",),
    ("verify",),
    ("runs",),
    ("plan", "--json"),
    ("dumpdb",),
)
"""Commands that only read."""

STALE = 4
"""Exit code of a look that finds something to be stale."""

NOTHING_STARTED = 3
"""Exit code of a run that another one keeps out, and of a look at runs where there are none."""

SLOWLY = """
import time


def slowly(rows):
    time.sleep(0.02)
    return rows
"""

HARM = ("Traceback", "database is locked", "did not foresee", "can't be read")
"""What no command may say because another one runs."""


@dataclass
class Rounds:
    """Rounds of runs that are started at once, each in a fresh copy of a project."""

    project: ProjectFolder
    expected: Reference
    folder: Path
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def fresh(self) -> ProjectFolder:
        """Return a project of which nothing has been moved."""
        root = self.folder / "copy"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self.project.root, root)
        return ProjectFolder(root)

    def round(self, runs: int, number: int) -> None:
        """Start *runs* runs and looks at once; some of the runs wait for each other."""
        project = self.fresh()
        waiting = [i % 2 == number % 2 for i in range(runs)]
        started = [project.start(*["--wait"] * waits) for waits in waiting]
        looks = [LOOKING[(number + i) % len(LOOKING)] for i in range(3)]
        while not remembered(project.root).runs:
            time.sleep(0.01)
        looking = [project.start(*look) for look in looks]
        ended = [_ended(each) for each in started]
        wrong = self._wrong_runs(ended, waiting)
        for look, process in zip(looks, looking, strict=True):
            wrong += self._wrong_look(look, _ended(process))
        wrong += self.expected.wrong_in_the_end(project.root)
        if project.doit().moved:
            wrong.append("a later run had something to do")
        check_records(project.root)
        self.counts["rounds"] += 1
        self.counts["equal to the reference"] += not wrong
        self.wrong += [f"{runs} at once, {number}: {each}" for each in wrong]

    def _wrong_runs(self, ended: list[Result], waiting: list[bool]) -> list[str]:
        """Return what is wrong with how runs have *ended* of which some were *waiting*."""
        wrong = []
        moved = Counter(task for each in ended for task in done(each.out)["moved"])
        if moved != Counter(self.expected.moves):
            wrong.append(f"not each moved once: {moved}")
        workers = [each for each in ended if done(each.out)["moved"]]
        if len(workers) != 1:
            wrong.append(f"{len(workers)} runs moved something")
        for result, waits in zip(ended, waiting, strict=True):
            if result in workers:
                self.counts["runs that worked"] += 1
            elif result.code == NOTHING_STARTED and not waits:
                self.counts["runs kept out"] += 1
                if "another run holds this project\n  at process " not in result.err:
                    wrong.append(f"it does not say who holds the project: {result.err}")
            elif result.code == 0 and result.moved == 0:
                self.counts["runs with nothing left to do"] += 1
            else:
                wrong.append(f"{result.code}: {result.out}{result.err}")
            wrong += _harm(result)
        return wrong

    def _wrong_look(self, look: tuple[str, ...], result: Result) -> list[str]:
        self.counts["looks during a run"] += 1
        wrong = _harm(result)
        if result.code not in (0, STALE):
            wrong.append(f"{result.code}")
        if "--json" in look and json.loads(result.out)["command"] != look[0]:
            wrong.append(result.out)
        return [f"{' '.join(look)}: {each}: {result.out}{result.err}" for each in wrong]

    def kill_the_holder(self, number: int) -> None:
        """Kill a run while one waits for it, and one is typed at that moment."""
        project = self.fresh()
        holder = project.start()
        while not remembered(project.root).runs:
            time.sleep(0.01)
        waits = project.start("--wait") if number % 2 else None
        if waits is not None:
            time.sleep(0.3)
        os.killpg(holder.pid, signal.SIGKILL)
        holder.communicate()
        finished = self.expected.finished(remembered(project.root))
        began = time.perf_counter()
        result = _ended(waits) if waits is not None else project.doit()
        self.counts["holders killed"] += 1
        seconds = time.perf_counter() - began
        self.counts["went on at once"] += seconds < 10
        wrong = self.expected.wrong_in_the_end(project.root) + _harm(result)
        if result.code or done(result.out)["moved"] != self.expected.moves - finished:
            wrong.append(f"{finished} were finished: {result.code}: {result.out}{result.err}")
        self.wrong += [f"holder killed, {number}: {each}" for each in wrong]


def _ended(process: subprocess.Popen[str]) -> Result:
    out, err = process.communicate(timeout=120)
    return Result(process.returncode, out, err)


def _harm(result: Result) -> list[str]:
    return [text for text in HARM if text in result.out + result.err]


@pytest.fixture
def rounds(project: ProjectFolder, tmp_path: Path) -> Rounds:
    for i in range(PARTITIONS):
        project.parquet(f"data/home/slow/{i:02}.parquet", 3, start=i)
    project.write("flows/slow.py", SLOWLY)
    project.flow(
        "slow",
        """\
        home: data/home/slow
        store: {path: data/store/slow, partition_by: [name]}
        transform: {python: "flows/slow.py:slowly"}
        """,
    )
    moved = tmp_path / "moved"
    shutil.copytree(project.root, moved)
    result = ProjectFolder(moved).doit()
    assert result.moved == PARTITIONS
    return Rounds(project, reference(project.root, moved, result.out), tmp_path)


@pytest.mark.parametrize(
    ("times", "kills"),
    [(2, 1), pytest.param(50, 20, marks=[pytest.mark.full, pytest.mark.timeout(7200)])],
)
def test_of_several_runs_one_works_and_the_others_do_no_harm(
    rounds: Rounds, times: int, kills: int, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.perf_counter()
    for number in range(times):
        rounds.round((2, 4, 8)[number % 3], number)
    for number in range(kills):
        rounds.kill_the_holder(number)

    shown = {**rounds.counts, "seconds": round(time.perf_counter() - began)}
    with capsys.disabled():
        print(f"\n2, 4 and 8 runs at once: {shown}")
    record("2, 4 and 8 runs at once", shown)
    assert rounds.wrong == []
    assert rounds.counts["runs that worked"] == rounds.counts["rounds"] == times
    assert rounds.counts["runs kept out"] > 0
    assert rounds.counts["went on at once"] == kills


HOLDERS = {
    "another boot's": json.dumps({"pid": 1, "command": "doit", "since": "03:30:09"}),
    "nobody's": json.dumps({"pid": 2**22 + 1, "command": "doit", "since": "23:59:59"}),
    "this process's": json.dumps({"pid": os.getpid(), "command": "doit", "since": "00:00:00"}),
    "torn": '{"pid": 12',
    "empty": "",
    "of another form": "[1, 2, 3]",
}
"""What may be left of whoever held the project."""


@pytest.mark.parametrize("left", HOLDERS)
def test_lock_that_was_left_behind_keeps_nobody_out(project: ProjectFolder, left: str) -> None:
    project.months(2)
    project.write(".hygge/lock", "")
    project.write(".hygge/lock.holder", HOLDERS[left])

    result = project.doit()

    assert result.code == 0, result.err
    assert result.err == ""
    assert result.moved == 2
