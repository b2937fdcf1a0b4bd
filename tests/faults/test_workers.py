"""A partition that hangs, or whose code crashes, takes nothing else with it; nothing is left of it.

The flow's function does to itself what stands in ``how/KEY``, which is no part of what it depends
on: when the file is gone, so is the fault.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from conftest import ProjectFolder, Result, check_records

from faults.results import record
from hygge import schema

FUNCTION = """
import ctypes, os, re, resource, signal, subprocess, time
from pathlib import Path

import polars as pl


def shaped(rows, partition):
    how = Path("how") / partition.key
    what = how.read_text() if how.exists() else ""
    with open("begun", "a") as file:
        file.write(f"{partition.key} {time.time()}\\n")
    if what and int(partition.key) % 2:
        globals()[what]()
    with open("ended", "a") as file:
        file.write(f"{partition.key} {time.time()}\\n")
    if what and not int(partition.key) % 2:  # when there is something staged
        return rows.map_batches(lambda batch: globals()[what]() or batch)
    return rows


def hang():
    time.sleep(1000)


def hang_without_letting_go():
    re.match("(a+)+$", "a" * 60 + "b")


def stop_itself():
    os.kill(os.getpid(), signal.SIGSTOP)


def segfault():
    os.kill(os.getpid(), signal.SIGSEGV)


def read_nowhere():
    ctypes.string_at(0)


def exit_():
    os._exit(3)


def abort():
    os.abort()


def be_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def run_out_of_memory():
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (256 << 20),) * 2)
    pl.repeat(0, 1 << 30, dtype=pl.Int64, eager=True)


def close_everything():
    os.closerange(3, 1000)
    time.sleep(1000)


def leave_a_child_and_exit():
    if os.fork() == 0:  # it has all that this process has open
        time.sleep(1000)
    os._exit(4)


def start_others():
    subprocess.Popen(["sleep", "1000"])
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    subprocess.Popen(["sh", "-c", "setsid sleep 1000 & exit 0"]).wait()
    time.sleep(1000)


def crash_after_a_while():
    time.sleep(0.3)
    [segfault, exit_, leave_a_child_and_exit][time.time_ns() % 3]()


def be_slow():
    time.sleep(1.5)
"""

FLOW = """
home: data/home/parts
store: data/store/parts
transform: {python: "flows/parts.py:shaped"}
"""

ENDS = {
    "segfault": r"was ended by SIGSEGV after \d+\.\d s\n  at flows/parts.py:\d+, in segfault\n",
    "read_nowhere": r"was ended by SIGSEGV after \d+\.\d s\n  at flows/parts.py:\d+, in read_no",
    "exit_": r"process \d+ exited with code 3 after \d+\.\d s\n  at flows/parts.yml",
    "abort": r"was ended by SIGABRT after \d+\.\d s\n  at flows/parts.py:\d+, in abort\n",
    "be_killed": r"process \d+ was ended by SIGKILL after .*\n.*\n  try: if memory ran out",
    "run_out_of_memory": r"process \d+ was ended by SIGABRT|memory",
    "close_everything": r"crashed: process \d+ was ended by SIGKILL after",
    "leave_a_child_and_exit": r"process \d+ exited with code 4",
}
"""What is said of each crash."""

HANGS = ("hang", "hang_without_letting_go", "stop_itself", "start_others")

LIMIT = 1.5


class Parts(ProjectFolder):
    """A project with one flow whose function can be told to do bad things."""

    def __init__(self, root: Path, count: int, more: str = "") -> None:
        super().__init__(root)
        for number in range(1, count + 1):
            self.parquet(f"data/home/parts/{number}.parquet", 3, start=number * 10)
        self.write("flows/parts.py", FUNCTION)
        self.flow("parts", FLOW + more)

    def do(self, key: int, what: str) -> None:
        """Have the function do *what* to the process that shapes the partition *key*."""
        (self.root / "how").mkdir(exist_ok=True)
        self.write(f"how/{key}", what)

    def mend(self) -> None:
        for each in (self.root / "how").glob("*"):
            each.unlink()

    def left(self) -> list[str]:
        """Return the processes that were started here and are still there, after a moment."""
        until = time.monotonic() + 5
        while (found := list(self._processes())) and time.monotonic() < until:
            time.sleep(0.02)
        return found

    def _processes(self) -> Iterator[str]:
        for each in psutil.process_iter():
            try:
                if Path(each.cwd()).is_relative_to(self.root) and each.status() != "zombie":
                    yield f"{each.pid} {each.cmdline()}"
            except (psutil.Error, OSError):
                continue

    def staged(self) -> list[str]:
        return [str(each) for each in self.root.rglob(".*.tmp")]

    def begun(self) -> list[str]:
        """Return the keys of the partitions whose function was called, in order."""
        file = self.root / "begun"
        return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []

    def wait_until_begun(self, count: int) -> None:
        until = time.monotonic() + 30
        while len(self.begun()) < count:
            assert time.monotonic() < until
            time.sleep(0.02)


def said_of(result: Result, key: int) -> str:
    """Return what the run said of the failure of a partition."""
    found = re.search(
        rf"^parts:{key}  failed\n(.*?)(?=^\S*:\d+  |\Z|^\d+ )", result.out, re.M | re.S
    )
    assert found, result.out + result.err
    return found[1]


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Callable[..., Parts]]:
    made: list[Parts] = []

    def make(count: int, more: str = "", name: str = "project") -> Parts:
        made.append(Parts(tmp_path / name, count, more))
        return made[-1]

    yield make
    assert [each for one in made for each in one.left()] == []
    for one in made:
        check_records(one.root)


def reference(parts: Callable[..., Parts], count: int) -> dict[str, str]:
    undisturbed = parts(count, name="undisturbed")
    assert undisturbed.doit().code == 0
    return undisturbed.digest()


def test_what_crashes_takes_nothing_else_with_it(parts: Callable[..., Parts]) -> None:
    project = parts(len(ENDS) + 2, "isolate: process\n")
    for key, what in enumerate(ENDS, start=1):
        project.do(key, what)
    result = project.doit("--continue", "-n", "2")
    staged, left = project.staged(), project.left()
    project.mend()
    again = project.doit()

    assert (result.code, result.moved, result.counts["failed"]) == (1, 2, len(ENDS))
    for key, said in enumerate(ENDS.values(), start=1):
        assert re.search(said, said_of(result, key)), said_of(result, key)
    assert staged == left == project.staged() == []
    assert again.counts["moved"] == len(ENDS)
    assert project.digest() == reference(parts, len(ENDS) + 2)
    record("workers that crash", {"cases": len(ENDS)})


def test_what_hangs_is_ended_with_all_that_it_started(parts: Callable[..., Parts]) -> None:
    project = parts(len(HANGS) + 1, f"timeout: {LIMIT}\n")
    for key, what in enumerate(HANGS, start=1):
        project.do(key, what)
    result = project.doit("--continue", "-n", "2")
    staged, left = project.staged(), project.left()
    project.mend()
    again = project.doit()

    assert (result.code, result.moved, result.counts["failed"]) == (1, 1, len(HANGS))
    for key in range(1, len(HANGS) + 1):
        said = said_of(result, key)
        found = re.search(
            rf"'parts:{key}' took longer than its timeout of 1.5 s: "
            rf"process \d+ was ended after (\d\.\d) s\n  at flows/parts\.(py:\d+, in \w+|yml)",
            said,
        )
        assert found, said
        assert LIMIT <= float(found[1]) < LIMIT + 5
    assert staged == left == project.staged() == []
    assert again.counts["moved"] == len(HANGS)
    assert project.digest() == reference(parts, len(HANGS) + 1)
    record("workers that hang", {"cases": len(HANGS)})


def test_the_time_begins_when_the_work_does(parts: Callable[..., Parts]) -> None:
    project = parts(2, "timeout: 2\n")
    result = project.doit()

    assert result.code == 0, result.out


def test_a_failure_tells_events_where_it_was(parts: Callable[..., Parts]) -> None:
    project = parts(2, f"timeout: {LIMIT}\n")
    project.do(1, "segfault")
    project.do(2, "hang")
    project.doit("--continue")
    (events,) = project.root.glob(".hygge/runs/*/events.jsonl")
    told = [json.loads(line) for line in events.read_text().splitlines()]
    errors = [each["data"]["error"] for each in told if each["type"] == "step.failed"]

    assert [each["error_type"] for each in errors] == ["WorkerCrashed", "Timeout"]


WRONG = {
    "raises": "def f(rows, partition):\n    raise ValueError('no')\n",
    "raises later": "import polars as pl\ndef f(rows):\n"
    "    return rows.with_columns(pl.col('n').map_elements(lambda n: 1 // 0))\n",
    "exits": "import sys\ndef f(rows):\n    sys.exit(3)\n",
    "returns": "def f(rows):\n    return 3\n",
    "imports": "import nothing_such\ndef f(rows):\n    return rows\n",
}


def everything_wrong(project: ProjectFolder, more: str) -> str:
    """Return what a run says of flows of which each fails in another way."""
    for path in ("fine/1", "fine/2", "broken/1", "checked/1"):
        project.write(f"data/home/{path}.csv", "k,n\na,1\nb,2\n")
    project.write("data/home/broken/1.csv", "k,n\na,1\nb\n")
    project.write("data/home/changed/1.csv", "k,n\na,1\n")
    project.write("data/home/changed/2.csv", "k,n\na,x\n")
    flows = {
        "broken": "",
        "checked": "checks: [{between: {n: [0, 1]}}]\n",
        "changed": "schema: evolve\n",
        "fine": "transform: {cast: {k: int8}}\n",
        "limited": "transform: {where: 'm > 3'}\n",
    }
    for name, text in flows.items():
        home = name if name != "limited" else "fine"
        project.flow(name, f"home: data/home/{home}\nstore: data/store/{name}\n{text}{more}")
    for name, text in WRONG.items():
        name = name.replace(" ", "_")
        project.write(f"flows/{name}.py", text)
        python = f"transform: {{python: 'flows/{name}.py:f'}}\n"
        project.flow(name, f"home: data/home/fine\nstore: data/store/{name}\n{python}{more}")
    result = project.doit("--continue")
    assert result.code == 1
    return re.sub(r"\d+\.\d+s\b", "", result.out)


def test_errors_of_a_worker_are_those_of_the_run(tmp_path: Path) -> None:
    alone, within = ProjectFolder(tmp_path / "process"), ProjectFolder(tmp_path / "thread")
    said = everything_wrong(alone, "isolate: process\n")

    assert said == everything_wrong(within, "isolate: thread\n")
    assert said.count("failed\n") == 17
    assert alone.digest() == within.digest()


SHAPES = {
    "copied": "store: data/store/copied\n",
    "spread": "store: {path: data/store/spread, partition_by: [k]}\n",
    "checked": "store: {type: csv, path: data/store/checked}\n"
    "checks:\n- {between: {n: [0, 5]}, on_fail: quarantine}\n",
    "joined": "store: {type: ndjson, path: data/store/joined}\n"
    "inputs: {names: data/home/names.csv}\n"
    'transform: {sql: "SELECT * FROM self JOIN names USING (k)"}\nschema: evolve\n',
}


def test_a_worker_makes_what_the_run_would_make(tmp_path: Path) -> None:
    digests = []
    for isolate in ("thread", "process"):
        project = ProjectFolder(tmp_path / isolate)
        project.write("data/home/names.csv", "k,name\na,A\nb,B\n")
        for number in range(4):
            rows = "".join(f"{'ab'[n % 2]},{n}\n" for n in range(number, number + 6))
            project.write(f"data/home/raw/{number}.csv", f"k,n\n{rows}")
            project.parquet(f"data/home/whole/{number}.parquet", start=number)
        for name, text in SHAPES.items():
            home = "whole" if name == "copied" else "raw"
            project.flow(name, f"home: data/home/{home}\n{text}isolate: {isolate}\n")
        result = project.doit("-n", "2")
        assert (result.code, result.moved) == (0, 16), result.out
        digests.append(project.digest("data"))
        assert project.doit().moved == 0

    assert digests[0] == digests[1]
    assert any("quarantine" in path for path in digests[0])


@pytest.mark.full
def test_as_many_work_at_once_as_are_asked_for(parts: Callable[..., Parts]) -> None:
    project = parts(7, "isolate: process\n")
    for key in range(1, 8, 2):
        project.do(key, "be_slow")
    result = project.doit("-n", "4", *(f"parts:{key}" for key in range(1, 8, 2)))
    times = [
        [float(line.split()[1]) for line in (project.root / name).read_text().splitlines()]
        for name in ("begun", "ended")
    ]

    assert result.moved == 4
    assert max(times[0]) < min(times[1]), "all have begun before the first has ended"


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGHUP, marks=pytest.mark.full)]
)
def test_a_stop_lets_a_worker_finish(parts: Callable[..., Parts], number: int) -> None:
    project = parts(4, "isolate: process\n")
    for key in range(1, 5):
        project.do(key, "be_slow")
    process = project.start()
    project.wait_until_begun(1)
    os.killpg(process.pid, number)  # as a terminal does
    out, err = process.communicate(timeout=60)
    project.mend()

    assert process.returncode == 128 + number, out + err
    assert "Stopped: 1 of 4 moved" in out
    assert project.doit().moved == 3
    assert project.digest() == reference(parts, 4)


def test_a_second_ctrl_c_ends_a_worker_too(parts: Callable[..., Parts]) -> None:
    project = parts(2, "isolate: process\n")
    project.do(1, "start_others")
    process = project.start()
    project.wait_until_begun(1)
    for _ in range(2):
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=10)
    left = project.left()
    project.mend()

    assert process.returncode == 130
    assert left == []
    assert project.doit().moved == 2
    assert project.staged() == []


def killed_while_working(project: Parts, wait: float, rng: random.Random) -> None:
    """Kill a run while four workers do bad things; see to it that nothing is left."""
    (project.root / "begun").unlink(missing_ok=True)
    for key in range(1, 5):
        project.do(key, rng.choice(["be_slow", "hang", "start_others", "hang_without_letting_go"]))
    process = project.start("-n", "4")
    if wait:
        time.sleep(wait)
    else:
        project.wait_until_begun(4)
    process.kill()
    process.communicate(timeout=10)
    assert project.left() == []
    project.mend()


@pytest.mark.parametrize(
    "rounds", [1, pytest.param(50, marks=[pytest.mark.full, pytest.mark.timeout(3600)])]
)
def test_no_worker_outlives_a_run_that_is_killed(
    parts: Callable[..., Parts], rounds: int, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = reference(parts, 6)
    rng = random.Random(5)
    for number in range(rounds):
        project = parts(6, "isolate: process\n", name=f"killed-{number}")
        killed_while_working(project, 0 if number % 2 == 0 else rng.uniform(0.2, 1.2), rng)
        result = project.doit("-n", "2")
        assert result.code == 0, result.out + result.err
        assert project.staged() == []
        assert project.digest() == expected
    with capsys.disabled():
        print(f"\nworkers: {rounds} runs killed while four workers were busy, nothing left")
    record("runs killed while workers are busy", {"kills": rounds})


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("rounds", [60])
def test_whatever_workers_do_one_run_without_faults_makes_it_good(
    parts: Callable[..., Parts], rounds: int, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = reference(parts, 8)
    rng = random.Random(14)
    done: Counter[str] = Counter()
    for number in range(rounds):
        project = parts(8, f"timeout: {LIMIT}\n", name=f"random-{number}")
        faults = {key: rng.choice([*ENDS, *HANGS]) for key in rng.sample(range(1, 9), 4)}
        for key, what in faults.items():
            project.do(key, what)
        result = project.doit("--continue", "-n", rng.choice("124"))
        assert result.counts["failed"] == 4, result.out + result.err
        assert project.left() == project.staged() == []
        project.mend()
        assert project.doit().moved == 4
        assert project.digest() == expected
        done.update(faults.values())
    with capsys.disabled():
        print(f"\nworkers: {rounds} runs, {done.total()} faults: {dict(done)}")
    record("workers with random faults", {"runs": rounds, "faults": done.total()})


@pytest.mark.full
def test_nothing_grows_over_failing_cycles(
    parts: Callable[..., Parts], capsys: pytest.CaptureFixture[str]
) -> None:
    cycles = 12
    project = parts(cycles, "isolate: process\n")
    for key in range(1, cycles + 1):
        project.do(key, "crash_after_a_while")
    process = project.start("--continue")
    watched = psutil.Process(process.pid)
    seen: list[tuple[int, int, int, int]] = []
    for cycle in range(1, cycles + 1):
        project.wait_until_begun(cycle)
        children = len(watched.children(recursive=True))
        memory = watched.memory_info().rss
        seen.append((memory, watched.num_fds(), watched.num_threads(), children))
    process.communicate(timeout=30)
    with capsys.disabled():
        print(f"\nworkers: memory, descriptors, threads, children over {cycles} cycles: {seen}")

    assert process.returncode == 1
    assert max(each[0] for each in seen[2:]) < seen[1][0] + (2 << 20)
    assert {each[1:] for each in seen[1:]} == {seen[1][1:]}
    record("workers failing in a row", {"cycles": cycles})


def test_the_keys_are_no_reason_to_move_anything(parts: Callable[..., Parts]) -> None:
    project = parts(2)
    project.doit()
    more = "timeout: 10m\nretry: {max_attempts: 5}\non_error: collect_all\n"
    project.flow("parts", FLOW + more)

    assert project.doit("plan", "--check").code == 0
    assert project.doit().moved == 0


@pytest.mark.full
def test_a_default_holds_for_all_flows(parts: Callable[..., Parts]) -> None:
    project = parts(1)
    project.write("hygge.yml", "defaults:\n  timeout: 1\n")
    project.do(1, "hang")
    limited = project.doit()
    project.flow("parts", FLOW + "timeout: null\nisolate: thread\n")
    project.do(1, "be_slow")

    assert "took longer than its timeout of 1 s" in limited.out
    assert project.doit().code == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("timeout: 0\n", "'timeout' can't be 0"),
        ("timeout: soon\n", "'timeout' can't be 'soon'"),
        ("timeout: 5\nisolate: thread\n", "what has a 'timeout' must be a process"),
        ("isolate: container\n", "'isolate' can't be 'container'"),
        ("retry: {max_attempts: 0}\n", "'retry.max_attempts' can't be 0"),
        ("retry: {tries: 3}\n", "unknown key 'tries' in retry"),
        ("retry: {backoff_s: 90}\n", "the longest wait, 60 s, is shorter than the first, 90 s"),
        ("on_error: shrug\n", "'on_error' can't be 'shrug'"),
    ],
)
def test_a_wrong_value_is_shown(parts: Callable[..., Parts], more: str, said: str) -> None:
    result = parts(1, more).doit()

    assert result.code == 3
    assert said in result.err
    assert "  at flows/parts.yml:5:" in result.err or "flows/parts.yml:6:" in result.err


def test_what_a_flow_may_say_a_default_may_say() -> None:
    flow, project = (schema.read(name)["properties"] for name in ("flow", "project"))
    keys = ("timeout", "isolate", "retry", "on_error")

    assert [project["defaults"]["properties"][key] for key in keys] == [flow[key] for key in keys]


def test_the_guard_can_do_without_hygge() -> None:
    from hygge.workers import guard

    done = subprocess.run(
        [*words_of_guard(guard.__file__)], input="", text=True, capture_output=True, timeout=10
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def words_of_guard(file: str) -> Sequence[str]:
    import sys

    return [sys.executable, "-I", "-S", file]
