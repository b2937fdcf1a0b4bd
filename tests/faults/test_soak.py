"""Faults of all kinds, one after the other, on one project: no divergence, and nothing grows."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest
from conftest import ProjectFolder, check_records

from faults import calls, disturbed, story, trial, warm
from faults.results import record
from faults.test_disk import MAY_FAIL

pytestmark = pytest.mark.skipif(not calls.IS_POSSIBLE, reason="calls are counted on Linux, x86-64")

COMPRESSIONS = ("null", "gzip", "zstd")

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

LONGEST_RUN = 0.6
"""Seconds after which a run of the project has ended, as a rule."""

MOST_CALLS = 600
"""More calls than a run makes, as a rule."""

GROWTH = 1.25
"""What the last quarter of the rounds may need, as a multiple of what the first one needed."""

CHECK_EVERY = 100
"""After so many rounds the records are validated, and thrown away."""


@dataclass
class Soak:
    """One project, disturbed and mended again and again, and one that is built from nothing."""

    project: ProjectFolder
    twin: Path
    chance: random.Random
    server: warm.Server
    failing: disturbed.Server
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    state: list[int] = field(default_factory=list)
    """Bytes of ``.doit.db`` after each round."""
    memory: list[int] = field(default_factory=list)
    """Most bytes of memory that the mending run of each round took."""

    @property
    def root(self) -> Path:
        return self.project.root

    # What happens to sources

    def change(self, leaving: bool) -> None:
        """Change some sources or a flow; *leaving* tells whether an output may lose its name."""
        hows = [self._rewrite, self._rewrite, self._add, self._touch]
        hows += [self._remove, self._compress] * leaving
        for _ in range(self.chance.randint(0, 3)):
            self.chance.choice(hows)()

    def _sources(self) -> list[Path]:
        return sorted(path for path in (self.root / "data/home").rglob("*") if path.is_file())

    def _write(self, path: Path) -> None:
        count = self.chance.randint(1, 30)
        rows = pl.DataFrame({"id": [self.chance.randrange(1000) for _ in range(count)]})
        if "fan" in path.parts:
            kinds = self.chance.choices(["a", "b", "c", "d/e", None], k=count)
            rows = rows.with_columns(kind=pl.Series(kinds, dtype=pl.String))
        write = rows.write_csv if path.suffix == ".csv" else rows.write_parquet
        write(path)

    def _rewrite(self) -> None:
        self._write(self.chance.choice(self._sources()))

    def _add(self) -> None:
        beside = self.chance.choice(self._sources())
        self._write(beside.with_name(f"{self.chance.randrange(8)}{beside.suffix}"))

    def _remove(self) -> None:
        path = self.chance.choice(self._sources())
        if len(list(path.parent.iterdir())) > 2:
            path.unlink()

    def _touch(self) -> None:
        os.utime(self.chance.choice(self._sources()))

    def _compress(self) -> None:
        chosen = self.chance.choice(COMPRESSIONS)
        store = f"{{type: csv, path: data/store/text, compression: {chosen}}}"
        store = store.replace(", compression: null", "")
        self.project.flow("text", f"home: data/home/text\nstore: {store}\n")

    # What goes wrong

    def killed_at_a_moment(self) -> None:
        moment = self.chance.uniform(0, LONGEST_RUN)
        self._sane(self.server.doit(self.root, after=(self.chance.choice(SIGNALS), moment)))

    def killed_before_a_call(self) -> None:
        self._sane(self.server.doit(self.root, call=self.chance.randint(1, MOST_CALLS)))

    def call_failed(self) -> None:
        error = self.chance.choice(list(MAY_FAIL))
        number = self.chance.randint(1, MOST_CALLS)
        ended = self.failing.doit(self.root, fail=(number, error), among=MAY_FAIL[error])
        if ended.hit not in ("", "dodo.py"):  # Python and doit say in their own way what they miss
            self._sane(ended)

    def source_changed_meanwhile(self) -> None:
        later = threading.Timer(self.chance.uniform(0, LONGEST_RUN), self._rewrite)
        later.start()
        self._sane(self.server.doit(self.root))
        later.join()

    def several_at_once(self) -> None:
        command = [sys.executable, "-m", "doit"]
        started = [
            subprocess.Popen(
                command, cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            for _ in range(2)
        ]
        if self.chance.random() < 0.5:
            time.sleep(self.chance.uniform(0, 2 * LONGEST_RUN))
            started[0].kill()
        for each in started:
            out, _ = each.communicate(timeout=120)
            self._sane(warm.Ended(each.returncode, out, "", 0.0))

    def output_tampered_with(self) -> None:
        outputs = [self.root / path for path in trial.files(self.root) if not trial.is_staged(path)]
        path = self.chance.choice(outputs)
        content = path.read_bytes()
        how = self.chance.randrange(4)
        if how == 0:
            path.unlink()
        elif how == 1:
            path.write_bytes(content[: self.chance.randrange(len(content))])
        elif how == 2:
            path.write_bytes(content + b"\n")
        else:
            path.write_bytes(self.chance.choice(outputs).read_bytes())

    def state_damaged(self) -> None:
        path = self.root / ".doit.db"
        content = bytearray(path.read_bytes())
        how = self.chance.randrange(4)
        if how == 0:
            path.unlink()
        elif how == 1:
            path.write_bytes(content[: self.chance.randrange(len(content))])
        else:
            for _ in range(self.chance.choice([1, 8, 64])):
                content[self.chance.randrange(len(content))] ^= 1 << self.chance.randrange(8)
            path.write_bytes(content)

    def _sane(self, ended: warm.Ended | disturbed.Ended) -> None:
        said = ended.out + ended.err
        if "Traceback" in said or "did not foresee" in said:
            self.wrong.append(f"{ended}")
        self.counts["runs disturbed"] += 1

    # What must hold

    def round(self) -> None:
        """Change something, let something go wrong, run once more, and compare."""
        faults: list[Callable[[], None]] = [
            self.killed_at_a_moment,
            self.killed_before_a_call,
            self.call_failed,
            self.source_changed_meanwhile,
            self.several_at_once,
            self.output_tampered_with,
            self.state_damaged,
        ]
        fault = self.chance.choice(faults)
        name = fault.__name__.replace("_", " ")
        # Whose an output is that nothing makes any more, nobody can know without the state.
        self.change(leaving=fault != self.state_damaged)
        fault()
        self.counts[name] += 1
        mended = self.server.doit(self.root)
        found = self._wrong_now(mended)
        self.wrong += [f"round {self.counts['rounds']}, {name}: {each}" for each in found]
        self.counts["rounds"] += 1
        self.counts["equal to a build from nothing"] += not found
        self.state.append((self.root / ".doit.db").stat().st_size)
        if self.counts["rounds"] % CHECK_EVERY == 0:
            check_records(self.root)
            shutil.rmtree(self.root / ".hygge/runs")

    def _wrong_now(self, mended: warm.Ended) -> list[str]:
        wrong = [f"not mended: {mended}"] if mended.code or "Traceback" in mended.err else []
        wrong += [f"left over: {path}" for path in trial.staged(self.root)]
        now = trial.remembered(self.root)
        wrong += [f"left: {what}" for what in (*now.intents, *now.unclean)]
        there, built = trial.files(self.root), self._built()
        wrong += [f"differs: {path}" for path, _ in sorted(there.items() ^ built.items())]
        for aside in self.root.glob(".doit.db.corrupt-*"):
            self.counts["states moved aside"] += 1
            aside.unlink()
        runs = sorted((self.root / ".hygge/runs").glob("*/manifest.json"))
        if runs:
            self.memory.append(json.loads(runs[-1].read_text())["resources"]["peak_memory_bytes"])
        return wrong

    def _built(self) -> dict[str, str]:
        """Return what a build from nothing gives."""
        shutil.rmtree(self.twin, ignore_errors=True)
        for name in ("data/home", "flows"):
            shutil.copytree(self.root / name, self.twin / name)
        shutil.copy(self.root / "dodo.py", self.twin)
        ended = self.server.doit(self.twin)
        assert ended.code == 0, ended
        return trial.files(self.twin)


def grown(sizes: list[int]) -> float:
    """Return how many times as much the last quarter of *sizes* is as the first, in the middle."""
    quarter = max(len(sizes) // 4, 1)
    return statistics.median(sizes[-quarter:]) / statistics.median(sizes[:quarter])


@pytest.fixture
def soak(project: ProjectFolder, tmp_path: Path) -> Iterator[Soak]:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # shown where the test fails
    story.make(project)
    made = Soak(project, tmp_path / "twin", random.Random(seed), warm.Server(), disturbed.Server())
    assert made.server.doit(project.root).code == 0
    yield made
    made.server.close()
    made.failing.close()


@pytest.mark.parametrize(
    "seconds",
    [2, pytest.param(3600, marks=[pytest.mark.full, pytest.mark.timeout(7200)])],
)
def test_after_any_number_of_faults_nothing_differs_and_nothing_has_grown(
    soak: Soak, seconds: int, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.perf_counter()
    until = began + int(os.environ.get("HYGGE_FAULTS_SOAK", seconds))
    while time.perf_counter() < until and len(soak.wrong) < 10:
        soak.round()

    growth = {"state": round(grown(soak.state), 2), "memory": round(grown(soak.memory), 2)}
    shown = {**soak.counts, **{f"growth of {what}": ratio for what, ratio in growth.items()}}
    shown["seconds"] = round(time.perf_counter() - began)
    with capsys.disabled():
        print(f"\nSoak: {shown}")
    if seconds > 60:
        record("Soak: faults of all kinds, one after the other", shown)
    assert soak.wrong == []
    assert soak.counts["equal to a build from nothing"] == soak.counts["rounds"] > 0
    if soak.counts["rounds"] >= CHECK_EVERY:
        assert max(growth.values()) < GROWTH
