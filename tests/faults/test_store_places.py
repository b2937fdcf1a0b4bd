"""Stores that are links, that have links in them, or that lie on another disk."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from laws.server import Server

from faults.test_file_kinds import OTHER, SHORT, digest_of
from faults.ways import SmallProject, Way, summed, ways

TOPIC = "places of stores"

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("how", ["as it was", "empty", "edited", "pruned", "changed"])
@pytest.mark.parametrize("way", ways("csv-copied", "arrow-spread"))
def test_folder_of_a_store_that_became_a_link_out_of_it_is_never_written_through(
    tmp_path: Path, way: Way, how: str, server: Server, tally: Counter[str]
) -> None:
    project = SmallProject(tmp_path, way, server)
    for i in range(3):
        project.put(f"d/p{i}", [("a", 10 + i), ("b", 20 + i), ("c", 30 + i)])
    project.doit()
    inner = project.store / ("k=b" if way.mode == "spread" else "d")
    outside = tmp_path / "outside"
    if how == "empty":
        shutil.rmtree(inner)
        outside.mkdir()
    else:
        inner.rename(outside)
    inner.symlink_to(outside)
    if how == "edited":
        for file in outside.rglob("*.*"):
            file.write_bytes(b"mine")
    elif how == "pruned":
        project.path("d/p1").unlink()
    elif how == "changed":
        project.put("d/p1", OTHER)
    before = digest_of(outside)
    ended = project.doit("--continue")

    assert digest_of(outside) == before, ended.out
    if how == "pruned":  # what lies behind the link is not the store's
        assert summed(ended) == (0, 2, 0, 1)
    elif how != "as it was":
        assert ended.code == 1, ended.out
        assert "is a link" in ended.out
        assert "\n  try: " in ended.out

    inner.unlink()

    assert project.heal() >= set()
    assert digest_of(outside) == before

    tally["folders of a store that became links"] += 1


@pytest.mark.parametrize("way", ways(*SHORT))
def test_store_that_is_a_link_to_a_folder_is_used_as_that_folder(
    tmp_path: Path, way: Way, server: Server, tally: Counter[str]
) -> None:
    project = SmallProject(tmp_path, way, server)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_bytes(b"mine")
    (project.root / "data/store").symlink_to(elsewhere)
    project.fill(3)
    project.doit()

    assert (project.root / "data/store").is_symlink()
    assert summed(project.doit()) == (0, 3, 0, 0)

    project.path("p1").unlink()

    assert summed(project.doit()) == (0, 2, 0, 1)
    assert (elsewhere / "mine").read_bytes() == b"mine"

    (elsewhere / "mine").unlink()
    project.check()

    tally["stores that are links"] += 1


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than the project's."""
    mine = tmp_path.stat().st_dev
    for other in (Path("/dev/shm"), Path(tempfile.gettempdir())):
        if other.is_dir() and other.stat().st_dev != mine:
            with tempfile.TemporaryDirectory(dir=other) as folder:
                yield Path(folder)
            return
    pytest.skip("no other file system")


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("way", ways(*SHORT))
def test_store_on_another_disk_is_written_there_from_the_start(
    tmp_path: Path, way: Way, linked: bool, other_disk: Path, server: Server, tally: Counter[str]
) -> None:
    # Nothing can be renamed from one disk to another: it would fail.
    project = SmallProject(
        tmp_path, way, server, "data/store" if linked else str(other_disk / "store")
    )
    if linked:
        (project.root / "data/store").symlink_to(other_disk)
    project.fill(3)

    assert project.heal() == {"p0", "p1", "p2"}

    project.put("p1", OTHER)

    assert project.heal() == {"p1"}
    assert not list(other_disk.rglob(".*"))

    tally["stores on another disk"] += 1
