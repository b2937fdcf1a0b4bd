"""This is where the suites of faults get what they share: a server, and a line of counts."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from laws.server import Server

from faults.disturbed import Server as DisturbedServer
from faults.results import record

MEMORY = Path("/dev/shm")

ROOM = 2 * 10**9
"""Bytes that all projects of a session may take together."""


@pytest.fixture(scope="session")
def memory() -> Iterator[Path | None]:
    """A folder on a disk in memory, where waiting for the disk costs nothing; None without one."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM or _is_restricted(MEMORY):
        yield None
        return
    with tempfile.TemporaryDirectory(dir=MEMORY, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _is_restricted(folder: Path) -> bool:
    """Tell whether files below *folder* may not be what files elsewhere may be: devices."""
    return bool(os.statvfs(folder).f_flag & getattr(os, "ST_NODEV", 4))


@pytest.fixture
def tmp_path(tmp_path: Path, memory: Path | None) -> Path:
    """Where a test has its project: hundreds of runs wait for the disk, and it is not on trial."""
    if memory is None:
        return tmp_path
    folder = memory / tmp_path.name
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """What `doit` is typed into, hundreds of times."""
    started = Server()
    yield started
    started.close()


@pytest.fixture(scope="module")
def disturbed() -> Iterator[DisturbedServer]:
    """What `doit` is typed into, and its calls fail or are noted."""
    started = DisturbedServer()
    yield started
    started.close()


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """What a module counts; shown, and recorded under the module's TOPIC, when it has ended."""
    counts: Counter[str] = Counter()
    yield counts
    capturing = request.config.pluginmanager.getplugin("capturemanager")
    with capturing.global_and_fixture_disabled():
        print(f"\n{request.module.TOPIC}: {dict(counts)}")
    record(request.module.TOPIC, counts)


@pytest.fixture
def long(request: pytest.FixtureRequest) -> bool:
    """Whether the test is one of the long form."""
    return request.node.get_closest_marker("full") is not None
