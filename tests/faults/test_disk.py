"""A disk is full, or fails: what was there stays whole, and the next run has all it needs."""

from __future__ import annotations

import errno
import random
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from conftest import ProjectFolder, Result

from faults import calls, story, trial
from faults.disturbed import Ended, Server
from faults.held import SHORT
from faults.small_disk import LATE, SmallDisk

TOPIC = "disk full and I/O errors"

WRITING = ("openat", "write", "pwrite64", "rename", "unlink", "mkdir", "rmdir", "ftruncate")
READING = ("read", "pread64", "getdents64")
SYNCING = ("fsync", "fdatasync", "syncfs", "sync_file_range")

MAY_FAIL = {
    errno.ENOSPC: (*WRITING, *SYNCING),
    errno.EDQUOT: ("write", "pwrite64", "mkdir", "openat"),
    errno.EIO: (*WRITING, *READING, *SYNCING),
    errno.EINTR: (*WRITING, *READING, *SYNCING),
    SHORT: ("read", "pread64", "write", "pwrite64"),
}
"""Which calls fail in which way."""

NAMES = {**errno.errorcode, SHORT: "short"}
"""Of the errors."""

RECORDS = (".hygge/", "__pycache__")
"""What may get lost: no move suffers."""


PYTHON = ("", "dodo.py")
"""What Python looks for modules in, and doit for tasks."""


class OnSmallDisk(ProjectFolder):
    """A project that sees a small disk."""

    def __init__(self, root: Path, disk: SmallDisk) -> None:
        self.disk = disk
        self.inside = root
        self.server = Server(disk.enter)
        super().__init__(disk.seen(root))

    def doit(self, *args: str, **environment: str) -> Result:
        ended = self.server.doit(self.inside, *args)
        return Result(ended.code, ended.out, ended.err)

    def close(self) -> None:
        """Let the disk go."""
        self.server.close()
        self.disk.close()


@dataclass(frozen=True)
class Prepared:
    """A project that was moved once and changed since, to be copied for each try."""

    template: Path
    reference: trial.Reference
    """What it has become when nothing disturbs the next run."""


@pytest.fixture(scope="module")
def prepared(disturbed: Server, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("prepared")
    project = ProjectFolder(folder / "template")
    story.make(project)
    assert disturbed.doit(project.root).code == 0
    story.change(project)
    shutil.copytree(project.root, folder / "copy")
    ended = disturbed.doit(folder / "copy")
    return Prepared(project.root, story.judged(project.root, folder / "copy", ended))


def rows(count: int) -> pl.DataFrame:
    """Return rows that hardly compress, 8 bytes each and a few more."""
    ids = pl.int_range(0, count, eager=True)
    return pl.DataFrame({"id": ids.hash(1), "kind": ids % 3})


WAYS = {
    "copied": "data/store/it",
    "written": "{path: data/store/it, compression: snappy}",
    "text": "{type: csv, path: data/store/it}",
    "lines": "{type: ndjson, path: data/store/it}",
    "arrow": "{type: arrow, path: data/store/it}",
    "spread": "{path: data/store/it, partition_by: [kind]}",
    "checked": "{path: data/store/it}\nchecks: [{not_null: [id]}]",
}


@pytest.mark.parametrize("way", WAYS)
def test_full_disk_keeps_what_was_there_and_says_how_much_is_needed(
    tmp_path: Path, disturbed: Server, tally: Counter[str], way: str
) -> None:
    disk = SmallDisk(tmp_path / "project/data/store", "300k")
    project = OnSmallDisk(tmp_path / "project", disk)
    project.flow("it", f"home: data/home/it\nstore: {WAYS[way]}\n")
    source = project.write("data/home/it/1.parquet", b"")
    rows(100).write_parquet(source)
    first = project.doit()
    before = project.digest()
    rows(100_000).write_parquet(source)
    full = project.doit()
    after, plan = project.digest(), project.doit("plan")
    disk.resize("50m")
    again = project.doit()
    twin = shutil.copytree(project.root / "data/home", tmp_path / "twin/data/home").parent.parent
    for name in ("dodo.py", "flows/it.yml"):
        (twin / name).parent.mkdir(exist_ok=True)
        shutil.copy(project.root / name, twin / name)
    reference = disturbed.doit(twin)
    end = project.digest()
    project.close()

    assert (first.code, full.code, plan.code, again.code) == (0, 1, 0, 0), full.out + again.out
    assert re.search(
        r"error: 'data/store/it\S*' can't be written: no space left on the device: "
        r"\S+B free, (about \S+B needed|more is needed)\n"
        r"  at data/store/it\S*\n"
        r"  try: make room; then run again\n",
        full.out,
    ), full.out
    assert after == before
    assert plan.out.startswith("it:1  move")
    assert reference.code == 0
    assert end == ProjectFolder(twin).digest()
    tally["full stores"] += 1


def copied(template: Path, root: Path) -> None:
    """Let *root* hold what *template* holds, and nothing else."""
    for each in root.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    shutil.copytree(template, root, dirs_exist_ok=True)


@pytest.mark.parametrize(
    "step", [48, pytest.param(2, marks=[pytest.mark.full, pytest.mark.timeout(3600)])]
)
def test_disk_that_is_full_after_so_many_pages(
    prepared: Prepared, tmp_path: Path, tally: Counter[str], step: int
) -> None:
    disk = SmallDisk((tmp_path / "project").resolve(), "20m")
    server = Server(disk.enter)
    for pages in range(0, 150, step):
        copied(prepared.template, disk.root)
        disk.fill(pages * 4096)
        full = server.doit(tmp_path / "project")
        wrong = prepared.reference.wrong_while_stopped(disk.root)
        plan = server.doit(tmp_path / "project", "plan")
        disk.empty()
        again = server.doit(tmp_path / "project")
        wrong += prepared.reference.wrong_in_the_end(disk.root)

        said = f"{pages} pages: {full}\n{plan}\n{again}"
        assert wrong == [], said
        assert (plan.code, again.code) == (0, 0), said
        assert "Traceback" not in full.out + full.err, said
        if full.code:
            assert "no space left" in (full.out + full.err).lower(), said
            assert re.search(r"B free, (about \S+B|more is) needed", full.out + full.err), said
        tally["full after so many pages"] += 1
        tally["full after so many pages, with success all the same"] += full.code == 0
    server.close()
    disk.close()


def test_disk_that_is_full_where_records_go_stops_no_move(
    tmp_path: Path, tally: Counter[str]
) -> None:
    (tmp_path / "project").mkdir()
    disk = SmallDisk(tmp_path / "project/.hygge", "16k")
    project = OnSmallDisk(tmp_path / "project", disk)
    project.months(3)
    disk.root.joinpath("lock").touch()
    disk.fill(0)
    result = project.doit()
    again = project.doit()
    project.close()

    assert (result.code, result.moved, result.err) == (0, 3, "")
    assert (again.code, again.moved) == (0, 0)
    tally["full records"] += 1


def test_bytes_that_did_not_reach_the_disk_are_no_success(
    tmp_path: Path, tally: Counter[str]
) -> None:
    disk = SmallDisk(tmp_path / "project/data/store", "6m", LATE)
    project = OnSmallDisk(tmp_path / "project", disk)
    project.flow("it", "home: data/home/it\nstore: data/store/it\n")
    for i in range(4):
        source = project.write(f"data/home/it/{i}.parquet", b"")
        rows(400_000 + i).write_parquet(source)
    lost = project.doit()
    reference = project.digest("data/home/it")
    in_memory = project.digest("data/store/it")
    disk.resize("200m", ".backing")
    again = project.doit()
    disk.forget()
    on_disk = project.digest("data/store/it")
    third = project.doit()
    project.close()

    assert lost.code == 2, lost.out + lost.err
    assert re.search(
        r"error: what was written to 'data/store\S*' did not reach the disk: ", lost.out + lost.err
    )
    assert in_memory == reference, "what memory holds is no proof"
    assert (again.code, again.moved > 0) == (0, True), again.out + again.err
    assert on_disk == reference
    assert third.moved == 0
    tally["lost behind our back"] += again.moved


def fail(
    prepared: Prepared, server: Server, root: Path, number: int, error: int
) -> tuple[Ended, str]:
    """Let the *number*-th call fail with *error*; return how that ended and what is wrong."""
    shutil.copytree(prepared.template, root)
    ended = server.doit(root, fail=(number, error), among=MAY_FAIL[error])
    reference = prepared.reference
    wrong = reference.wrong_while_stopped(root)
    text = ended.out + ended.err
    is_record = any(each in ended.hit for each in RECORDS) and ended.hit != ".hygge/lock"
    if "Traceback" in text and ended.hit not in PYTHON:
        wrong.append("a traceback")
    if error == SHORT and ended.code:
        wrong.append("it took a part for the whole")
    if ended.code == 0:
        wrong += reference.wrong_in_the_end(root)
        # One that was interrupted is made again.
        asked = error != errno.EINTR and ended.by in SYNCING
        if asked and not is_record and ended.hit != "":
            wrong.append("success without the disk")
    elif is_record:
        wrong.append("a record stopped it")
    elif ended.hit in PYTHON and ended.code:
        pass  # Python says what it can't import
    elif "error: " not in text or "  at " not in text:
        wrong.append("no place told")
    again = server.doit(root)
    if again.code:
        wrong.append(f"again: {again}")
    wrong += reference.wrong_in_the_end(root)
    shutil.rmtree(root)
    if not wrong:
        return ended, ""
    what = f"{NAMES[error]} at call {number}, {ended.by} of {ended.hit}: {wrong}"
    return ended, f"{what}\n{ended.code} {text}"


@pytest.mark.skipif(not calls.IS_POSSIBLE, reason="calls can't be held here")
@pytest.mark.parametrize("error", MAY_FAIL, ids=[NAMES[each] for each in MAY_FAIL])
@pytest.mark.parametrize(
    "most", [4, pytest.param(0, marks=[pytest.mark.full, pytest.mark.timeout(7200)])]
)
def test_call_that_fails_costs_no_more_than_what_was_in_flight(
    prepared: Prepared,
    disturbed: Server,
    tmp_path: Path,
    tally: Counter[str],
    error: int,
    most: int,
) -> None:
    root = tmp_path / "project"
    shutil.copytree(prepared.template, root)
    count = len(disturbed.doit(root, fail=(0, error), among=MAY_FAIL[error]).calls)
    shutil.rmtree(root)
    numbers = range(1, count + 1)
    problems = []
    for number in sorted(random.sample(numbers, most)) if most else numbers:
        ended, wrong = fail(prepared, disturbed, root, number, error)
        problems += [wrong] if wrong else []
        tally[NAMES[error]] += ended.by != ""
        tally[f"{NAMES[error]}, with success all the same"] += ended.by != "" and ended.code == 0

    assert not problems, f"{len(problems)} of {count}\n" + "\n".join(problems[:10])
