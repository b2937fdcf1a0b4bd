"""This is where a watch waits for changes, and runs what they make stale."""

from __future__ import annotations

import queue
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from hygge import redaction
from hygge.events import new_run_id
from hygge.watching.changes import changes
from hygge.watching.child import SIGNALS, Children
from hygge.watching.kept import Kept
from hygge.watching.listener import Heard, Listener
from hygge.watching.record import Record
from hygge.watching.sight import Sight, Trouble

NOTHING = "nothing is moved until that is mended"
"""What is said where no good configuration was seen, or that can't be used any more either."""

GOES_ON = "the last good configuration is kept until that is mended"
"""What is said where data is moved as that one says."""

LONGEST = 10
"""How many times the debounce a watch waits at most for changes to pause."""


@dataclass(frozen=True)
class Asked:
    """What the command line says."""

    names: Sequence[str] = ()
    """Flows, partitions and tasks to be watched; empty for all."""
    options: Sequence[str] = ()
    """What each run is given beside."""
    debounce: float = 0.3
    """Seconds without a change, before one is looked at."""
    command: Sequence[str] = ()
    """All of it, as it was typed."""


@dataclass
class Watch:
    """Keeps one project up to date until it is told to stop."""

    root: Path
    asked: Asked
    _heard: queue.SimpleQueue[Heard] = field(default_factory=queue.SimpleQueue)
    _good: Sight | None = None
    """What the last usable configuration says."""
    _told: tuple[Trouble, ...] = ()
    """What was last said to be wrong with the present one."""
    _until_mended: str = ""
    """What was last said of what happens until that is mended."""
    _tried: set[tuple[str, str]] = field(default_factory=set)
    """What the last run left stale; the next one would too, unless something of it changes."""
    _news: bool = False
    """Whether anything was said or shown since it was last said that changes are waited for."""

    def __post_init__(self) -> None:
        self._children = Children(self.root)
        self._listener = Listener(self.root, self._heard)
        watch, own = new_run_id(), self.root / ".hygge"
        self._record = Record(own / "runs", watch, self.asked.command)
        self._kept = Kept(own / "watch", watch)

    def keep_up(self) -> int:
        """Run once, then whenever something is stale; return the number of the signal that ends it.

        Raises:
            HyggeError: What is asked for is not there, or can't be watched. Nothing was started.
        """
        before = {
            number: signal.signal(number, self._stop)
            for number in SIGNALS
            if signal.getsignal(number) is not signal.SIG_IGN
        }
        try:
            with self._kept.opened():
                self._go_on()
        finally:
            self._listener.close()
            self._record.close()
            for number, handler in before.items():
                signal.signal(number, handler)
        _say("stopped")
        return self._children.stopped_by

    def _is_over(self) -> bool:
        return bool(self._children.stopped_by)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._children.stop(number)
        self._heard.put(Heard())

    def _go_on(self) -> None:
        first = True
        while not self._is_over():
            present, kept = self._look()
            if self._is_over():
                return
            if present.unusable is not None and self._good is None:
                raise present.unusable.error
            if _is_good(present):
                self._accept(present)
                usable: Sight | None = present
            else:
                usable = self._reject(present, kept)
            if usable is not None and (first or self._is_due(usable)):
                first = False
                self._run(usable)
            else:
                self._wait()

    def _look(self) -> tuple[Sight, Sight | None]:
        """Return what is stale by the present configuration, and by the last good one.

        All that happens from then on is heard. The second is None where it is not needed, or
        there is none.
        """
        while True:
            _drain(self._heard)
            sight, kept = self._children.look(self.asked.names, self._kept.fresh()), None
            places = {*sight.places}
            if self._good is not None and not _is_good(sight):
                # What can't be used does not say where all of it lies.
                places |= {*self._good.places}
                if sight.rejected and self._kept.good is not None and not self._is_over():
                    kept = self._children.look_by(self._kept.good, self.asked.names)
                    places |= {*kept.places}
            if self._is_over() or not self._listener.listen(places):
                return sight, kept

    def _accept(self, sight: Sight) -> None:
        """Keep what is good; say so if that is news."""
        if self._told:
            _say("mended")
            self._news = True
        self._told, self._until_mended = (), ""
        self._kept.keep()
        found = [] if self._good is None else list(changes(self._good, sight))
        if found:
            _say(f"changed: {_some([each.path for each in found])}")
            self._record.changed(found)
            self._news = True
        self._good = sight

    def _reject(self, present: Sight, kept: Sight | None) -> Sight | None:
        """Say what is wrong, unless that was said last; return *kept* if it can be used."""
        wrong = _wrong(present)
        usable = kept if kept is not None and _is_good(kept) else None
        if kept is not None:
            wrong = tuple(dict.fromkeys([*wrong, *_wrong(kept)]))
        if wrong != self._told:
            for each in wrong:
                sys.stderr.write(f"error: {redaction.hide(str(each.error))}\n")
            self._record.rejected(wrong)
            self._told, self._news = wrong, True
        until_mended = NOTHING if usable is None else GOES_ON
        if until_mended != self._until_mended:
            _say(until_mended)
            self._until_mended, self._news = until_mended, True
        return usable

    def _is_due(self, sight: Sight) -> bool:
        stale = {*sight.stale.items()}
        # What has been up to date since is no failure any more.
        self._tried &= stale
        due = sorted(task for task, _ in stale - self._tried)
        if due:
            _say(f"stale: {_some(due)}")
        return bool(due)

    def _run(self, sight: Sight) -> None:
        self._news = True
        words = ["--wait", *self.asked.options, *self.asked.names]
        code = self._children.run(words, self._kept.good)
        self._tried = {*sight.stale.items()}
        if code < 0 and not self._is_over():
            _say(f"the run was ended by {signal.Signals(-code).name}; the next change goes on")

    def _wait(self) -> None:
        """Wait for a change, and then until no more come for a while.

        Raises:
            HomeError: No more can be heard.
        """
        if self._news and not self._is_over():
            _say("waiting for changes; Ctrl-C ends it")
        self._news = False
        heard = self._heard.get()
        latest = time.monotonic() + LONGEST * self.asked.debounce
        while heard.error is None and not self._is_over():
            left = min(self.asked.debounce, latest - time.monotonic())
            try:
                heard = self._heard.get(timeout=max(left, 0))
            except queue.Empty:
                return
        if heard.error is not None:
            raise heard.error


def _wrong(sight: Sight) -> tuple[Trouble, ...]:
    return (*sight.rejected, *([sight.unusable] if sight.unusable else ()))


def _is_good(sight: Sight) -> bool:
    return not _wrong(sight)


def _drain(heard: queue.SimpleQueue[Heard]) -> None:
    """Take what was heard before a look, which sees it anyway.

    Raises:
        HomeError: No more can be heard.
    """
    while not heard.empty():
        each = heard.get()
        if each.error is not None:
            raise each.error


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
    return f"{names[0]}{more}"


def _say(text: str) -> None:
    # Not to stdout: there a run may write for programs.
    sys.stdout.flush()
    sys.stderr.write(f"watch: {redaction.hide(text)}\n")
    sys.stderr.flush()
