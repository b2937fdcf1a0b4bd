"""What is waited for is there, or is gone for a reason that is no failure."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from hygge.durability import sync_removals


def test_folder_that_goes_while_a_removal_is_synced_is_no_failure(tmp_path: Path) -> None:
    """A bug: of two threads that emptied a folder, one failed when the other removed it."""
    folder = tmp_path / "store/k=x"
    folder.parent.mkdir()
    ended = threading.Event()

    def come_and_go() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError):
                folder.mkdir()
                folder.rmdir()

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        for _ in range(3000):
            sync_removals([folder])
    finally:
        ended.set()
        other.join()

    assert folder.parent.is_dir()
