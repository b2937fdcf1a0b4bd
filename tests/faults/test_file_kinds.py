"""What is no plain file, or is one under two names: read for its content, never written through."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from laws.server import Server

from faults.ways import SmallProject, Way, decoded, digest, encoded, summed, ways

TOPIC = "kinds of files"

SHORT = ("csv-copied", "arrow-spread")

OTHER = [("a", 71), ("b", 72), ("c", 73)]

pytestmark = pytest.mark.timeout(120)


def make_socket(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:  # by a short name: what a socket is called may have no more than 108 bytes
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


def make_device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("no devices may be made here")


NO_FILES: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a socket": make_socket,
    "a device": make_device,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to a terminal": lambda path: path.symlink_to("/dev/tty"),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to a pipe": lambda path: (
        os.mkfifo(path.with_suffix(".pipe")) or path.symlink_to(path.with_suffix(".pipe").name)
    ),
}
"""What can't be read though it has the name of a source."""


def settle_all(folder: Path, way: Way, server: Server, **more: str) -> SmallProject:
    project = SmallProject(folder, way, server, **more)
    project.fill(3)
    project.doit()
    return project


# In a home


@pytest.mark.parametrize("what", NO_FILES)
@pytest.mark.parametrize("way", ways(*SHORT[:1]))
def test_source_that_is_no_file_fails_alone_and_is_never_waited_for(
    tmp_path: Path, way: Way, what: str, server: Server, tally: Counter[str]
) -> None:
    project = settle_all(tmp_path, way, server)
    before = project.undisturbed()
    path = project.path("p1")
    content = path.read_bytes()
    path.unlink()
    NO_FILES[what](path)
    project.put("p2", OTHER)
    ended = project.doit("--continue")

    assert ended.code == 1, ended.out + ended.err
    assert summed(ended)[:3] == (1, 1, 1)
    assert f"error: 'data/home/{path.name}' is " in ended.out
    assert "  try: re" in ended.out
    assert [each for each in digest(project.store) if "p1" in each[0]] == [
        each for each in before if "p1" in each[0]
    ], "what was moved before stays"

    for left in path.parent.glob("*.pipe"):
        left.unlink()
    path.unlink()
    path.write_bytes(content)

    assert project.heal() in (set(), {"p1"})

    tally["sources that are no files"] += 1


@pytest.mark.parametrize("way", ways(*SHORT))
def test_link_to_a_file_counts_as_its_content(
    tmp_path: Path, way: Way, server: Server, tally: Counter[str]
) -> None:
    project = settle_all(tmp_path, way, server)
    aside = tmp_path / "aside"
    aside.mkdir()
    path = project.path("p1")
    shutil.copy(path, aside / "same")
    (aside / "other").write_bytes(encoded(OTHER, way.kind))
    steps: list[tuple[Callable[[], object], set[str]]] = [
        (lambda: relink(path, aside / "same"), set()),
        (lambda: relink(path, aside / "other"), {"p1"}),
        (lambda: (aside / "other").write_bytes(encoded(OTHER[::-1], way.kind)), {"p1"}),
        (lambda: (aside / "other").rename(aside / "moved"), set()),
        (lambda: relink(path, aside / "same"), {"p1"}),
        (lambda: (aside / "same").write_bytes(encoded(OTHER, way.kind)), {"p1"}),
    ]
    for do, expected in steps[:3]:
        do()

        assert project.heal() == expected

        tally["changes behind a link"] += 1
    steps[3][0]()

    assert project.doit("--continue").code == 1

    for do, expected in steps[4:]:
        do()

        assert project.heal() == expected

        tally["changes behind a link"] += 1
    assert (aside / "same").exists()


def relink(path: Path, to: Path) -> None:
    path.unlink()
    path.symlink_to(to)


@pytest.mark.parametrize("way", ways(*SHORT))
def test_link_to_a_folder_counts_as_its_content(
    tmp_path: Path, way: Way, server: Server, tally: Counter[str]
) -> None:
    project = settle_all(tmp_path, way, server)
    for name, rows in (("one", OTHER), ("two", OTHER[::-1])):
        (tmp_path / name).mkdir()
        for file in ("x", "y"):
            (tmp_path / name / f"{file}.{way.kind}").write_bytes(encoded(rows, way.kind))
    link = project.home / "d"
    link.symlink_to(tmp_path / "one")

    assert project.heal() == {"d/x", "d/y"}

    relink(link, tmp_path / "two")

    assert project.heal() == {"d/x", "d/y"}

    link.unlink()
    shutil.copytree(tmp_path / "two", link)

    assert project.heal() == set()

    shutil.rmtree(link)
    link.symlink_to(project.home)
    ended = project.doit()

    assert ended.code == 3
    assert "error: 'data/home/d' is a link to a folder above it" in ended.err

    link.unlink()

    assert summed(project.doit("--allow-prune")) == (0, 3, 0, 2)

    tally["changes behind a link"] += 4


@pytest.mark.parametrize("way", ways(*SHORT))
def test_source_that_becomes_a_folder_and_a_file_again(
    tmp_path: Path, way: Way, server: Server, tally: Counter[str]
) -> None:
    project = settle_all(tmp_path, way, server)
    path = project.path("p1")
    path.unlink()
    project.put(f"{path.name}/inner", OTHER)

    assert project.heal() == {f"{path.name}/inner"}

    shutil.rmtree(path)
    project.put("p1", OTHER)

    assert project.heal() == {"p1"}

    tally["files that became folders, and back"] += 2


# Hard links


@pytest.mark.parametrize("way", ways(*SHORT))
def test_source_that_is_a_hard_link_of_an_output_is_never_written_to(
    tmp_path: Path, way: Way, server: Server, tally: Counter[str]
) -> None:
    project = settle_all(tmp_path, way, server)
    output = project.outputs("p0")[0]
    if way.mode == "spread":  # it lacks the column that names its folder
        project.flow("t", {**way.flow("data/home", "data/store"), "transform": {"where": "n > 0"}})
        project.doit()
    source = project.path("linked")
    if way.mode != "spread":
        source.hardlink_to(output)

        assert project.heal() == {"linked"}

    content = source.read_bytes() if source.exists() else b""
    project.put("p0", OTHER)  # which gives the output other bytes
    project.heal()

    assert not source.exists() or source.read_bytes() == content

    output = project.outputs("p0")[0]
    output.unlink()
    output.hardlink_to(project.path("p0"))
    kept = project.path("p0").read_bytes()
    project.heal()

    assert project.path("p0").read_bytes() == kept

    project.put("p0", OTHER[::-1])  # in place: under both names, if they are still one file
    project.heal()

    assert project.path("p0").read_bytes() == encoded(OTHER[::-1], way.kind)

    tally["hard links between home and store"] += 3


@pytest.mark.parametrize("way", ways(*SHORT))
def test_output_that_has_another_name_is_replaced_and_not_written_to(
    tmp_path: Path, way: Way, server: Server, tally: Counter[str]
) -> None:
    project = settle_all(tmp_path, way, server)
    kept = tmp_path / "kept"
    kept.hardlink_to(project.outputs("p1")[0])
    content = kept.read_bytes()
    project.put("p1", OTHER)

    assert project.heal() == {"p1"}
    assert kept.read_bytes() == content

    project.path("p1").unlink()
    project.doit()

    assert kept.read_bytes() == content

    tally["hard links out of a store"] += 2


# In a store


@pytest.mark.parametrize("what", ["the same", "other", "nothing", "a folder"])
@pytest.mark.parametrize("way", ways(*SHORT))
def test_output_that_became_a_link_out_of_the_store_is_never_written_through(
    tmp_path: Path, way: Way, what: str, server: Server, tally: Counter[str]
) -> None:
    project = settle_all(tmp_path, way, server)
    output = project.outputs("p1")[0]
    outside = tmp_path / "outside"
    if what == "a folder":
        outside.mkdir()
        (outside / output.name).write_bytes(b"mine")
    elif what != "nothing":
        outside.write_bytes(output.read_bytes() if what == "the same" else b"mine")
    before = digest_of(outside)
    relink(output, outside)

    assert project.heal() == {"p1"}
    assert not output.is_symlink()

    relink(output, outside)
    project.path("p1").unlink()
    ended = project.doit()

    assert summed(ended)[:4] == (0, 2, 0, 1), ended.out
    assert not os.path.lexists(output)
    assert digest_of(outside) == before

    tally["outputs that became links"] += 2


def digest_of(path: Path) -> object:
    if path.is_dir():
        return {each.name: digest_of(each) for each in path.iterdir()}
    return path.read_bytes() if path.exists() else None


@pytest.mark.parametrize("what", ["a pipe", "a socket", "a device", "a link to a device"])
@pytest.mark.parametrize("way", ways(*SHORT))
def test_output_that_is_no_file_any_more_is_replaced(
    tmp_path: Path, way: Way, what: str, server: Server, tally: Counter[str]
) -> None:
    project = settle_all(tmp_path, way, server)
    output = project.outputs("p1")[0]
    output.unlink()
    NO_FILES[what](output)

    assert project.heal() == {"p1"}

    tally["outputs that were no files"] += 1


def test_what_an_output_holds_is_what_its_link_led_to(
    tmp_path: Path, server: Server, tally: Counter[str]
) -> None:
    # Content, not the link, is what is copied.
    project = SmallProject(tmp_path, Way("csv", "copied"), server)
    (tmp_path / "aside.csv").write_bytes(encoded(OTHER, "csv"))
    project.path("x").symlink_to(tmp_path / "aside.csv")
    project.doit()

    assert decoded(project.outputs("x")[0]) == OTHER
    assert not project.outputs("x")[0].is_symlink()

    tally["changes behind a link"] += 1
