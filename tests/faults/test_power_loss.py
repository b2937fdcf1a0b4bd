"""The power goes at every step of a run: what is not whole is never believed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import shutil
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ProjectFolder

from faults import calls, power, story, trial
from faults.disturbed import Server, recorded
from faults.power import LOSSES, Loss, Tape

TOPIC = "power loss"

pytestmark = pytest.mark.skipif(not calls.IS_POSSIBLE, reason="calls can't be held here")


@dataclass(frozen=True)
class Recorded:
    """A run that was recorded."""

    tape: Tape
    reference: trial.Reference
    whole: dict[str, set[str]]
    """Content hashes that each output has been seen with, by path."""


def record(
    project: ProjectFolder, disturbed: Server, tmp_path: Path, second: bool, durable: bool
) -> Recorded:
    """Record a first run, or a second one after changes."""
    story.make(project)
    if durable:
        project.write("hygge.yml", "durable: true\n")
    before, runs = {}, {}
    if second:
        assert disturbed.doit(project.root).code == 0
        time.sleep(2.1)
        assert disturbed.doit(project.root).code == 0  # signatures that prove what they say
        story.change(project)
        before, runs = trial.files(project.root), dict(trial.remembered(project.root).runs)
    tape = power.tape_of(project.root)
    ended = disturbed.doit(project.root, record=tmp_path / "calls")
    assert ended.code == 0, ended.out + ended.err
    power.play(tape, recorded(tmp_path / "calls"))
    did, digest = trial.done(ended.out), trial.remembered(project.root).outputs
    moves, removals = frozenset(did["moved"]), frozenset(did["removed"])
    reference = trial.Reference(before, runs, moves, removals, digest)
    assert reference.wrong_in_the_end(project.root) == []
    whole: dict[str, set[str]] = {}
    for path, digest in [
        *before.items(),
        *((path, digest) for path, digest, _ in reference.digest),
    ]:
        whole.setdefault(path, set()).add(digest)
    return Recorded(tape, reference, whole)


def pretend(root: Path, real: dict[str, int]) -> int:
    """Make receipts believe of an output with the inode they speak of that it looks as it should.

    The file system has the inode on the disk, with its times and size, and not its bytes: that is
    what a signature can't tell. Return how many were made to.
    """
    from hygge.state import _sum

    if not (root / power.STATE).exists():
        return 0
    changed = 0
    with contextlib.closing(sqlite3.connect(root / power.STATE)) as state:
        try:
            rows = state.execute("SELECT task, data, run FROM tasks").fetchall()
        except sqlite3.OperationalError:
            return 0
        for task, data, run in rows:
            row = json.loads(data)
            for output in row["_values_:"]["outputs"]:
                file = root / output[0]
                if file.is_file() and output[6] == real.get(output[0]):
                    stat = file.stat()
                    size = stat.st_size
                    later = time.time_ns() + 86_400 * 10**9
                    output[3:] = [size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, later]
                    changed += 1
            data = json.dumps(row, separators=(",", ":"))
            update = "UPDATE tasks SET data = ?, sum = ? WHERE task = ?"
            state.execute(update, (data, _sum(task, data, run), task))
        state.commit()
    return changed


def believed(run: Recorded, root: Path) -> set[str]:
    """Return the tasks that are done, remembered and whole: to be left alone."""
    there = trial.files(root)
    whole = set()
    with contextlib.closing(sqlite3.connect(root / power.STATE)) as state:
        for task, data in state.execute("SELECT task, data FROM tasks").fetchall():
            outputs = json.loads(data)["_values_:"]["outputs"]
            if all(there.get(path) == digest for path, digest, *_ in outputs):
                whole.add(task)
    return run.reference.finished(trial.remembered(root)) & whole & run.reference.moves


def lose(
    run: Recorded, server: Server, root: Path, length: int, loss: Loss, seed: int, seen: set[str]
) -> Counter[str]:
    """Let the power go, run once, and compare; return what was counted."""
    disk = power.left(run.tape, length, loss, random.Random(seed))
    shown = {path: each for path, each in disk.items() if not path.lstrip("#").startswith(".hygge")}
    key = hashlib.sha256(repr(sorted(shown.items())).encode()).hexdigest()
    if key in seen:
        return Counter(alike=1)
    seen.add(key)
    real = power.lay_out(disk, root)
    where = f"step {length} of {len(run.tape.steps)}, {loss}, seed {seed}"
    torn = {
        path
        for path, digest in trial.files(root).items()
        if not trial.is_staged(path) and digest not in run.whole.get(path, set())
    }
    pretended = pretend(root, real) if torn else 0
    done = believed(run, root) if pretended else set()
    ended = server.doit(root)
    said = f"{where}\n{ended.out}{ended.err}"
    assert ended.code == 0, said
    assert "Traceback" not in ended.err, said
    assert run.reference.wrong_in_the_end(root) == [], said
    assert not done & trial.done(ended.out)["moved"], said
    return Counter(states=1, torn=bool(torn), torn_files=len(torn))


def walk(
    run: Recorded, server: Server, folder: Path, points: list[int], each: int, seed: int
) -> Counter[str]:
    """Let the power go at *points*, in *each* ways drawn by chance."""
    chance = random.Random(seed)
    counts: Counter[str] = Counter(points=len(points))
    seen: set[str] = set()
    for length in points:
        for loss in chance.sample(LOSSES, min(each, len(LOSSES))):
            root = folder / "lost"
            counts += lose(run, server, root, length, loss, chance.randrange(2**32), seen)
            shutil.rmtree(root, ignore_errors=True)
    return counts


def spread_over(total: int, count: int) -> list[int]:
    """Return *count* numbers from 0 to *total*, evenly."""
    return sorted({round(i * total / (count - 1)) for i in range(count)})


@pytest.mark.parametrize("second", [False, True], ids=["first run", "second run"])
@pytest.mark.parametrize(
    ("points", "each"),
    [(8, 1), pytest.param(0, 20, marks=[pytest.mark.full, pytest.mark.timeout(7200)])],
    ids=["some", "all"],
)
def test_what_power_loss_left_is_never_believed_if_it_is_not_whole(
    project: ProjectFolder,
    disturbed: Server,
    tmp_path: Path,
    tally: Counter[str],
    second: bool,
    points: int,
    each: int,
) -> None:
    run = record(project, disturbed, tmp_path, second, durable=False)
    total = len(run.tape.steps)
    chosen = spread_over(total, points) if points else list(range(total + 1))

    tally.update(walk(run, disturbed, tmp_path, chosen, each, random.randrange(2**32)))


@pytest.mark.parametrize(
    ("points", "each"),
    [(5, 1), pytest.param(0, 10, marks=[pytest.mark.full, pytest.mark.timeout(7200)])],
    ids=["some", "all"],
)
def test_durable_run_leaves_nothing_that_is_not_whole(
    project: ProjectFolder,
    disturbed: Server,
    tmp_path: Path,
    tally: Counter[str],
    points: int,
    each: int,
) -> None:
    run = record(project, disturbed, tmp_path, second=True, durable=True)
    chance = random.Random(random.randrange(2**32))
    total = len(run.tape.steps)
    for length in spread_over(total, points) if points else range(total + 1):
        for loss in chance.sample(LOSSES, each):
            disk = power.left(run.tape, length, loss, chance)
            power.lay_out(disk, tmp_path / "lost")

            assert run.reference.wrong_while_stopped(tmp_path / "lost") == [], (length, loss)

            shutil.rmtree(tmp_path / "lost")
            tally["durable states"] += 1
