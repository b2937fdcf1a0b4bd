"""Signals at random moments: in good order where that can be asked for, and nothing lost if not."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import ProjectFolder, check_records
from test_survival import PARTITIONS, many_partitions

from faults.results import record
from faults.trial import Reference, reference, staged
from faults.warm import Ended, Server

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

LONGEST_STOP = 5.0
"""Seconds that an orderly stop may take, on a machine that is busy with other things."""

COLD_EVERY = 7
"""Each so many-th kill hits a process that Python starts anew, perhaps before hygge is there."""

COMPRESSED = {
    "copied": "{path: data/store/copied, compression: snappy}",
    "written": "{path: data/store/written, compression: lz4}",
    "text": "{path: data/store/text, compression: snappy}",
}
"""Stores of flows of which every partition is stale, though all had been moved."""


@dataclass
class Project:
    """A project of 200 partitions, to be moved for the first time or once more."""

    template: Path
    expected: Reference
    seconds: float
    """How long a run takes that nothing disturbs."""


@dataclass
class Killing:
    """Runs of *projects* that are stopped at random moments."""

    folder: Path
    projects: list[Project]
    counts: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    """Seconds that the longest orderly stop took."""
    wrong: list[str] = field(default_factory=list)

    def kill(self, server: Server, number: int, seed: int, name: str) -> None:
        """Stop one run, judge how it ended, run again and compare."""
        chance = random.Random(seed + number)
        project = self.projects[number % 2]
        sent, threads = SIGNALS[number // 2 % 4], (1, 4)[number // 8 % 2]
        root = self.folder / name
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(project.template, root)
        args = ["-n", "4"] if threads == 4 else []
        after = chance.uniform(0, project.seconds)
        if number % COLD_EVERY == COLD_EVERY - 1:
            ended = kill_cold(root, args, sent, after + chance.uniform(0, 0.5))
        else:
            ended = server.doit(root, *args, after=(sent, after))
        wrong = self._wrong_end(root, ended, sent)
        finished, more = project.expected.judge(
            root, ended.out, lambda: server.doit(root, *args), threads
        )
        wrong += more
        # When it has said its last word, hygge hears no more: a signal ends it as it ends any.
        is_told = "\nhygge: moved=" in ended.out and len(finished) == PARTITIONS
        if finished and ended.code == -sent != -signal.SIGKILL and not is_told:
            wrong.append("it moved something already, and did not stop in good order")
        check_records(root)
        self.counts["stopped between two moves"] += 0 < len(finished) < PARTITIONS
        self.counts["equal to the reference"] += not wrong
        self.counts["kills"] += 1
        where = f"{sent.name}, seed {seed}, {number}, after {after:.3f} s"
        self.wrong += [f"{where}: {each}" for each in wrong]

    def _wrong_end(self, root: Path, ended: Ended, sent: signal.Signals) -> list[str]:
        """Return what is wrong with how a run has *ended* that was *sent* a signal."""
        if ended.code == 0:
            self.counts["ended before the signal"] += 1
            return []
        if ended.code == -sent:  # hygge did not hear of it: not begun yet, or SIGKILL
            self.counts[f"{sent.name}, at once"] += 1
            return []
        if ended.code != 128 + sent:
            return [f"exit code {ended.code}: {ended.out}{ended.err}"]
        self.counts[f"{sent.name}, in good order"] += 1
        self.slowest = max(self.slowest, ended.seconds)
        wrong = [f"left over by an orderly stop: {path}" for path in staged(root)]
        if "Stopped" not in ended.out + ended.err:
            wrong.append(f"it does not say how far it came: {ended.out}{ended.err}")
        if ended.seconds > LONGEST_STOP:
            wrong.append(f"it took {ended.seconds:.1f} s to stop")
        return wrong


def kill_cold(root: Path, args: list[str], sent: signal.Signals, after: float) -> Ended:
    """Start `doit` as a shell does, and send it a signal."""
    process = subprocess.Popen(
        [sys.executable, "-m", "doit", *args],
        cwd=root,
        env={k: v for k, v in os.environ.items() if k not in ("CI", "PYTHONPATH")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    time.sleep(after)
    began = time.perf_counter()
    os.killpg(process.pid, sent)
    out, err = process.communicate(timeout=60)
    code = process.returncode
    if sent == signal.SIGINT and "hygge" not in out and "KeyboardInterrupt" in err:
        code = -sent  # Python, or doit, had not come to hygge yet
    return Ended(code, out, err, time.perf_counter() - began)


def make_projects(folder: Path, server: Server) -> list[Project]:
    """Make both projects, and find out what becomes of them."""
    projects = []
    for name in ("new", "changed"):
        template = ProjectFolder(folder / name)
        many_partitions(template)
        if name == "changed":
            assert server.doit(template.root).code == 0
            for flow, store in COMPRESSED.items():
                template.flow(flow, f"home: data/home/{flow}\nstore: {store}\n")
        root = folder / f"{name}-moved"
        shutil.copytree(template.root, root)
        ended = server.doit(root)
        assert ended.code == 0, ended.out + ended.err
        expected = reference(template.root, root, ended.out)
        assert len(expected.moves) == PARTITIONS
        projects.append(Project(template.root, expected, ended.seconds))
    return projects


@pytest.mark.parametrize(
    "kills", [8, pytest.param(500, marks=[pytest.mark.full, pytest.mark.timeout(7200)])]
)
def test_signal_at_a_random_moment_then_plain_rerun_ends_as_if_undisturbed(
    kills: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began, seed = time.perf_counter(), random.randrange(2**32)
    at_once = int(os.environ.get("HYGGE_FAULTS_AT_ONCE", os.cpu_count() or 1))
    servers = [Server() for _ in range(at_once)]
    killing = Killing(tmp_path, make_projects(tmp_path, servers[0]))

    def work(i: int) -> None:
        for number in range(i, kills, at_once):
            killing.kill(servers[i], number, seed, f"copy-{i}")

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(work, range(at_once)))
    for each in servers:
        each.close()

    seconds = round(time.perf_counter() - began)
    shown = {**killing.counts, "slowest stop (s)": round(killing.slowest, 2), "seconds": seconds}
    with capsys.disabled():
        print(f"\nsignals at random, {PARTITIONS} partitions, seed {seed}: {shown}")
    record("signals at random moments, 1 and 4 threads", shown)
    assert killing.wrong == []
    assert killing.counts["kills"] == kills
    assert killing.counts["stopped between two moves"] > kills / 8
