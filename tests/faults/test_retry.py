"""What may pass by itself is tried again, what will not is not; and what others do meanwhile."""

from __future__ import annotations

import errno
import itertools
import json
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import ProjectFolder, check_records

from faults.results import record
from hygge.errors import (
    CheckFailed,
    ContractBroken,
    HomeError,
    SourceChanged,
    StoreError,
    Timeout,
    TransformError,
    WorkerCrashed,
)
from hygge.transient import PASSING, may_pass

FUNCTION = '''
import errno, os, socket, sqlite3, time, urllib.error
from pathlib import Path


def shaped(rows, partition):
    """Fail as often as `times/KEY` says, in the way that `how/KEY` says."""
    with open(f"tried-{partition.key}", "a") as file:
        file.write(f"{time.time()}\\n")
    tried = len(Path(f"tried-{partition.key}").read_text().splitlines())
    how = Path("how") / partition.key
    if how.exists():
        way, times = how.read_text().split()
        if tried <= int(times):
            globals()[way]()
    return rows


def stale():
    raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))


def refused():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    socket.create_connection(("127.0.0.1", port))


def full():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def forbidden():
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def missing():
    open("nothing-such")


def wrong():
    int("x")


def crash():
    os._exit(3)


def hang():
    time.sleep(1000)


def locked():
    one, other = (sqlite3.connect("busy.db", timeout=0) for _ in range(2))
    one.execute("BEGIN EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
'''

FLOW = """
home: data/home/parts
store: data/store/parts
transform: {python: "flows/parts.py:shaped"}
"""

QUICKLY = "retry: {max_attempts: 3, backoff_s: 0.05, max_backoff_s: 1, jitter: false}\n"


class Parts(ProjectFolder):
    """A project with one flow whose function can be told to fail for a while."""

    def __init__(self, root: Path, count: int, more: str) -> None:
        super().__init__(root)
        for number in range(1, count + 1):
            self.parquet(f"data/home/parts/{number}.parquet", 3, start=number * 10)
        self.write("flows/parts.py", FUNCTION)
        self.flow("parts", FLOW + more)

    def fail(self, key: int, way: str, times: int) -> None:
        self.write(f"how/{key}", f"{way} {times}")

    def mend(self) -> None:
        shutil.rmtree(self.root / "how")

    def times(self, key: int) -> list[float]:
        """Return when the partition was tried."""
        return [float(line) for line in (self.root / f"tried-{key}").read_text().splitlines()]

    def events(self, kind: str) -> list[dict[str, Any]]:
        lines = [
            json.loads(line)
            for file in sorted(self.root.glob(".hygge/runs/*/events.jsonl"))
            for line in file.read_text().splitlines()
        ]
        return [each for each in lines if each["type"] == kind]


@pytest.fixture(autouse=True)
def records(tmp_path: Path) -> Iterator[None]:
    yield
    for root in tmp_path.iterdir():
        check_records(root)


def test_what_passes_is_tried_until_it_has(tmp_path: Path) -> None:
    project = Parts(tmp_path / "project", 3, QUICKLY)
    project.fail(2, "stale", 2)
    result = project.doit()
    undisturbed = Parts(tmp_path / "undisturbed", 3, "")
    undisturbed.doit()

    assert (result.code, result.moved) == (0, 3), result.out
    assert [len(project.times(key)) for key in (1, 2, 3)] == [1, 3, 1]
    retries = project.events("provider.retry")
    assert [each["data"] for each in retries] == [
        {
            "attempt": attempt,
            "max_attempts": 3,
            "wait_s": wait,
            "error": "TransformError: OSError: [Errno 116] Stale file handle",
        }
        for attempt, wait in ((1, 0.05), (2, 0.1))
    ]
    assert {(each["level"], each["step"]) for each in retries} == {("WARN", "parts:2")}
    assert project.digest() == undisturbed.digest()
    assert not list(project.root.rglob(".*.tmp"))


@pytest.mark.parametrize("isolate", ["thread", "process"])
@pytest.mark.parametrize("way", ["refused", "locked"])
def test_so_it_is_whatever_process_it_is_met_in(tmp_path: Path, isolate: str, way: str) -> None:
    project = Parts(tmp_path / "project", 1, f"{QUICKLY}isolate: {isolate}\n")
    project.fail(1, way, 1)

    assert project.doit().code == 0
    assert len(project.times(1)) == 2


@pytest.mark.parametrize("isolate", ["thread", "process"])
def test_what_will_not_pass_is_tried_once(tmp_path: Path, isolate: str) -> None:
    ways = ["full", "forbidden", "missing", "wrong", *["crash"] * (isolate == "process")]
    project = Parts(tmp_path / "project", len(ways), f"{QUICKLY}isolate: {isolate}\n")
    for key, way in enumerate(ways, start=1):
        project.fail(key, way, 9)
    result = project.doit("--continue")

    assert result.counts["failed"] == len(ways)
    assert [len(project.times(key + 1)) for key in range(len(ways))] == [1] * len(ways)
    assert project.events("provider.retry") == []


def test_nothing_is_tried_again_unless_it_is_said(tmp_path: Path) -> None:
    project = Parts(tmp_path / "project", 1, "")
    project.fail(1, "stale", 1)

    assert project.doit().code == 1
    assert len(project.times(1)) == 1


def test_it_fails_with_what_failed_last_when_there_is_no_attempt_left(tmp_path: Path) -> None:
    project = Parts(tmp_path / "project", 2, QUICKLY)
    project.fail(1, "stale", 9)
    result = project.doit("--continue")

    assert (result.code, result.counts["failed"], result.moved) == (1, 1, 1)
    assert "Stale file handle" in result.out
    assert len(project.times(1)) == 3
    assert len(project.events("provider.retry")) == 2


def test_a_timeout_and_a_crash_are_tried_again_if_it_is_said(tmp_path: Path) -> None:
    more = "timeout: 2\nretry: {backoff_s: 0.05, also: [timeout, crash]}\n"
    project = Parts(tmp_path / "project", 2, more)
    project.fail(1, "crash", 1)
    project.fail(2, "hang", 1)
    result = project.doit()

    assert (result.code, result.moved) == (0, 2), result.out
    kinds = [each["data"]["error"].partition(":")[0] for each in project.events("provider.retry")]
    assert kinds == ["WorkerCrashed", "Timeout"]
    assert not list(project.root.rglob(".*.tmp"))


def test_a_stop_does_not_wait(tmp_path: Path) -> None:
    more = "retry: {max_attempts: 9, backoff_s: 60, jitter: false}\n"
    project = Parts(tmp_path / "project", 2, more)
    project.fail(1, "stale", 1)
    process = project.start()
    until = time.monotonic() + 20
    while not project.events("provider.retry") and time.monotonic() < until:
        time.sleep(0.02)
    stopped = time.monotonic()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)

    assert process.returncode == 143, out + err
    assert time.monotonic() - stopped < 2
    assert len(project.times(1)) == 1
    assert project.doit().moved == 2


def test_each_wait_is_twice_as_long_up_to_the_longest(tmp_path: Path) -> None:
    more = "retry: {max_attempts: 5, backoff_s: 0.1, max_backoff_s: 0.25, jitter: false}\n"
    project = Parts(tmp_path / "project", 1, more)
    project.fail(1, "stale", 9)
    project.doit()
    times = project.times(1)
    waited = [after - before for before, after in itertools.pairwise(times)]

    waits = [each["data"]["wait_s"] for each in project.events("provider.retry")]
    assert waits == [0.1, 0.2, 0.25, 0.25]
    assert all(wait <= real < wait + 1 for wait, real in zip(waits, waited, strict=True))


def test_without_tenacity_it_is_said_what_to_install(tmp_path: Path) -> None:
    project = Parts(tmp_path / "project", 1, QUICKLY)
    project.write("hidden/tenacity.py", "raise ImportError('hidden')")
    without = {"PYTHONPATH": str(project.root / "hidden")}
    result = project.doit(**without)
    project.flow("parts", FLOW)

    assert result.code == 1
    assert "try: install it: pip install 'hygge-data[retry]'" in result.out
    assert project.doit(**without).code == 0, "who does not use it need not have it"


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize(
    "name",
    ["ESTALE", *(pytest.param(each, marks=pytest.mark.full) for each in ("EAGAIN", "ETIMEDOUT"))],
)
def test_what_the_system_says_of_a_source_is_tried_again(tmp_path: Path, name: str) -> None:
    # strace counts for each thread: each of those that read may meet it twice.
    retry = QUICKLY.replace("max_attempts: 3", "max_attempts: 20")
    project = Parts(tmp_path / "project", 1, retry)
    source = project.root / "data/home/parts/1.parquet"
    inject = f"inject=openat:error={name}:when=1..2"
    words = f"strace -f -qq -o /dev/null -P {source} -e trace=openat -e {inject}".split()
    done = subprocess.run(
        [*words, sys.executable, "-m", "doit"],
        cwd=project.root,
        env=project.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(project.events("provider.retry")) >= 1
    assert (project.root / "data/store/parts/1.parquet").exists()


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """Return *error*, raised from *cause* while something else was handled."""
    try:
        try:
            raise KeyError("beside")
        except KeyError:
            raise error from cause
    except BaseException as met:  # noqa: BLE001
        return met


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = code
    return error


def http(status: int) -> urllib.error.HTTPError:
    return urllib.error.HTTPError("http://host/", status, "", Message(), None)


PASS: dict[str, BaseException] = {
    **{errno.errorcode[each]: OSError(each, "") for each in PASSING},
    "connection": ConnectionError("no number"),
    "timed out": TimeoutError("no number"),
    "name resolution": socket.gaierror(socket.EAI_AGAIN, "try again"),
    "sqlite busy": sqlite_error(5),
    "sqlite busy snapshot": sqlite_error(5 | 2 << 8),
    "sqlite locked": sqlite_error(6),
    "polars": pl.exceptions.ComputeError("Stale file handle (os error 116): a.parquet"),
    "polars os error": OSError("Resource temporarily unavailable (os error 11)"),
    "source changed": SourceChanged("changed"),
    **{f"http {status}": http(status) for status in (408, 425, 429, 502, 503, 504)},
}

STAYING = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO}
STAYING |= {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EMFILE, errno.ENAMETOOLONG}

STAY: dict[str, BaseException] = {
    **{errno.errorcode[each]: OSError(each, "") for each in STAYING},
    "no such name": socket.gaierror(socket.EAI_NONAME, "unknown"),
    "sqlite": sqlite_error(1),
    "sqlite full": sqlite_error(13),
    "polars": pl.exceptions.ComputeError("No such file or directory (os error 2): a.parquet"),
    "polars without a number": pl.exceptions.ComputeError("could not parse"),
    "value": ValueError("x"),
    "memory": MemoryError(),
    "check": CheckFailed("x"),
    "contract": ContractBroken("x"),
    "crash": WorkerCrashed("x"),
    "timeout": Timeout("x"),
    **{f"http {status}": http(status) for status in (400, 401, 403, 404, 410, 500)},
}


@pytest.mark.parametrize("kind", [HomeError, TransformError, StoreError])
@pytest.mark.parametrize("name", [*PASS, *(f"not {name}" for name in STAY)])
def test_causes_tell_what_passes(name: str, kind: type[Exception]) -> None:
    passes = name in PASS
    cause = PASS[name] if passes else STAY[name.removeprefix("not ")]

    assert may_pass(cause) is passes
    assert may_pass(raised(kind("what"), raised(cause))) is passes


def test_whoever_raises_it_may_know_better() -> None:
    error = HomeError("the other side said to come back later")
    error.may_pass = True

    assert may_pass(error)
    assert not may_pass(HomeError("it said nothing"))


# What a failure means for others


@pytest.fixture
def two(tmp_path: Path) -> Iterator[ProjectFolder]:
    """Give a flow of which the second of four partitions fails, and another beside and behind."""
    project = Parts(tmp_path / "project", 4, "")
    project.fail(2, "wrong", 99)
    for number in range(3):
        project.parquet(f"data/home/zebras/{number}.parquet", start=number)
    project.flow("zebras", "home: data/home/zebras\nstore: data/store/zebras\n")
    yield project


def stored(project: ProjectFolder) -> list[str]:
    return sorted(path.removesuffix(".parquet") for path in project.digest())


ZEBRAS = [f"zebras/{number}" for number in range(3)]


def test_collect_all_goes_on_after_a_failure(two: ProjectFolder) -> None:
    two.flow("parts", FLOW + "on_error: collect_all\n")
    result = two.doit()

    assert result.code == 1
    assert result.counts["failed"] == 1
    assert stored(two) == ["parts/1", "parts/3", "parts/4", *ZEBRAS]


def test_it_stops_nothing_but_what_needs_it(two: ProjectFolder) -> None:
    two.flow("parts", FLOW + "on_error: collect_all\n")
    two.flow("behind", "home: {path: data/store/parts, partition: all}\nstore: data/store/behind\n")
    result = two.doit()

    assert result.code == 1
    assert "behind" not in "".join(stored(two))
    assert stored(two) == ["parts/1", "parts/3", "parts/4", *ZEBRAS]


def test_another_failure_stops_as_ever(two: ProjectFolder) -> None:
    two.flow("parts", FLOW + "on_error: collect_all\n")
    two.write("data/home/zebras/0.parquet", b"no parquet")
    result = two.doit()

    assert result.counts["failed"] == 2
    assert stored(two) == ["parts/1", "parts/3", "parts/4"]


@pytest.mark.parametrize("threads", [(), ("-n", "2")])
def test_fail_fast_keeps_back_the_rest_of_its_flow(
    two: ProjectFolder, threads: tuple[str, ...]
) -> None:
    two.flow("parts", FLOW + "on_error: fail_fast\n")
    two.flow("behind", "home: {path: data/store/parts, partition: all}\nstore: data/store/behind\n")
    result = two.doit("--continue", *threads)
    two_mended = stored(two)
    assert isinstance(two, Parts)
    two.mend()
    again = two.doit()

    assert result.code == 1
    assert "parts:4  not run: parts:2 failed\n" in result.out
    assert set(ZEBRAS) < set(two_mended)
    assert "parts/4" not in two_mended
    assert not [each for each in two_mended if each.startswith("behind")]
    assert again.code == 0
    assert stored(two) == ["behind/all", *(f"parts/{n}" for n in range(1, 5)), *ZEBRAS]


def test_without_a_word_it_is_as_the_command_line_says(two: ProjectFolder) -> None:
    stopped = stored(two) if two.doit().code else []
    two.doit("--continue")

    assert stopped == ["parts/1"]
    assert stored(two) == ["parts/1", "parts/3", "parts/4", *ZEBRAS]


def test_what_is_up_to_date_is_not_kept_back(two: ProjectFolder) -> None:
    assert isinstance(two, Parts)
    two.mend()
    two.doit()
    two.flow("parts", FLOW + "on_error: fail_fast\n")
    two.fail(2, "wrong", 99)
    two.parquet("data/home/parts/2.parquet", 5)
    result = two.doit("--continue")

    assert result.counts["failed"] == 1
    assert result.counts["unchanged"] == 6
    record("retries and failures", {"kinds of errors": len(PASS) + len(STAY)})
