"""`doit tail`: what a run writes down, while it does so if that is wanted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ProjectFolder
from run_folders import WrittenRun, dead_pid, hold, now, run_id, this_minute

WORKED = """\
08:30:00.000  INFO   job.started     doit --continue  2 planned  process 7
08:30:00.100  INFO   step.started    flights:a  new
08:30:00.200  INFO   file.written    flights:a  created  data/store/flights/a.parquet  3 rows  1.2kB
08:30:00.300  INFO   step.succeeded  flights:a  moved  3 rows  1.2kB  0.25s  (new)
08:30:00.400  INFO   step.started    landing.planes:b  new
08:30:00.500  ERROR  step.failed     landing.planes:b  HomeError: no
08:30:00.600  WARN   step.skipped    delays:c  landing.planes failed
08:30:00.700  ERROR  job.failed      1 moved, 1 failed, 1 not run  3 rows  1.2kB  1.5s
"""


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    """A project whose records may be wrong."""
    return ProjectFolder(tmp_path / "project")


def worked(project: ProjectFolder, minute: int = 0) -> WrittenRun:
    run = WrittenRun(project, minute)
    run.event("job.started", command=["doit", "--continue"], pid=7, planned=2)
    run.moved("flights:a")
    run.failed("landing.planes:b", "no\n  at x")
    run.event("step.skipped", "delays:c", "WARN", reason="landing.planes failed")
    figures = {"moved": 1, "failed": 1, "not_run": 1, "removed": 0, "rows": 3, "bytes": 1200}
    run.event("job.failed", level="ERROR", seconds=1.5, **figures)
    run.manifest(status="failed")
    return run


def test_events_are_readable_lines(project: ProjectFolder) -> None:
    worked(project)

    result = project.doit("tail", TZ="UTC")

    assert (result.code, result.err) == (0, "")
    assert result.out == WORKED


def test_times_are_those_of_the_clock_on_the_wall(project: ProjectFolder) -> None:
    worked(project)

    assert project.doit("tail", TZ="IST-5:30").out.startswith("14:00:00.000  INFO ")


def test_every_kind_of_event_has_a_line(project: ProjectFolder) -> None:
    run = WrittenRun(project)
    run.event("job.started")
    run.event("step.warned", "f:a", "WARN", message="2 rows")
    run.event("step.succeeded", "f:a")
    run.event("step.failed", "f:b", "ERROR", error="no\n  at x", error_type="HomeError")
    run.event("step.succeeded", "f:c", "WARN", action="moved", rows=None, warnings=["2 rows"])
    run.event("file.written", "f:d", path="s/d", hash=None, size_bytes=None, reason="removed")
    run.event("progress", flows={"f": {"done": 3, "pending": 1200}})
    run.event("cache.hit", "f:e", key="k", found={"a": [1, None]})
    run.event("step.failed", "f:f", "ERROR", error=None)
    run.event("job.interrupted", level="WARN", seconds="odd", moved="odd")

    lines = project.doit("tail").out.splitlines()

    assert [line[14:] for line in lines] == [
        "INFO   job.started",
        "WARN   step.warned     f:a  message=2 rows",
        "INFO   step.succeeded  f:a",
        "ERROR  step.failed     f:b  HomeError: no",
        "WARN   step.succeeded  f:c  moved  warning: 2 rows",
        "INFO   file.written    f:d  removed  s/d",
        "INFO   progress        f: 3 done, 1,200 to do",
        'INFO   cache.hit       f:e  key=k  found={"a": [1, null]}',
        "ERROR  step.failed     f:f",
        "WARN   job.interrupted",
    ]


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["--type", "step"], [1, 3, 4, 5, 6]),
        (["--type", "step."], [1, 3, 4, 5, 6]),
        (["--type", "file.written"], [2]),
        (["--type", "job", "--type", "step.failed"], [0, 5, 7]),
        (["--level", "WARN"], [5, 6, 7]),
        (["--level", "error"], [5, 7]),
        (["--step", "flights"], [1, 2, 3]),
        (["--step", "flights:a", "--step", "delays:c"], [1, 2, 3, 6]),
        (["--step", "landing"], [4, 5]),
        (["--step", "*:[bc]"], [4, 5, 6]),
        (["-n", "2"], [6, 7]),
        (["-n", "100"], [*range(8)]),
        (["--type", "step", "--level", "WARN", "--step", "landing", "-n", "1"], [5]),
    ],
)
def test_filters_combine(project: ProjectFolder, arguments: list[str], lines: list[int]) -> None:
    worked(project)
    whole = WORKED.splitlines()

    result = project.doit("tail", *arguments, TZ="UTC")

    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [whole[number] for number in lines]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--type", "stpe"],
            "error: no type of event is called 'stpe'\n  try: did you mean 'step'?\n",
        ),
        (
            ["--type", "step.fail"],
            "error: no type of event is called 'step.fail'\n  try: did you mean 'step.failed'?\n",
        ),
        (
            ["--level", "warning"],
            "error: no level is called 'warning'\n  try: did you mean 'WARN'?\n",
        ),
        (
            ["--level", "x"],
            "error: no level is called 'x'\n  try: one of 'INFO', 'WARN', 'ERROR'\n",
        ),
        (["-n", "-3"], "error: -n -3\n  try: how many events to show: doit tail -n 20\n"),
        (
            ["--step", "flihgts"],
            f"error: no step 'flihgts' in run {run_id()}\n  try: did you mean 'flights'?\n",
        ),
        (
            ["--step", "flights:b"],
            f"error: no step 'flights:b' in run {run_id()}\n  try: did you mean 'flights:a'?\n",
        ),
        (
            ["--step", "qqq"],
            f"error: no step 'qqq' in run {run_id()}\n"
            f"  try: see what it did: doit show {run_id()}\n",
        ),
        (["x"], f"error: no run 'x'\n  try: the last ones are {run_id()}\n"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(
    project: ProjectFolder, arguments: list[str], message: str
) -> None:
    worked(project)

    result = project.doit("tail", *arguments)

    assert (result.code, result.out, result.err) == (3, "", message)


def test_nothing_that_passes_is_said(project: ProjectFolder) -> None:
    worked(project)

    result = project.doit("tail", "--step", "flights", "--level", "ERROR")

    assert (result.code, result.out, result.err) == (0, "No event is such.\n", "")


def test_broken_lines_are_left_out_and_counted(project: ProjectFolder) -> None:
    run = worked(project)
    run.line("torn")
    run.line("{}")
    run.line('{"ts": ', end="")

    result = project.doit("tail", TZ="UTC")

    assert result.code == 0
    assert result.out == WORKED
    assert result.err == (
        f"warning: '{run.path}/events.jsonl': 2 lines are left out, they can't be read\n"
    )


def test_programs_get_the_events_in_an_envelope(project: ProjectFolder) -> None:
    run = worked(project)
    lines = (run.folder / "events.jsonl").read_text(encoding="utf-8").splitlines()

    answer = json.loads(project.doit("tail", "--json", "-n", "2").out)

    assert answer == {
        "schema_version": 1,
        "command": "tail",
        "status": "ok",
        "data": {
            "run_id": run.id,
            "status": "failed",
            "warnings": [],
            "events": [json.loads(line) for line in lines[-2:]],
        },
        "diagnostics": [],
    }


def test_odd_names_do_nothing_to_a_terminal(project: ProjectFolder) -> None:
    run = WrittenRun(project)
    run.event("step.started", "f:日本 🐟\n\x1b[31m", reason="\u202e\udcff")

    assert project.doit("tail").out.endswith("f:日本 🐟\\n\\x1b[31m  \\u202e?\n")


@pytest.mark.parametrize("options", [[], ["--json"], ["--follow"], ["--follow", "--json"]])
def test_secrets_are_hidden(project: ProjectFolder, options: list[str]) -> None:
    run = WrittenRun(project)
    run.event("step.started", "f:a", reason="was 'hunter22' before")

    result = project.doit("tail", *options, "last", MY_PASSWORD="hunter22")

    assert "was '***' before" in result.out
    assert "hunter22" not in result.out + result.err


def test_ten_thousand_events_are_shown_at_once(project: ProjectFolder) -> None:
    run = WrittenRun(project)
    run.event("step.started", "f:a", reason="new")
    line = (run.folder / "events.jsonl").read_text(encoding="utf-8")
    run.line(line * 10_000, end="")

    _, nothing, _ = project.measured("runs", "-n", "1")
    result, seconds, _ = project.measured("tail")

    assert len(result.out.splitlines()) == 10_001
    assert seconds - nothing < 1


def test_reader_that_has_seen_enough_is_no_failure(project: ProjectFolder) -> None:
    run = WrittenRun(project)
    run.event("step.started", "f:a", reason="new")
    run.line((run.folder / "events.jsonl").read_text(encoding="utf-8") * 5_000, end="")
    for options in ("", "--follow last", "--follow --json last"):
        command = f"{sys.executable} -m doit tail {options} | head -1; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=project.root,
            env=project.environment(),
            capture_output=True,
            text=True,
        )

        assert done.stderr == ""
        assert done.stdout.splitlines()[1] == "141"


@pytest.mark.parametrize("name", ["last", "-1", run_id()])
def test_run_that_has_ended_is_followed_to_its_end(project: ProjectFolder, name: str) -> None:
    worked(project)

    result = project.doit("tail", "--follow", name, TZ="UTC")

    assert (result.code, result.out, result.err) == (0, WORKED, "")


def test_run_that_was_killed_is_followed_to_where_it_ends(project: ProjectFolder) -> None:
    hold(project, dead_pid())
    run = WrittenRun(project)
    run.event("step.started", "f:a", reason="new")
    run.line('{"ts": ', end="")

    result = project.doit("tail", "-f", "last", TZ="UTC")

    assert result.code == 0
    assert result.out == "08:30:00.000  INFO   step.started    f:a  new\n"
    assert result.err == f"warning: run {run.id} was killed; run `doit` to go on\n"


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def going_on(project: ProjectFolder) -> WrittenRun:
    """Begin a run in this process."""
    hold(project, os.getpid())
    run = WrittenRun(project, this_minute())
    run.manifest(status="running", pid=os.getpid(), ended=None)
    return run


def test_events_are_shown_as_they_come(project: ProjectFolder) -> None:
    run = going_on(project)
    process = project.start("tail", "-f", TZ="UTC")

    run.line(f'{{"ts": "{now()}", "level": "INFO", "type": "job.started", "data": ', end="")
    time.sleep(1)
    run.line(f'{{"pid": {os.getpid()}}}}}')
    first = read_line(process)
    run.line("broken")
    run.event("step.started", "f:a", reason="new")
    second = read_line(process)
    still = process.poll()
    run.event("job.succeeded", seconds=1.5)
    rest, err = process.communicate(timeout=30)

    assert first[14:] == f"INFO   job.started     process {os.getpid()}\n"
    assert second[14:] == "INFO   step.started    f:a  new\n"
    assert still is None
    assert rest[14:] == "INFO   job.succeeded   1.5s\n"
    assert process.returncode == 0
    assert err == (f"warning: '{run.path}/events.jsonl': 1 line is left out, it can't be read\n")


def test_followed_events_are_filtered_and_begin_with_the_last_ones(project: ProjectFolder) -> None:
    run = going_on(project)
    run.line(
        json.dumps(
            {"ts": now(), "level": "INFO", "type": "job.started", "data": {"pid": os.getpid()}}
        )
    )
    for name in "abc":
        run.event("step.started", f"f:{name}", reason="new")
        run.event("file.written", f"f:{name}")
    process = project.start("tail", "-f", "-n", "1", "--type", "step", "--json")

    first = read_line(process)
    run.event("file.written", "f:c")
    run.event("step.succeeded", "f:c")
    run.event("step.succeeded", "f:b")
    run.event("job.succeeded")
    rest, err = process.communicate(timeout=30)

    assert json.loads(first)["step"] == "f:c"
    assert [json.loads(line)["step"] for line in rest.splitlines()] == ["f:c", "f:b"]
    assert (process.returncode, err) == (0, "")


def test_ctrl_c_ends_it_without_a_word(project: ProjectFolder) -> None:
    run = going_on(project)
    run.line(json.dumps({"ts": now(), "level": "INFO", "type": "job.started"}))
    for options in ([], ["--json"]):
        process = project.start("tail", "--follow", *options)
        read_line(process)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)

        assert (process.returncode, out, err) == (130, "", "")


def test_follow_waits_for_a_run_to_begin(project: ProjectFolder) -> None:
    project.months(2)
    project.doit("-n", "1", "flights:2013-01")
    process = project.start("tail", "--follow")
    assert process.stderr is not None
    said = process.stderr.readline()

    project.doit()
    out, err = process.communicate(timeout=30)

    assert said == "waiting for a run to begin; Ctrl-C ends this\n"
    assert (process.returncode, err) == (0, "")
    assert "  file.written    flights:2013-02  created  data/store/flights/2013-02.parquet  " in out
    assert "  job.succeeded   1 moved" in out
    assert "flights:2013-01" not in out


def test_ctrl_c_while_it_waits_is_no_news_either(project: ProjectFolder) -> None:
    process = project.start("tail", "--follow")
    assert process.stderr is not None
    process.stderr.readline()
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)

    assert (process.returncode, out, err) == (130, "", "")


def test_run_that_is_killed_while_it_is_followed_ends_it(project: ProjectFolder) -> None:
    project.months(12)
    project.write(
        "slow.py", "import time\ndef slow(frame):\n    time.sleep(0.4)\n    return frame\n"
    )
    project.flow(
        "flights",
        "home: data/home/flights\nstore: data/store/flights\ntransform: {python: 'slow.py:slow'}\n",
    )
    tail = project.start("tail", "-f", "--type", "step.succeeded")
    assert tail.stderr is not None
    tail.stderr.readline()
    run = project.start()
    first = read_line(tail)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    _, err = tail.communicate(timeout=30)

    (folder,) = (project.root / ".hygge/runs").iterdir()
    assert "  step.succeeded  flights:2013-01  moved  3 rows  " in first
    assert tail.returncode == 0
    assert err == f"warning: run {folder.name} was killed; run `doit` to go on\n"
    assert project.doit().moved > 0


def test_short_follow_is_not_taken_for_a_file(project: ProjectFolder) -> None:
    worked(project)

    assert project.doit("tail", "-f", "last").code == 0
    assert "--file=ARG" in project.doit("help", "tail").out
    assert "-f ARG" not in project.doit("help", "tail").out
