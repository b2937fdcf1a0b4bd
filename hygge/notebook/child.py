"""This is where a run that Python code asks for is a process of its own: the command line's."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hygge
from hygge import document, project

PROGRAM = """import sys
sys.path.append(sys.argv[2])
from hygge.notebook.child import main
main(sys.argv[1])"""

NOTHING_STARTED = 3
"""Exit code: what kept the run from being started was told."""

ASKED, EVENTS, PRINTED = "asked.json", "events.jsonl", "printed.txt"


@dataclass(frozen=True)
class Ended:
    """How the process ended."""

    code: int
    """As a shell has it: 128 and more are signals."""
    events: tuple[Mapping[str, Any], ...]
    """Of the run, in their order."""
    printed: str


class Child:
    """The process of one run. It stops in good order when this one ends before it.

    Args:
        root: The project's root.
        given: The text of flows without a file, by (name, what stands for the file).
        words: What would be typed after ``doit``.
    """

    def __init__(
        self, root: Path, given: Mapping[str, tuple[str, str]], words: Sequence[str]
    ) -> None:
        self._made = tempfile.TemporaryDirectory(prefix="hygge-")
        self._folder = Path(self._made.name)
        asked = json.dumps({"given": given, "words": list(words)})
        (self._folder / ASKED).write_text(asked, encoding="utf-8")
        package = str(Path(hygge.__file__).parent.parent)
        with (self._folder / PRINTED).open("wb") as printed:
            # A session of its own: a Ctrl-C reaches it once, by `interrupt`, in a terminal too.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", PROGRAM, str(self._folder), package],
                cwd=root,
                stdin=subprocess.PIPE,  # never written to: it closes when this process is gone
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Ask for an orderly stop; asked twice, it stops at once."""
        self._process.send_signal(number)

    def wait(self) -> Ended:
        """Return how it ended, when it has."""
        self._process.wait()
        return self._ended()

    def _ended(self) -> Ended:
        code = self._process.returncode
        assert self._process.stdin is not None
        self._process.stdin.close()
        with self._made:
            printed = (self._folder / PRINTED).read_text(encoding="utf-8", errors="replace")
            events = tuple(_events(self._folder / EVENTS))
        return Ended(code if code >= 0 else 128 - code, events, printed)

    def wait_passing_on_interrupts(self) -> Ended:
        """Return how it ended; a Ctrl-C stops it, and is raised again when it has stopped.

        Raises:
            KeyboardInterrupt: There was one.
        """
        interrupted = None
        while self._process.returncode is None:
            try:
                self._process.wait()
            except KeyboardInterrupt as error:
                interrupted = error
                self.interrupt()
        ended = self._ended()
        if interrupted is not None:
            raise interrupted
        return ended


def _events(file: Path) -> list[Mapping[str, Any]]:
    """Return the events in *file*; none if it is not there, without a last line cut off."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines[:-1]]


def main(folder: str) -> None:
    """Run what is asked for in *folder*; exit with the code of `doit`."""
    from hygge import cli, tasks

    asked = json.loads((Path(folder) / ASKED).read_text(encoding="utf-8"))
    left_alone = threading.Event()
    _stop_when_left_alone(left_alone)
    project.give(
        Path.cwd(),
        {name: document.parse(text, file) for name, (file, text) in asked["given"].items()},
    )
    # What the run's manifest and the project's lock say was typed.
    sys.argv = ["hygge", *asked["words"]]
    output = ["-r", "json", "-o", str(Path(folder) / EVENTS)]
    code = cli._main([asked["words"][0], *output, *asked["words"][1:]])
    if code == 0 and tasks.current.plan is None:
        sys.stderr.write(f"error: {tasks.not_configured()}\n")
        code = NOTHING_STARTED
    if left_alone.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code)


def _stop_when_left_alone(left_alone: threading.Event) -> None:
    """Stop in good order when the process that asked is gone; leave standard input empty."""
    alive = os.dup(0)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)

    def watch() -> None:
        while os.read(alive, 1):
            pass
        left_alone.set()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="hygge-alive", daemon=True).start()
