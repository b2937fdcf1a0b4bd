"""This is where names in the data lead out of the store, or links do: nothing follows them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faults.box import Box, box, full, rows, tree

__all__ = ["box"]

VALUES = [
    *("../../beside/x", "../../../beside", "/etc/passwd", "..", ".", "...", "a/../b", "a\0b"),
    *("\0", "a\nb", "\r\n", "\x1b[2J", "\x7f", "a" * 300, "é" * 300, "%2e%2e%2f", "%00", "%"),
    *("a%2Fb", "a=b", "=", "", " ", "-rf", "~", "$HOME", "${HOME}", "`id`", "C:\\x", "\\\\x"),
    *("*", "?", "[a]", "{a}", "__HIVE_DEFAULT_PARTITION__", "\u202e", "\u2028", "e\u0301", "é"),
    *("🦆", "\ufeff", "CON", "nul", ".hidden", ".x.20260102T083000000Z-abcdef.tmp", "a.parquet"),
    *("#", "'", '"', "|", "<>", ":", ";"),
]
"""What should only ever be a value, and never a way."""

NAMES = [each for each in VALUES if each and "\0" not in each and len(os.fsencode(each)) < 240]


def inside(box: Box) -> list[Path]:
    """Return everything in the stores; each really lies there."""
    top = box.root / "data/store"
    found = list(top.rglob("*"))
    assert all(path.resolve().is_relative_to(top.resolve()) for path in found)
    assert not [path for path in found if path.name.startswith(".")]
    return [path for path in found if path.is_file()]


def afresh(box: Box) -> None:
    for folder in ("data", ".hygge"):
        shutil.rmtree(box.root / folder, ignore_errors=True)
    for file in box.root.glob(".doit.db*"):
        file.unlink()


SPREAD = """
home: {type: parquet, path: data/home}
store: {path: data/store/spread, partition_by: [k, l]}
"""


@pytest.mark.parametrize("examples", [15, full(2000)])
def test_value_to_spread_by_never_leads_out_of_the_store(
    box: Box, examples: int, capsys: pytest.CaptureFixture[str]
) -> None:
    box.write("flows/spread.yml", SPREAD)
    texts = st.sampled_from(VALUES) | st.text(max_size=12)

    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.lists(st.tuples(texts, texts), min_size=1, max_size=30))
    def hold(values: list[tuple[str, str]]) -> None:
        afresh(box)
        good = [pair for pair in values if _is_text(pair)]
        (box.root / "data/home").mkdir(parents=True)
        for i, (one, other) in enumerate(good):
            frame = pl.DataFrame({"k": [one], "l": [other], "i": [i]})
            frame.write_parquet(box.root / f"data/home/{i}.parquet")
        ended = box.doit("--continue")
        box.check()
        files = inside(box)
        failed = ended.out.count("  failed\n")
        assert len(files) + failed == len(good), ended.out + ended.err
        box.counts["pairs of values"] += len(good)
        box.counts["refused as too long"] += failed

    hold()

    box.tell("Hostile values to spread by", capsys)


def _is_text(values: tuple[str, ...]) -> bool:
    try:
        return bool("".join(values).encode()) or True
    except UnicodeEncodeError:
        return False


READERS = {
    "hive": "home: {type: parquet, path: data/home, partition: hive}\nstore: data/store/x\n",
    "captured": "home: {type: parquet, path: data/home, partition: '{a}.parquet'}\n"
    "store: data/store/x\n",
    "captured folders": "home: {type: parquet, path: data/home, partition: '{a}/{b}.parquet'}\n"
    "store: data/store/x\n",
    "turned around": "home: {type: parquet, path: data/home, partition: '{b}/{a}.parquet'}\n"
    "transform: {sql: 'SELECT * FROM self'}\nstore: {path: data/store/x, partition_by: [a]}\n",
    "files": "home: {type: parquet, path: data/home}\nstore: data/store/x\n",
}


@pytest.mark.parametrize("every", [12, full(1)])
@pytest.mark.parametrize("way", list(READERS))
def test_name_of_a_source_never_leads_out_of_the_store(
    box: Box, way: str, every: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """What can be the name of a file or folder is; one that is refused keeps none from moving."""
    box.write("flows/x.yml", READERS[way])
    names = [name for name in NAMES if "/" not in name and not name.startswith(".")]
    for name in names[list(READERS).index(way) % every :: every]:
        afresh(box)
        folders = {"hive": f"k={name}", "captured folders": name, "turned around": name}
        folder = folders.get(way, "")
        file = "one" if folder else name
        (box.root / "data/home" / folder).mkdir(parents=True)
        rows().write_parquet(box.root / "data/home" / folder / f"{file}.parquet")
        ended = box.doit("--continue")
        box.check()
        assert ended.code in (0, 1, 3), ended
        assert bool(inside(box)) == (ended.code == 0), f"{name!r}: {ended}"
        before = tree(box.root / "data")
        assert (box.doit("plan", "--check").code == 0) == (ended.code == 0), f"{name!r}: {ended}"
        assert tree(box.root / "data") == before
        box.counts["names"] += 1
        box.counts["names refused"] += ended.code != 0
    box.tell(f"Hostile names: {way}", capsys)


# Links

PLAIN = "home: data/home\nstore: data/store/x\n"

BY_K = "home: data/home\nstore: {path: data/store/x, partition_by: [k]}\n"


def sources(box: Box, *names: str) -> None:
    for name in names:
        file = box.root / f"data/home/{name}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame({"k": ["a"], "n": [1]}).write_parquet(file)


@pytest.mark.parametrize("target", ["precious.txt", "nowhere.txt", "k=a", ""])
def test_output_that_is_a_link_is_replaced_and_not_written_through(box: Box, target: str) -> None:
    box.write("flows/x.yml", PLAIN)
    sources(box, "one")
    link = box.root / "data/store/x/one.parquet"
    link.parent.mkdir(parents=True)
    link.symlink_to(box.beside / target)
    assert box.doit().code == 0
    box.check()

    assert not link.is_symlink() and link.is_file()

    link.unlink()
    link.symlink_to(box.beside / target)
    assert "output changed outside hygge" in box.doit("plan").out
    assert box.doit().code == 0
    assert not link.is_symlink() and link.is_file()
    box.check()


@pytest.mark.parametrize(("flow", "folder"), [(PLAIN, "sub"), (BY_K, "k=a")])
def test_folder_in_a_store_that_is_a_link_is_not_written_into(
    box: Box, flow: str, folder: str
) -> None:
    box.write("flows/x.yml", flow)
    sources(box, "sub/one" if folder == "sub" else "one")
    link = box.root / "data/store/x" / folder
    link.parent.mkdir(parents=True)
    link.symlink_to(box.beside / "k=a")
    ended = box.doit()
    box.check()

    assert ended.code == 1
    assert f"error: 'data/store/x/{folder}' is a link" in ended.out

    link.unlink()
    assert box.doit().code == 0
    box.check()


@pytest.mark.parametrize(("flow", "folder"), [(PLAIN, "sub"), (BY_K, "k=a")])
def test_pruning_does_not_follow_a_link(box: Box, flow: str, folder: str) -> None:
    """What was an output's folder leads elsewhere now: what lies there under its name stays."""
    box.write("flows/x.yml", flow)
    sources(box, "sub/one" if folder == "sub" else "one", "sub/two")
    assert box.doit().code == 0
    link = box.root / "data/store/x" / folder
    shutil.rmtree(link)
    link.symlink_to(box.beside / "k=a")
    gone = box.root / ("data/home/sub/one.parquet" if folder == "sub" else "data/home/one.parquet")
    gone.unlink()
    (box.root / "data/home/sub/two.parquet").unlink()
    sources(box, "three")
    box.doit("--continue", "--allow-prune")
    box.doit("--continue", "--allow-prune")
    box.doit("clean")
    box.check()

    assert link.is_symlink()


def test_store_that_is_a_link_as_a_whole_is_written_and_pruned(box: Box) -> None:
    box.write("flows/x.yml", BY_K)
    sources(box, "one", "two", "three")
    elsewhere = box.root.parent / "disk"
    elsewhere.mkdir()
    (box.root / "data/store").mkdir()
    (box.root / "data/store/x").symlink_to(elsewhere)
    assert box.doit().code == 0
    (box.root / "data/home/one.parquet").unlink()

    assert box.doit().code == 0
    names = sorted(file.name for file in elsewhere.rglob("*.parquet"))
    assert names == ["three.parquet", "two.parquet"]


def test_what_an_earlier_store_outside_of_the_project_holds_stays(box: Box) -> None:
    """Only what a flow says now may be changed there; what is remembered may be forged."""
    elsewhere = box.root.parent / "disk"
    box.write("flows/x.yml", PLAIN.replace("data/store/x", str(elsewhere)))
    sources(box, "one", "two")
    assert box.doit().code == 0
    box.note()
    box.write("flows/x.yml", PLAIN)

    assert box.doit().code == 0
    box.check()
    assert len(inside(box)) == 2


def test_what_an_earlier_store_in_the_project_held_goes(box: Box) -> None:
    box.write("flows/x.yml", PLAIN.replace("store/x", "store/before"))
    sources(box, "one", "sub/two")
    assert box.doit().code == 0
    box.write("flows/x.yml", PLAIN)

    assert box.doit().code == 0
    assert {path.parts[len(box.root.parts) + 2] for path in inside(box)} == {"x"}
