"""This is where a disk is made that is soon full, or that loses what it can't hold.

It is mounted where nobody else sees it: in a mount namespace of its own, which goes with the
process that holds it. As an ordinary user that process has a user namespace too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

MEMORY = 'mount -t tmpfs -o size="$1" none "$0"'
"""A disk that says at once that it is full."""

LATE = """{ mkdir -p "$0.backing" && mount -t tmpfs -o size="$1" none "$0.backing" &&
truncate -s 64M "$0.backing/image" &&
mke2fs -q -t ext4 -O ^has_journal -N 64 "$0.backing/image" &&
mount -o loop "$0.backing/image" "$0" &&
mkdir "$0/it" && (cd "$0/it" && touch 1 2 3 4 5 6 7 8 && sync && rm * && sync); }"""
"""A disk that takes 64 MB and says only when it is synced that it holds no more than it does.

Its own records have their place before: what gets lost is bytes of files."""


class SmallDisk:
    """A disk mounted at a folder.

    Args:
        folder: Made if it is not there; absolute, free of links.
        size: As tmpfs takes it: ``400k``.
        how: `MEMORY` or `LATE`.
    """

    def __init__(self, folder: Path, size: str, how: str = MEMORY) -> None:
        if sys.platform != "linux":
            pytest.skip("no mount namespaces here")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        is_root = os.geteuid() == 0
        if how == LATE and not is_root:
            pytest.skip("only root may mount what a file holds")
        script = f"{how} && echo ready && exec cat"
        flags = ["--mount"] if is_root else ["--mount", "--map-root-user"]
        self._holder = subprocess.Popen(
            ["unshare", *flags, "sh", "-c", script, str(folder), size],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "ready\n":
            _, problem = self._holder.communicate()
            pytest.skip(f"no disk can be mounted here: {problem.strip()}")
        entering = [] if is_root else ["--user", "--preserve-credentials"]
        self.enter: Sequence[str] = ["nsenter", "-t", str(self._holder.pid), "--mount", *entering]
        """What a command begins with that is to see the disk."""

    def seen(self, path: Path) -> Path:
        """Return where *path*, as it is called where the disk is seen, is from outside."""
        return Path(f"/proc/{self._holder.pid}/root") / path.relative_to("/")

    @property
    def root(self) -> Path:
        """The folder, from outside."""
        return self.seen(self._folder)

    def run(self, *command: str) -> None:
        """Run *command* where the disk is seen."""
        subprocess.run([*self.enter, *command], check=True, capture_output=True)

    def resize(self, size: str, beneath: str = "") -> None:
        """Make room; *beneath* is what follows the folder's name where the room is."""
        self.run("mount", "-o", f"remount,size={size}", f"{self._folder}{beneath}")

    def forget(self) -> None:
        """Unmount and mount again what a file holds, so that nothing comes from memory."""
        self.run("umount", str(self._folder))
        self.run("mount", "-o", "loop", f"{self._folder}.backing/image", str(self._folder))

    def fill(self, left: int) -> None:
        """Leave no more than *left* bytes."""
        disk = os.statvfs(self.root)
        (self.root / "filler").write_bytes(bytes(max(disk.f_bavail * disk.f_frsize - left, 0)))

    def empty(self) -> None:
        """Take back what `fill` did."""
        (self.root / "filler").unlink(missing_ok=True)

    def close(self) -> None:
        """Let it go, with all that is on it."""
        self._holder.communicate()
