"""SIGKILL before each single change of the disk: one plain rerun, and it is as if it never was."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest
from conftest import DODO, check_records

from faults import calls
from faults.results import record
from faults.trial import Reference, done, reference
from faults.warm import Server

pytestmark = pytest.mark.skipif(not calls.IS_POSSIBLE, reason="calls are counted on Linux, x86-64")

FORMATS = {
    "parquet": (".parquet", pl.DataFrame.write_parquet, "snappy"),
    "csv": (".csv", pl.DataFrame.write_csv, "gzip"),
    "ndjson": (".ndjson", pl.DataFrame.write_ndjson, "zstd"),
    "arrow": (".arrow", pl.DataFrame.write_ipc, "lz4"),
}
"""Ending of sources, what writes them, and a compression that is not the store's own choice."""

WAYS = {
    "copied": "bytes copied",
    "rows": "rows written, compression changed",
    "spread": "rows spread over folders, values changed",
    "pruned": "sources gone",
}
"""What a run has to do."""

NAMES = "abcdef"
"""Of the six partitions."""

ENOUGH = 10
"""Faults that are looked at before a trial is given up."""


@dataclass
class Trial:
    """One project that is killed again and again, each time a fresh copy of it."""

    kind: str
    way: str
    folder: Path
    threads: int = 1
    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    killed_before: Counter[str] = field(default_factory=Counter)
    """Calls at which it was killed, by name."""

    @property
    def template(self) -> Path:
        return self.folder / "template"

    @property
    def args(self) -> list[str]:
        return ["-n", str(self.threads)] if self.threads > 1 else []

    def source(self, name: str, start: int, groups: str) -> None:
        """Write a source whose rows belong to *groups*."""
        ending, write, _ = FORMATS[self.kind]
        file = self.template / f"data/home/{name}{ending}"
        file.parent.mkdir(parents=True, exist_ok=True)
        count = 20
        rows = {"id": range(start, start + count), "k": list(groups) * (count // len(groups))}
        write(pl.DataFrame(rows), file)

    def flow(self, **store: object) -> None:
        """Write the flow."""
        said = ", ".join(f"{key}: {value}" for key, value in store.items())
        text = f"home: {{type: {self.kind}, path: data/home}}\n"
        text += f"store: {{type: {self.kind}, path: data/store/f, {said}}}\n"
        (self.template / "flows").mkdir(parents=True, exist_ok=True)
        (self.template / "flows/f.yml").write_text(text)

    def prepare(self, server: Server) -> Reference:
        """Make the template and find out what an undisturbed run makes of it."""
        shutil.rmtree(self.template, ignore_errors=True)
        for i, name in enumerate(NAMES):
            self.source(name, i, "xy")
        (self.template / "dodo.py").write_text(DODO)
        spread = {"partition_by": "[k]"} if self.way == "spread" else {}
        self.flow(**spread)
        if self.way != "copied":
            first = server.doit(self.template)
            assert first.code == 0, first.out + first.err
            self._change()
        root = self.copy("reference")
        ended = server.doit(root, *self.args)
        assert ended.code == 0, ended.out + ended.err
        return reference(self.template, root, ended.out)

    def _change(self) -> None:
        """Give the next run something to do."""
        ending, _, compression = FORMATS[self.kind]
        if self.way == "rows":
            self.flow(compression=compression)
        elif self.way == "spread":
            for i, name in enumerate(NAMES):
                self.source(name, i, "xz" if i % 2 else "zv")
        else:
            for name in "ce":
                (self.template / f"data/home/{name}{ending}").unlink()
            self.source("b", 100, "xy")

    def copy(self, name: str) -> Path:
        """Return a fresh copy of the template."""
        root = self.folder / name
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self.template, root)
        return root

    def kill(self, server: Server, expected: Reference, number: int, name: str) -> bool:
        """Kill a run before its call *number*, and compare; return False if it made fewer."""
        root = self.copy(name)
        killed = server.doit(root, *self.args, call=number)
        if not killed.last:
            return False
        assert killed.code == -signal.SIGKILL
        finished, wrong = expected.judge(
            root, killed.out, lambda: server.doit(root, *self.args), self.threads
        )
        if number % 10 == 0 and any(done(server.doit(root).out).values()):
            wrong.append("a third run had something to do")
        check_records(root)
        self.counts["kills"] += 1
        self.counts["stopped in the middle"] += 0 < len(finished) < expected.tasks
        self.counts["equal to the reference"] += not wrong
        self.killed_before[killed.last] += 1
        self.wrong += [f"{self.kind}, {self.way}, {number}: {killed.last}: {e}" for e in wrong]
        return True

    def kill_everywhere(self, servers: list[Server], every: int) -> None:
        """Kill a run at each of its calls, or at *every* n-th of them."""
        expected = self.prepare(servers[0])

        def work(i: int) -> None:
            for number in itertools.count(1 + i * every, len(servers) * every):
                if len(self.wrong) > ENOUGH:
                    return
                if not self.kill(servers[i], expected, number, f"copy-{i}"):
                    return

        with ThreadPoolExecutor(len(servers)) as pool:
            list(pool.map(work, range(len(servers))))


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Server]]:
    count = int(os.environ.get("HYGGE_FAULTS_AT_ONCE", os.cpu_count() or 1))
    made = [Server() for _ in range(count)]
    yield made
    for each in made:
        each.close()


def test_kill_before_what_puts_things_into_place_then_plain_rerun_ends_as_if_undisturbed(
    tmp_path: Path, servers: list[Server], capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.perf_counter()
    trial = Trial("parquet", "spread", tmp_path)
    expected = trial.prepare(servers[0])
    made = servers[0].doit(trial.copy("counted"), call=0).calls
    telling = {"rename", "mkdir", "rmdir", "fsync", "syncfs"}
    numbers = [number for number, name in enumerate(made, 1) if name in telling]
    for number in numbers[::3]:
        trial.kill(servers[0], expected, number, "copy")

    with capsys.disabled():
        print(f"\nSIGKILL in {time.perf_counter() - began:.0f} s: {dict(trial.counts)}")
    assert trial.wrong == []
    assert trial.counts["kills"] > 15
    assert trial.counts["stopped in the middle"] > 5


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("way", WAYS)
def test_kill_before_every_change_of_the_disk_then_plain_rerun_ends_as_if_undisturbed(
    way: str,
    threads: int,
    tmp_path: Path,
    servers: list[Server],
    capsys: pytest.CaptureFixture[str],
) -> None:
    began = time.perf_counter()
    every = int(os.environ.get("HYGGE_FAULTS_EVERY", "1"))
    counts: Counter[str] = Counter()
    wrong = []
    for kind in FORMATS:
        trial = Trial(kind, way, tmp_path / kind, threads)
        trial.kill_everywhere(servers, every)
        wrong += trial.wrong
        counts += trial.counts
        with capsys.disabled():
            print(f"\nSIGKILL, {kind}, {way}: {dict(trial.counts)} {dict(trial.killed_before)}")
        if every == 1:
            at = "1 thread" if threads == 1 else f"{threads} threads"
            shown = {kind: trial.counts["kills"], **counts}
            shown["seconds"] = round(time.perf_counter() - began)
            record(f"SIGKILL before each change of the disk: {WAYS[way]}, {at}", shown)
    assert wrong == []
    assert counts["equal to the reference"] == counts["kills"] > 0
