"""What is seen in a real terminal, in a pipe, and where there is nothing to write to."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ProjectFolder

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

DOIT = f"{shlex.quote(sys.executable)} -m doit"

SOCKETS = (f"hygge-{os.getpid()}-{number}" for number in itertools.count())

VOLATILE = (
    (re.compile(r"\b\d+(\.\d+)?(B|kB|MB)\b"), "SIZE"),
    (re.compile(r"\b\d+(\.\d+)?s\b"), "TIME"),
    (re.compile(r" +SIZE"), "  SIZE"),
    (re.compile(r"(SIZE/s) +"), r"\1  "),
    (re.compile(r"\b\d+ s ago"), "TIME ago"),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b"), "WHEN"),
    (re.compile(r"\b\d{8}T\d{9}Z-[0-9a-f]{6}\b"), "RUN"),
)
"""What differs from run to run, and how much room it takes."""


def masked(text: str) -> str:
    for pattern, name in VOLATILE:
        text = pattern.sub(name, text)
    return text


def golden(text: str) -> str:
    return textwrap.dedent(text).strip("\n")


class Terminal:
    """A terminal of a given size, looked at as a person does."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._socket = next(SOCKETS)

    def _tmux(self, *words: str) -> str:
        command = ["tmux", "-u", "-L", self._socket, "-f", os.devnull, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def type(self, project: ProjectFolder, command: str) -> None:
        """Open the terminal in *project* and execute *command*; its exit code is said after it."""
        size = ("-x", str(self.width), "-y", str(self.height))
        kept = ("-e", "LC_ALL=C.UTF-8", "-c", str(project.root))
        shell = (
            f"unset CI NO_COLOR COLUMNS LINES\ntrap : INT\n{command}\necho exit code $?\nexec cat"
        )
        self._tmux("new-session", "-d", *size, *kept, "sh", "-c", shell)

    def press(self, key: str) -> None:
        self._tmux("send-keys", key)

    def resize(self, width: int) -> None:
        self._tmux("resize-window", "-x", str(width), "-y", str(self.height))

    def screen(self, colours: bool = False) -> str:
        """What is on the screen, without the spaces at the ends of lines."""
        text = self._tmux("capture-pane", "-p", *(["-e"] if colours else []))
        return "\n".join(line.rstrip() for line in text.rstrip().split("\n"))

    def all_lines(self) -> list[str]:
        """Everything that was printed, lines that the terminal has wrapped joined again."""
        return self._tmux("capture-pane", "-p", "-J", "-S", "-").rstrip().split("\n")

    def wait_for(self, *texts: str) -> str:
        """Wait until all of *texts* are on the screen; return it."""
        return self.wait_until(lambda screen: all(text in screen for text in texts))

    def wait_until(self, holds: Callable[[str], bool]) -> str:
        until = time.monotonic() + 20
        while not holds(screen := self.screen()):
            assert time.monotonic() < until, screen
            time.sleep(0.05)
        return screen

    def has_cursor(self) -> bool:
        return self._tmux("display-message", "-p", "#{cursor_flag}").strip() == "1"

    def close(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            socket = self._tmux("display-message", "-p", "#{socket_path}").strip()
            self._tmux("kill-server")
            Path(socket).unlink(missing_ok=True)


@pytest.fixture
def terminal() -> Iterator[Callable[[int, int], Terminal]]:
    opened: list[Terminal] = []

    def opening(width: int, height: int = 24) -> Terminal:
        opened.append(Terminal(width, height))
        return opened[-1]

    yield opening
    for each in opened:
        each.close()


def held(project: ProjectFolder, *names: str, at: int = 2) -> None:
    """Make flows of three partitions; the move number *at* waits for the file `go`."""
    for name in names:
        for key in ("april", "may", "june"):
            project.parquet(f"data/home/{name}/{key}.parquet")
        project.flow(
            name,
            f"""\
            home: "data/home/{name}"
            store: "data/store/{name}"
            transform: {{python: "flows/hold.py:hold"}}
            """,
        )
    project.write(
        "flows/hold.py",
        f"""\
        import time
        from pathlib import Path

        import polars as pl

        def hold(frame: pl.LazyFrame) -> pl.LazyFrame:
            with open("moves", "a") as moves:
                moves.write("x")
            until = time.monotonic() + 120  # what a test leaves behind ends by itself
            while len(Path("moves").read_text()) >= {at} and not Path("go").exists():
                if time.monotonic() > until:
                    break
                time.sleep(0.02)
            return frame
        """,
    )


def go(project: ProjectFolder) -> None:
    project.write("go", "")


BLOCKS = {
    80: """
    airlines:april  moved  3 rows  SIZE  TIME  (new)
    airlines  ━━━━────────  1/3  3 rows  SIZE  SIZE/s  TIME left  june
    planes    ────────────  0/3
    """,
    200: """
    airlines:april  moved  3 rows  SIZE  TIME  (new)
    airlines  ━━━━────────  1/3  3 rows  SIZE  SIZE/s  TIME left  june
    planes    ────────────  0/3
    """,
}


@needs_tmux
@pytest.mark.parametrize("width", [80, 200])
def test_a_run_shows_a_line_for_each_flow_that_has_work(
    project: ProjectFolder, terminal: Callable[[int], Terminal], width: int
) -> None:
    held(project, "airlines", "planes")
    window = terminal(width)
    window.type(project, DOIT)

    shown = window.wait_for("june")
    assert masked(shown) == golden(BLOCKS[width])
    go(project)
    assert masked(window.wait_for("exit code")) == golden("""
        airlines:april  moved  3 rows  SIZE  TIME  (new)
        airlines:june  moved  3 rows  SIZE  TIME  (new)
        airlines:may  moved  3 rows  SIZE  TIME  (new)
        planes:april  moved  3 rows  SIZE  TIME  (new)
        planes:june  moved  3 rows  SIZE  TIME  (new)
        planes:may  moved  3 rows  SIZE  TIME  (new)
        6 partitions moved.
        hygge: moved=6 unchanged=0 failed=0 removed=0 rows=18 bytes=SIZE time=TIME
        exit code 0
        """)


@needs_tmux
def test_what_is_up_to_date_and_what_failed_is_folded_into_a_line(
    project: ProjectFolder, terminal: Callable[[int], Terminal]
) -> None:
    project.months(3)
    assert project.doit().moved == 3
    project.write("data/home/broken/first.parquet", b"no parquet")
    project.flow("broken", "home: data/home/broken\nstore: {path: data/store/broken, type: csv}\n")
    held(project, "planes")
    window = terminal(80)
    window.type(project, f"{DOIT} --continue")

    shown = window.wait_for("june", "up to date")
    assert masked(shown).split("\n")[-3:] == [
        "broken  ━━━━━━━━━━━━  1/1  0 rows  SIZE  SIZE/s",
        "planes  ━━━━────────  1/3  3 rows  SIZE  SIZE/s  TIME left  june",
        "3 up to date, 1 failed",
    ]
    assert "broken:first  failed\nerror: " in shown


@needs_tmux
def test_sixty_flows_leave_half_of_the_terminal_to_what_is_said(
    project: ProjectFolder, terminal: Callable[[int], Terminal]
) -> None:
    held(project, *(f"flow{number:02}" for number in range(60)), at=10)
    window = terminal(80)
    window.type(project, DOIT)

    shown = window.wait_for("48 more flows: 9/144", "flow03  ").split("\n")
    assert [line.split()[0] for line in shown[:9]] == [
        f"flow{number:02}:{key}" for number in range(3) for key in ("april", "june", "may")
    ]
    assert [line.split()[0] for line in shown[9:-1]] == [f"flow{n:02}" for n in range(3, 15)]
    assert shown[-1] == "48 more flows: 9/144"


@needs_tmux
def test_a_terminal_that_becomes_narrow_keeps_the_block_whole(
    project: ProjectFolder, terminal: Callable[[int], Terminal]
) -> None:
    held(project, "airlines", "planes")
    window = terminal(120)
    window.type(project, DOIT)
    window.wait_for("june")
    window.resize(50)

    shown = window.wait_until(lambda screen: screen.endswith("0/3") and "june" not in screen)
    assert masked(shown).split("\n")[-2:] == [
        "airlines  ━━━━────────  1/3  SIZE  TIME left",
        "planes    ────────────  0/3",
    ]
    go(project)
    window.wait_for("exit code 0")
    moved = [line.split()[0] for line in window.all_lines() if "  moved  " in line]
    assert moved == [
        f"{f}:{key}" for f in ("airlines", "planes") for key in ("april", "june", "may")
    ]


@needs_tmux
@pytest.mark.parametrize("width", [60, 80, 200])
def test_wide_letters_and_long_names_do_not_break_the_block(
    project: ProjectFolder, terminal: Callable[[int], Terminal], width: int
) -> None:
    name = "国内線と国際線の到着と出発の記録をまとめたもの全部とその他"
    held(project, name, "e\u0301te\u0301", at=1)
    key = f"🛩️[red]:cat:{'長い' * 25}"
    folder = project.root / "data/home" / name
    (folder / "april.parquet").rename(folder / f"{key}.parquet")
    window = terminal(width)
    window.type(project, DOIT)

    window.wait_for("0/3")
    time.sleep(0.5)
    shown = window.screen().split("\n")
    assert len(shown) == 2, "\n".join(shown)
    go(project)
    window.wait_for("exit code 0")
    assert not [line for line in window.all_lines() if "━" in line or "─" in line]
    moved = [line for line in window.all_lines() if "[red]:cat:" in line]
    assert len(moved) == 1


@needs_tmux
def test_ctrl_c_finishes_what_is_in_flight_and_takes_the_block_away(
    project: ProjectFolder, terminal: Callable[[int], Terminal]
) -> None:
    held(project, "airlines", "planes")
    window = terminal(80)
    window.type(project, DOIT)
    window.wait_for("june")
    window.press("C-c")
    window.wait_for("Stopping when what is in flight is done; Ctrl-C again stops at once.")
    go(project)

    shown = masked(window.wait_for("exit code")).replace("^C", "")
    assert shown == golden("""
        airlines:april  moved  3 rows  SIZE  TIME  (new)
        airlines:june  moved  3 rows  SIZE  TIME  (new)
        Stopped: 2 of 6 moved; run `doit` to go on.
        hygge: moved=2 unchanged=0 failed=0 removed=0 rows=6 bytes=SIZE time=TIME
        exit code 130
        """)
    assert window.has_cursor()
    assert project.doit().counts["unchanged"] == 2


@needs_tmux
def test_a_second_ctrl_c_stops_at_once_and_leaves_the_terminal_usable(
    project: ProjectFolder, terminal: Callable[[int], Terminal]
) -> None:
    held(project, "airlines")
    window = terminal(80)
    window.type(project, DOIT)
    window.wait_for("june")
    window.press("C-c")
    window.wait_for("Stopping when")
    window.press("C-c")

    shown = window.wait_for("exit code").split("\n")
    assert shown[-2:] == ["Stopped at once; run `doit` to go on.", "exit code 130"]
    assert window.has_cursor()
    go(project)
    assert project.doit().counts["moved"] == 2


@needs_tmux
def test_a_killed_run_leaves_the_cursor(
    project: ProjectFolder, terminal: Callable[[int], Terminal]
) -> None:
    held(project, "airlines")
    window = terminal(80)
    window.type(project, f"{DOIT} & echo $! > pid; wait $!")
    window.wait_for("june")
    os.kill(int((project.root / "pid").read_text()), 9)

    window.wait_for("exit code 137")
    assert window.has_cursor()


SHOWN = """
flights:2013-03  move  SIZE  new
1 to move (SIZE, about 3 rows in TIME), 2 up to date.
flights   data/home/flights -> data/store/flights
flights  [3 partitions, 1 stale]
     data/home/flights -> data/store/flights
"""

RUNS = {
    80: """
run status moved failed command
RUN TIME ago succeeded 2 0 doit
exit code 0""",
    200: """
run began status moved failed removed rows bytes time command
RUN WHEN TIME ago succeeded 2 0 0 6 SIZE TIME doit
exit code 0""",
}


@needs_tmux
@pytest.mark.parametrize("width", [80, 200])
def test_commands_that_show_fit_the_terminal(
    project: ProjectFolder, terminal: Callable[[int], Terminal], width: int
) -> None:
    project.months(2)
    assert project.doit().moved == 2
    project.parquet("data/home/flights/2013-03.parquet", 3, start=30)
    window = terminal(width)
    window.type(project, "; ".join(f"{DOIT} {each}" for each in ("plan", "list", "graph", "runs")))

    shown, runs = re.split("(?=\nrun )", masked(window.wait_for("exit code")))
    assert shown == SHOWN.strip()
    # Whether there is room for the time too at 80 depends on how long ago that is.
    narrow = runs.replace(" time", "").replace(" TIME  doit", " doit") if width == 80 else runs
    assert re.sub(" +", " ", narrow) == RUNS[width]


def raw(project: ProjectFolder, *words: str, **environment: str) -> bytes:
    """Type `doit` in a terminal; return every byte that was sent to it."""
    mine, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "doit", *words],
        cwd=project.root,
        env=project.environment(**{"TERM": "xterm-256color", **environment}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    sent = b""
    with contextlib.suppress(OSError):
        while piece := os.read(mine, 65536):
            sent += piece
    os.close(mine)
    assert process.wait(60) == 0, sent
    return sent


COLOUR = re.compile(rb"\x1b\[[\d;]*(3[0-79]|38|4[0-79]|48|9\d|10\d)[\d;]*m")


def test_a_terminal_gets_colours(project: ProjectFolder) -> None:
    project.months(2)

    assert COLOUR.search(raw(project))


def test_no_color_is_obeyed(project: ProjectFolder) -> None:
    project.months(2)
    sent = raw(project, NO_COLOR="1")

    assert b"\x1b[" in sent
    assert not COLOUR.search(sent)


@pytest.mark.parametrize("plain", [{"TERM": "dumb"}, {"TERM": ""}, {"CI": "1"}])
def test_where_no_cursor_moves_lines_are_plain(
    project: ProjectFolder, plain: dict[str, str]
) -> None:
    project.months(2)

    assert (
        masked(raw(project, **plain).decode().replace("\r\n", "\n"))
        == golden("""
        flights:2013-01  moved  3 rows  SIZE  TIME  (new)
        flights:2013-02  moved  3 rows  SIZE  TIME  (new)
        2 partitions moved.
        hygge: moved=2 unchanged=0 failed=0 removed=0 rows=6 bytes=SIZE time=TIME
        """)
        + "\n"
    )


@pytest.mark.parametrize(
    "command", ["plan", "list --all", "info flights", "runs", "show", "why", "graph", "dumpdb"]
)
def test_commands_that_show_send_no_cursor_codes(project: ProjectFolder, command: str) -> None:
    project.months(2)
    assert project.doit().moved == 2

    assert b"\x1b" not in raw(project, *command.split())


def shell(project: ProjectFolder, command: str) -> subprocess.CompletedProcess[str]:
    """Execute *command* as bash does, with `doit` in it."""
    return subprocess.run(
        ["bash", "-c", re.sub(r"\bdoit\b", DOIT, command)],
        cwd=project.root,
        env=project.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def test_a_run_goes_on_when_nobody_listens_any_more(project: ProjectFolder) -> None:
    project.months(12)
    done = shell(project, "doit | head -1; echo ${PIPESTATUS[0]}")

    first, code = done.stdout.splitlines()
    assert masked(first) == "flights:2013-01  moved  3 rows  SIZE  TIME  (new)"
    assert (code, done.stderr) == ("0", "")
    assert project.doit().counts["unchanged"] == 12
    (manifest,) = project.root.glob(".hygge/runs/*/manifest.json")
    assert json.loads(manifest.read_text())["status"] == "succeeded"


@pytest.mark.parametrize(
    "command", ["list --all", "plan", "why", "dumpdb", "runs --json", "schema", "forget"]
)
def test_a_closed_pipe_ends_a_command_that_shows(project: ProjectFolder, command: str) -> None:
    project.months(1)
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "doit", *command.split()],
        cwd=project.root,
        env=project.environment(),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)

    assert (done.returncode, done.stderr) == (141, "")


UNWRITTEN = """\
error: what is shown can't be written: No space left on device
  try: write it to where there is room
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("command", ["", "-r json", "plan", "list", "runs --json"])
def test_a_full_disk_below_stdout_is_told(project: ProjectFolder, command: str) -> None:
    project.months(2)
    done = shell(project, f"doit {command} > /dev/full")

    assert (done.returncode, done.stderr) == (2, UNWRITTEN)
    if command in ("", "-r json"):
        assert project.doit().counts["unchanged"] == 2


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
@pytest.mark.parametrize("command", ["", "-a -r json", "list"])
def test_closed_streams_go_nowhere(project: ProjectFolder, command: str, closed: str) -> None:
    project.months(2)
    done = shell(project, f"doit {command} {closed}")

    assert (done.returncode, done.stderr) == (0, "")
    if command != "list":
        assert project.doit().counts["unchanged"] == 2


def test_letters_that_stdout_lacks_are_escaped(project: ProjectFolder) -> None:
    project.parquet("data/home/été/Größe.parquet")
    project.flow("reise", 'home: "data/home/été"\nstore: data/store/reise\n')
    done = project.doit(PYTHONIOENCODING="ascii")

    assert masked(done.out.split("\n")[0]) == r"reise:Gr\xf6\xdfe  moved  3 rows  SIZE  TIME  (new)"
    assert (done.code, done.err) == (0, "")


def test_names_do_nothing_to_a_terminal(project: ProjectFolder) -> None:
    project.parquet("data/home/odd/a\x1b[2Jb.parquet")
    project.flow("odd", "home: data/home/odd\nstore: data/store/odd\n")
    sent = raw(project)

    assert rb"odd:a\x1b[2Jb  moved" in sent
    assert b"\x1b[2Jb" not in sent


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("plan --cheks", "no option '--cheks'\n  at doit plan\n  try: did you mean '--check'?"),
        ("--contineu", "no option '--contineu'\n  at doit run\n  try: did you mean '--continue'?"),
        ("list -z", "no option '-z'\n  at doit list\n  try: see what there is: doit help list"),
        ("-n x", "'x' is no value for '-n'\n  at doit run\n  try: take a whole number"),
        (
            "list --sort=size",
            "'size' is no value for '--sort'\n  at doit list\n"
            "  try: take one of 'name', 'definition'",
        ),
        (
            "why --json=3",
            "option '--json' takes no value\n  at doit why\n  try: leave out '=' and the rest",
        ),
        (
            "forget --db-file",
            "option '--db-file' needs a value\n  at doit forget\n"
            "  try: see what there is: doit help forget",
        ),
        (
            "run --p",
            "'--p' begins several options\n  at doit run\n"
            "  try: there are '--process' and '--parallel-type' and '--pdb'",
        ),
    ],
)
def test_an_option_that_is_not_there_is_told_in_three_lines(
    project: ProjectFolder, command: str, told: str
) -> None:
    project.months(1)
    done = project.doit(*command.split())

    assert (done.code, done.out, done.err) == (3, "", f"error: {told}\n")


def test_an_option_that_is_not_there_is_told_to_programs(project: ProjectFolder) -> None:
    done = project.doit("plan", "--json", "--cheks")

    assert (done.code, done.err) == (3, "")
    answer = json.loads(done.out)
    assert (answer["command"], answer["status"]) == ("plan", "error")
    assert answer["diagnostics"][0]["what"] == "no option '--cheks'"


def test_a_project_that_is_not_hygges_hears_doit(project: ProjectFolder) -> None:
    project.write("dodo.py", "def task_a():\n    return {'actions': ['true']}\n")
    done = project.doit("list", "--cheks")

    assert done.code == 3
    assert done.err.startswith("ERROR: Error parsing Command: option --cheks not recognized")


def test_outside_of_a_project_programs_are_answered_too(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import hygge.cli; hygge.cli.main()", "plan", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (3, "")
    answer = json.loads(done.stdout)
    assert (answer["command"], answer["status"]) == ("plan", "error")
    assert [each["what"] for each in answer["diagnostics"]] == ["no project here"]


def test_without_a_dodo_file_programs_are_answered_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "doit", "plan", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (3, "")
    (problem,) = json.loads(done.stdout)["diagnostics"]
    assert problem["what"] == f"Could not find dodo file '{tmp_path / 'dodo.py'}'"


def test_outside_of_a_project_a_reader_who_has_seen_enough_sees_no_traceback(
    tmp_path: Path,
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", "import hygge.cli; hygge.cli.main()", "--help"]
    done = subprocess.run(command, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)

    assert (done.returncode, done.stderr) == (141, b"")
