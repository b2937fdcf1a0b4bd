"""This is where the operating system is asked to tell of changes at some places on the disk."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hygge.errors import HomeError
from hygge.watching.places import Folders, Place

STEP = 50
"""Milliseconds between two looks at what the operating system has told."""

READY = 100
"""Milliseconds after which a thread says that it listens, if nothing has changed by then."""


@dataclass(frozen=True)
class Heard:
    """A change at one of the places, or the reason for which no more are heard."""

    path: str = ""
    """Absolute; empty if it is not known what changed."""
    error: HomeError | None = None


@dataclass
class _Thread:
    """Listens at some folders, with or without what lies below them."""

    folders: Sequence[str]
    recursive: bool
    stop: threading.Event
    ready: threading.Event = field(default_factory=threading.Event)


class Listener:
    """Puts what changes at the places it was given last into a queue.

    Args:
        root: The project's.
        heard: Gets a `Heard` for each change.
    """

    def __init__(self, root: Path, heard: queue.SimpleQueue[Heard]) -> None:
        self._root = root
        self._heard = heard
        self._places: Collection[Place] = ()
        self._folders: Folders | None = None
        self._stop = threading.Event()

    def listen(self, places: Collection[Place]) -> bool:
        """Listen at *places* instead; return False if these folders were listened at already.

        When this returns, no later change is missed.
        """
        self._places = places
        folders = Folders.of(places, self._root)
        if folders == self._folders and not self._stop.is_set():
            return False
        self.close()
        self._folders, self._stop = folders, threading.Event()
        threads = [
            _Thread([path for path, _ in each], recursive, self._stop)
            for each, recursive in ((folders.whole, True), (folders.single, False))
            if each
        ]
        # Signals are the main thread's, which holds them back at times.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            for each in threads:
                # Daemons: a system that does not answer must not keep this process alive.
                threading.Thread(target=self._listen, args=(each,), daemon=True).start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for each in threads:
            each.ready.wait()
        return True

    def close(self) -> None:
        """Listen no more."""
        self._stop.set()

    def _listen(self, thread: _Thread) -> None:
        import watchfiles

        try:
            for changes in watchfiles.watch(
                *thread.folders,
                watch_filter=None,
                debounce=2 * STEP,
                step=STEP,
                stop_event=thread.stop,
                rust_timeout=READY,
                yield_on_timeout=True,
                raise_interrupt=False,
                recursive=thread.recursive,
                ignore_permission_denied=True,
            ):
                thread.ready.set()
                for change, path in changes:
                    # What changes in a folder is told of its own.
                    of_folder = change == watchfiles.Change.modified and os.path.isdir(path)
                    if not of_folder and any(place.means(path) for place in self._places):
                        self._heard.put(Heard(path))
        except FileNotFoundError:
            # A folder went while the places were told; they are to be told anew.
            self._folders = None
            self._heard.put(Heard())
        except (OSError, RuntimeError) as error:
            hint = "raise the system's limit, fs.inotify.max_user_watches, or let it look itself: "
            hint += "WATCHFILES_FORCE_POLLING=1"
            what = f"the project's folders can't be watched: {error}"
            self._heard.put(Heard(error=HomeError(what, thread.folders[0], hint)))
        finally:
            thread.ready.set()
