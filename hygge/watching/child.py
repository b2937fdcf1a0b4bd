"""This is where looks and runs are started as processes of their own, and told to stop."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hygge.watching.sight import Sight, Trouble

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends a watch."""

PROGRAM = "from hygge.commands import looking; looking.{what}({copies!r})"


@dataclass
class Children:
    """Starts one process at a time in the project's folder."""

    root: Path
    stopped_by: int = 0
    """Number of the signal that asked to stop; 0 if none did."""
    _process: subprocess.Popen[str] | None = None
    _running: bool = field(default=False)

    def stop(self, number: int) -> None:
        """Start nothing more; hand the signal on. Safe to call from a signal's handler."""
        self.stopped_by = number
        if self._process is not None and self._process.poll() is None:
            # A look has nothing to finish.
            self._process.send_signal(number if self._running else signal.SIGKILL)

    def look(self, names: Sequence[str], into: Path) -> Sight:
        """Return what a run of *names* would do, and all that this depends on.

        The configuration that it saw is in *into* then, if it could be copied.
        """
        return self._seen("look", names, into)

    def look_by(self, copies: Path, names: Sequence[str]) -> Sight:
        """Return what a run of *names* would do by the configuration that is in *copies*."""
        return self._seen("look_by", names, copies)

    def _seen(self, what: str, names: Sequence[str], copies: Path) -> Sight:
        process = self._started(what, names, copies)
        if process is None:
            return Sight()
        out, err = process.communicate()
        try:
            return Sight.from_json(out.rstrip("\n").rpartition("\n")[2])
        except ValueError:
            last = err.rstrip("\n").rpartition("\n")[2] or f"it ended with {process.returncode}"
            trouble = Trouble("ConfigError", f"the project can't be loaded: {last}", "dodo.py")
            return Sight(rejected=() if self.stopped_by else (trouble,))

    def run(self, words: Sequence[str], copies: Path | None) -> int:
        """Run with the options and names in *words*; return the exit code, negative for a signal.

        The configuration is the one in *copies*, or the present one. What the run shows goes where
        this process' output goes.
        """
        process = self._started("run", words, copies)
        return 0 if process is None else process.wait()

    def _started(
        self, what: str, words: Sequence[str], copies: Path | None
    ) -> subprocess.Popen[str] | None:
        running = what == "run"
        pipe = None if running else subprocess.PIPE
        program = PROGRAM.format(what=what, copies=copies and str(copies))
        # None is to come before it is known whom to hand it on to, nor before that one is ready.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            if self.stopped_by:
                return None
            self._running = running
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", program, *words],
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=pipe,
                stderr=pipe,
                text=True,
                errors="replace",
                # A Ctrl-C comes to this process alone, which hands it on: it would come twice.
                process_group=0,
            )
            return self._process
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
