"""A shell completes commands, flows, partitions, options and runs, at once."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import resource
import select
import shutil
import sqlite3
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from conftest import ProjectFolder

from hygge import partition
from hygge import project as projects
from hygge.completion import names
from hygge.completion.line import Line, glued
from hygge.completion.table import Command, Option, read, written

SHELLS = ("bash", "fish", "zsh")

DEADLINE = 60.0
"""Seconds; a shell on a busy machine may be slow to begin."""

LONGEST_WAIT = 0.15
"""Seconds that a person may wait for an answer."""

BASH = """
source {script}
complete_it() {{
    COMP_LINE=$1 COMP_POINT=${{2:-${{#1}}}} COMP_CWORD=0 COMP_WORDS=(doit)
    COMPREPLY=()
    _hygge
    printf '%s\\n' "${{COMPREPLY[@]}}"
}}
"""

needs_zsh = pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
needs_fish = pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the script for each shell."""
    folder = tmp_path_factory.mktemp("scripts")
    for shell in SHELLS:
        done = subprocess.run(
            [sys.executable, "-m", "doit", "completion", shell],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        (folder / f"doit.{shell}").write_text(done.stdout, encoding="utf-8")
    return folder


@pytest.fixture
def landed(project: ProjectFolder) -> ProjectFolder:
    """A project with flows, entities and a few names that are odd, all of it moved once."""
    project.months(12)
    project.parquet("data/home/odd/a b.parquet")
    project.parquet("data/home/odd/it's $HOME*.parquet")
    project.flow("odd", "home: data/home/odd\nstore: data/store/odd\n")
    project.parquet("data/home/landing/planes/planes.parquet")
    project.parquet("data/home/landing/users/users.parquet")
    project.flow(
        "landing",
        """\
        home: data/home/landing
        store: data/store/landing
        entities: "*"
        """,
    )
    assert project.doit().code == 0
    return project


def environment() -> dict[str, str]:
    """Return the environment of a shell that finds `doit` first where this Python lies."""
    here = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": os.pathsep.join([here, os.environ["PATH"]]), "TERM": "dumb"}


def in_bash(scripts: Path, folder: Path, line: str, *more: str) -> list[str]:
    """Return what bash is told that the last word of *line* can become."""
    program = BASH.format(script=scripts / "doit.bash") + 'complete_it "$@"'
    done = subprocess.run(
        ["bash", "--norc", "-c", program, "bash", line, *more],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return [each for each in done.stdout.split("\n") if each]


def in_fish(scripts: Path, folder: Path, line: str) -> list[str]:
    """Return what fish offers for the last word of *line*, each with what it means."""
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source {scripts}/doit.fish; complete -C $argv[1]", line],
        cwd=folder,
        env={**environment(), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A shell with a person before it."""

    def __init__(self, words: Sequence[str], folder: Path) -> None:
        self._terminal, inside = pty.openpty()
        self._shell = subprocess.Popen(
            words,
            cwd=folder,
            env={**environment(), "HOME": str(folder)},
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(inside)
        self.shown = ""

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def until(self, pattern: str) -> re.Match[str]:
        """Wait until *pattern* was shown after all that was waited for before."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            match = re.search(pattern, self.shown)
            if match:
                self.shown = self.shown[match.end() :]
                return match
            if select.select([self._terminal], [], [], 0.1)[0]:
                self.shown += os.read(self._terminal, 65536).decode(errors="replace")
        raise AssertionError(f"no {pattern!r} in:\n{self.shown}")

    def close(self) -> None:
        self._shell.kill()
        self._shell.wait()
        os.close(self._terminal)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def begin(words: Sequence[str], folder: Path) -> Terminal:
        opened.append(Terminal(words, folder))
        return opened[-1]

    yield begin
    for each in opened:
        each.close()


# What the last word can become


def test_commands_come_first_then_flows(scripts: Path, landed: ProjectFolder) -> None:
    found = in_bash(scripts, landed.root, "doit ")

    flows = ["flights", "landing", "landing.planes", "landing.users", "odd"]
    assert found[-5:] == flows
    assert {"run", "plan", "why", "watch", "completion", "forget"} <= set(found[:-5])
    assert found[:-5] == sorted(found[:-5])


def test_partitions_come_after_the_colon_only(scripts: Path, landed: ProjectFolder) -> None:
    assert in_bash(scripts, landed.root, "doit run fl") == ["flights"]

    assert in_bash(scripts, landed.root, "doit run flights:2013-1") == [
        "2013-10",
        "2013-11",
        "2013-12",
    ]


def test_partitions_come_in_natural_order(scripts: Path, project: ProjectFolder) -> None:
    for key in ("2", "10", "1"):
        project.parquet(f"data/home/parts/{key}.parquet")
    project.flow("parts", "home: data/home/parts\nstore: data/store/parts\n")
    project.doit()

    assert in_bash(scripts, project.root, "doit parts:") == ["1", "2", "10"]


@pytest.mark.parametrize("command", ["run", "plan", "why", "info", "forget", "ignore", "clean"])
def test_names_follow_commands_that_take_them(
    scripts: Path, landed: ProjectFolder, command: str
) -> None:
    assert in_bash(scripts, landed.root, f"doit {command} landing.") == [
        "landing.planes",
        "landing.users",
    ]
    assert in_bash(scripts, landed.root, f"hygge {command} landing.planes:") == ["planes"]


@pytest.mark.parametrize("command", ["show", "tail"])
def test_runs_follow_commands_about_runs(
    scripts: Path, landed: ProjectFolder, command: str
) -> None:
    landed.parquet("data/home/flights/2014-01.parquet")
    landed.doit()

    ids = sorted((each.name for each in (landed.root / ".hygge/runs").iterdir()), reverse=True)
    assert len(ids) == 2
    assert in_bash(scripts, landed.root, f"doit {command} ") == ids


def test_shells_and_schemas_follow_their_commands(scripts: Path, project: ProjectFolder) -> None:
    assert in_bash(scripts, project.root, "doit completion ") == ["bash", "fish", "zsh"]
    assert in_bash(scripts, project.root, "doit schema ")[:2] == ["flow", "project"]
    assert "watch" in in_bash(scripts, project.root, "doit help w")


def test_options_of_the_command_come_after_a_dash(scripts: Path, project: ProjectFolder) -> None:
    assert in_bash(scripts, project.root, "doit watch --de") == ["--debounce"]
    assert "--allow-prune" in in_bash(scripts, project.root, "doit --al")
    assert "--allow-prune" not in in_bash(scripts, project.root, "doit plan --al")
    assert in_bash(scripts, project.root, "doit run --backend ") != []


def test_what_an_option_waits_for_is_no_name(scripts: Path, landed: ProjectFolder) -> None:
    assert in_bash(scripts, landed.root, "doit run --output-file ") == []
    assert in_bash(scripts, landed.root, "doit run -o x fli") == ["flights"]


def test_no_command_comes_after_a_name(scripts: Path, landed: ProjectFolder) -> None:
    assert in_bash(scripts, landed.root, "doit odd ") == [
        "flights",
        "landing",
        "landing.planes",
        "landing.users",
        "odd",
    ]


def test_names_with_odd_characters_are_quoted_for_bash(
    scripts: Path, landed: ProjectFolder
) -> None:
    assert in_bash(scripts, landed.root, "doit odd:") == [r"a\ b", r"it\'s\ \$HOME\*"]
    assert in_bash(scripts, landed.root, r"doit odd:a\ ") == [r"a\ b"]
    assert in_bash(scripts, landed.root, "doit 'odd:a") == ["odd:a b"]


def test_completion_works_below_the_root(scripts: Path, landed: ProjectFolder) -> None:
    assert in_bash(scripts, landed.root / "data/home", "hygge run od") == ["odd"]


def test_the_word_ends_at_the_cursor(scripts: Path, landed: ProjectFolder) -> None:
    assert in_bash(scripts, landed.root, "doit run odxyz", "11") == ["odd"]


def test_words_are_enough_where_no_line_is_given(scripts: Path, landed: ProjectFolder) -> None:
    program = (
        f"source {scripts}/doit.bash; COMP_WORDS=(doit run flights : 2013-1) COMP_CWORD=4; "
        'COMP_LINE= COMP_POINT=; _hygge; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", program], cwd=landed.root, env=environment(), capture_output=True, text=True
    )

    assert done.stdout == "2013-10 2013-11 2013-12\n"


# Projects that are not as one would like them


def test_nothing_is_wrong_where_there_is_no_project(scripts: Path, tmp_path: Path) -> None:
    found = in_bash(scripts, tmp_path, "doit ")

    assert "run" in found
    assert in_bash(scripts, tmp_path, "doit run x") == []
    assert in_bash(scripts, tmp_path, "doit run x:") == []


def test_flows_that_were_never_moved_are_known(scripts: Path, project: ProjectFolder) -> None:
    project.months()
    project.write("flows/users/flow.yml", "home: [broken")
    project.write("flows/users/entities/old.yml", "")

    assert in_bash(scripts, project.root, "doit run ") == ["flights", "users", "users.old"]
    assert in_bash(scripts, project.root, "doit run flights:") == []
    assert not (project.root / ".doit.db").exists()


def test_flows_in_another_folder_are_known(scripts: Path, project: ProjectFolder) -> None:
    project.write("hygge.yml", "flows_dir: 'my flows'  # moved\n")
    project.write("my flows/users.yml", "home: x\nstore: y\n")

    assert in_bash(scripts, project.root, "doit run ") == ["users"]


def test_a_damaged_state_costs_the_partitions_only(scripts: Path, landed: ProjectFolder) -> None:
    (landed.root / ".doit.db").write_bytes(b"SQLite format 3\0 but no more")

    assert in_bash(scripts, landed.root, "doit run ") == ["flights", "landing", "odd"]
    assert in_bash(scripts, landed.root, "doit run flights:") == []


def test_a_state_that_is_being_written_is_read(scripts: Path, landed: ProjectFolder) -> None:
    writer = sqlite3.connect(landed.root / ".doit.db")
    writer.execute("BEGIN EXCLUSIVE")
    writer.execute("DELETE FROM tasks")
    try:
        found = in_bash(scripts, landed.root, "doit run flights:2013-01")
    finally:
        writer.rollback()
        writer.close()

    assert found == ["2013-01"]


def test_tasks_of_ones_own_are_known_once_they_ran(scripts: Path, project: ProjectFolder) -> None:
    project.months(1)
    project.write(
        "dodo.py",
        """\
        from hygge.tasks import DOIT_CONFIG, task_hygge

        def task_report():
            return {"actions": ["true"], "file_dep": ["data/store/flights/2013-01.parquet"]}
        """,
    )
    project.doit()

    assert in_bash(scripts, project.root, "doit run ") == ["flights", "report"]


def test_an_unknown_shell_is_refused(project: ProjectFolder) -> None:
    result = project.doit("completion", "fisch")

    assert result.code == 3
    assert result.err == "error: no completion for 'fisch'\n  try: did you mean 'fish'?\n"
    assert project.doit("completion").err == (
        "error: completion for which shell?\n  try: one of 'bash', 'fish', 'zsh'\n"
    )


# The shells themselves


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_can_read_its_script(scripts: Path, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")

    done = subprocess.run([shell, "-n", str(scripts / f"doit.{shell}")], capture_output=True)

    assert (done.returncode, done.stderr) == (0, b"")


def test_a_person_completes_in_bash(
    scripts: Path, landed: ProjectFolder, terminal: Callable[..., Terminal]
) -> None:
    bash = terminal(["bash", "--norc", "-i"], landed.root)
    bash.type(f"PS1='> '; source {scripts}/doit.bash; echo rea''dy\n")
    bash.until("ready\r\n")
    bash.type('doit() { echo "<$1|$2>"; }\n')
    bash.type("doit run flig\t:2013-1\t2\n")

    assert bash.until("<run[|]flights:2013-12>")


@needs_zsh
def test_a_person_completes_in_zsh(
    scripts: Path, landed: ProjectFolder, terminal: Callable[..., Terminal]
) -> None:
    zsh = terminal(["zsh", "-f", "-i"], landed.root)
    zsh.type(
        f"PS1='> '; autoload -U compinit; compinit -u -D; source {scripts}/doit.zsh; echo rea''dy\n"
    )
    zsh.until("ready\r\n")
    zsh.type('doit() { echo "<$1|$2>" }\n')
    zsh.until("\n.*> ")
    zsh.type("doit run flig\t")
    zsh.until("flights")
    zsh.type(":2013-1\t2\n")
    zsh.until("<run[|]flights:2013-12>")
    zsh.type("doit run odd:a\t\n")

    assert zsh.until("<run[|]odd:a b>")


@needs_zsh
def test_zsh_says_what_commands_are_for(
    scripts: Path, landed: ProjectFolder, terminal: Callable[..., Terminal]
) -> None:
    zsh = terminal(["zsh", "-f", "-i"], landed.root)
    zsh.type(
        f"PS1='> '; autoload -U compinit; compinit -u -D; source {scripts}/doit.zsh; echo rea''dy\n"
    )
    zsh.until("ready\r\n")
    zsh.type("doit re\t\t")

    assert zsh.until("reset-dep")


@needs_fish
def test_fish_offers_names_and_what_they_mean(scripts: Path, landed: ProjectFolder) -> None:
    assert in_fish(scripts, landed.root, "doit run flights:2013-1") == [
        "flights:2013-10",
        "flights:2013-11",
        "flights:2013-12",
    ]
    assert in_fish(scripts, landed.root, "doit wat") == [
        "watch\trun, and run again whenever a saved file makes something stale"
    ]
    assert in_fish(scripts, landed.root, "hygge run odd:a") == ["odd:a b"]


# At once


def seconds_used_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_ten_thousand_partitions_are_completed_at_once(
    scripts: Path, project: ProjectFolder
) -> None:
    project.months(1)
    project.doit()
    with sqlite3.connect(project.root / ".doit.db") as state:
        rows = ((f"flights:p{i:05}", "x" * 500, "run", "") for i in range(10_000))
        state.executemany("INSERT INTO tasks VALUES (?, ?, ?, ?)", rows)
    state.close()
    times: dict[str, list[tuple[float, float]]] = {}
    for line, count in (("doit flights:p", 10_000), ("doit fl", 1), ("doit flights:p0123", 10)):
        for _ in range(5):
            began, used = time.perf_counter(), seconds_used_by_children()
            found = in_bash(scripts, project.root, line)
            # What others do on this machine meanwhile is not counted.
            used = seconds_used_by_children() - used
            times.setdefault(line, []).append((used, time.perf_counter() - began))
            assert len(found) == count
    print({line: [f"{s * 1000:.0f} ms" for s in min(each)] for line, each in times.items()})

    assert max(min(each)[0] for each in times.values()) < LONGEST_WAIT


def test_what_answers_loads_nothing_heavy(project: ProjectFolder) -> None:
    program = "import sys, hygge.completion.__main__; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}

    assert "hygge" in loaded
    assert loaded & {"doit", "polars", "pyarrow", "yaml", "jsonschema", "rich", "filelock"} == set()


# The parts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("doit ", ("doit", "")),
        ("doit  run  x", ("doit", "run", "x")),
        ("doit 'a b", ("doit", "a b")),
        ("doit 'a b' ", ("doit", "a b", "")),
        (r"doit a\ b", ("doit", "a b")),
        (r'doit "a\"b', ("doit", 'a"b')),
        ("doit ''", ("doit", "")),
        ("doit a\\", ("doit", "a")),
    ],
)
def test_a_line_is_split_as_a_shell_does(text: str, words: tuple[str, ...]) -> None:
    assert Line.parse(text).words == words


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["doit", "run", "flights", ":", "x"], ("doit", "run", "flights:x")),
        (["doit", "run", "flights", ":"], ("doit", "run", "flights:")),
        (["doit", "run", "flights", ":", ""], ("doit", "run", "flights:")),
        (["doit", "run", "flights:x"], ("doit", "run", "flights:x")),
        (["doit", "run", ""], ("doit", "run", "")),
        (["doit", "run", "--opt", "=", "v"], ("doit", "run", "--opt=v")),
    ],
)
def test_words_that_bash_broke_are_put_together(words: list[str], line: tuple[str, ...]) -> None:
    assert glued(words).words == line


def test_a_table_is_read_as_it_was_written() -> None:
    options = (Option("--all", False, "all of it"), Option("-r", True, "", ("json", "zero")))
    commands = [Command("run", "moves", options), Command("plan", "")]

    assert list(read(written(commands)).values()) == commands


def test_the_root_is_found_by_the_same_files() -> None:
    assert names.MARKERS == projects.MARKERS
    assert names.SUFFIXES == projects.FLOW_SUFFIXES
    assert [names.natural(each) for each in ("a10", "a2", "")] == [
        partition.natural(each) for each in ("a10", "a2", "")
    ]
