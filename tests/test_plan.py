"""Each reason for which a partition is stale, decided on real files."""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hygge.checks import Checks
from hygge.contract import Contract
from hygge.document import Document
from hygge.fingerprint import ContentHashes, Signature, content_hash
from hygge.flow import Flow, Section
from hygge.homes.base import Home
from hygge.move import Move
from hygge.partition import Partition
from hygge.plan import Decision, Look, Reason, Remembered, Wanted, config_change, decide
from hygge.prepared import Prepared
from hygge.receipt import Receipt
from hygge.shape import Shaping
from hygge.stores.base import Store
from hygge.transform import Transform

TASK = "flow:a"

CONFIG = "c0ffee"


class Settled:
    """A home of which one partition was moved to a store."""

    def __init__(self, root: Path, partition: str = "file") -> None:
        self.root = root
        self.write("home/a.csv", "id\n1\n")
        if partition == "all":
            self.write("home/b.csv", "id\n2\n")
        self.home = Home.create({"path": "home", "type": "csv", "partition": partition}, root)
        self.store = Store.create({"path": "store", "type": "csv", "compression": "none"}, root)
        self.receipt: Receipt | None = None
        self.receipt = self.move()

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    @property
    def output(self) -> Path:
        assert self.receipt is not None
        return self.root / self.receipt.outputs[0].path

    def partition(self) -> Partition:
        (partition,) = self.home.partitions()
        return partition

    def move(self) -> Receipt:
        section = Section("home", {}, Document({}))
        prepared = Prepared(
            Flow("flow", "flow.yml", section, section),
            self.home,
            self.store,
            self.root,
            Transform.create(None, (), self.root),
            Checks.create(()),
            Contract.create(None),
        )
        now = datetime.datetime.now(datetime.UTC)
        move = Move(
            shaping=Shaping(prepared, self.partition(), "run-1", now, lambda _: ()),
            config_hash=CONFIG,
            hashes=ContentHashes(),
            intend=lambda _: None,
            remember_columns=lambda _: "",
            earlier=(),
            earlier_store=self.store.folder(),
            may_remove=lambda output: False,
        )
        return move().receipt

    def proven(self) -> None:
        """Remember the receipt as one that was recorded long after the files were written."""
        assert self.receipt is not None

        def later(each: Any) -> Any:
            taken = each.signature.taken_ns + 10**10
            return dataclasses.replace(
                each, signature=dataclasses.replace(each.signature, taken_ns=taken)
            )

        self.receipt = dataclasses.replace(
            self.receipt,
            sources=tuple(map(later, self.receipt.sources)),
            outputs=tuple(map(later, self.receipt.outputs)),
        )

    def decide(
        self,
        partition: Partition | None = None,
        doubted: bool = False,
        failure: str = "",
        config: str = CONFIG,
        change: Callable[[str], str] = str,
        forced: bool = False,
    ) -> Decision:
        partition = partition or self.partition()
        return decide(
            TASK,
            partition,
            Remembered(self.receipt, doubted, failure),
            Wanted(config, lambda: self.store.found(partition), change, forced),
            Look(self.root, ContentHashes()),
        )


@pytest.fixture
def settled(tmp_path: Path) -> Settled:
    return Settled(tmp_path)


@pytest.fixture
def grouped(tmp_path: Path) -> Settled:
    return Settled(tmp_path, "all")


def short(path: Path) -> str:
    return content_hash(path)[:8]


# No reason


def test_what_has_not_changed_is_up_to_date(settled: Settled) -> None:
    decision = settled.decide()

    assert decision.reason is None
    assert decision.task == TASK
    assert decision.partition is not None
    assert decision.partition.key == "a"


def test_touched_files_are_up_to_date_and_their_signatures_are_refreshed(settled: Settled) -> None:
    source = settled.root / "home/a.csv"
    for file in (source, settled.output):
        os.utime(file, ns=(10**18, 10**18))

    decision = settled.decide()

    assert decision.reason is None
    assert decision.refreshed
    assert decision.receipt is not None
    assert decision.receipt.sources[0].signature.same_file(Signature.of(source.stat()))
    assert decision.receipt.outputs[0].signature.same_file(Signature.of(settled.output.stat()))
    assert decision.receipt.outputs[0].rows == 1


def test_proven_files_are_up_to_date_without_a_change_to_the_receipt(settled: Settled) -> None:
    settled.proven()

    decision = settled.decide()

    assert decision.reason is None
    assert not decision.refreshed
    assert decision.receipt == settled.receipt


def test_proven_files_are_not_read(settled: Settled) -> None:
    settled.proven()
    assert settled.receipt is not None
    source, output = settled.receipt.sources[0], settled.receipt.outputs[0]
    settled.receipt = dataclasses.replace(
        settled.receipt,
        sources=(dataclasses.replace(source, hash="not that of the file"),),
        outputs=(dataclasses.replace(output, hash="not that of the file"),),
    )

    assert settled.decide().reason is None


def test_single_source_under_another_name_is_changed(settled: Settled) -> None:
    # The name tells how a file is read: x.csv and x.tsv differ though their bytes are the same.
    (settled.root / "home/a.csv").rename(settled.root / "home/b.csv")

    decision = settled.decide()

    assert decision.reason == Reason("source changed", "'a.csv' -> 'b.csv'")


def test_grouped_files_that_have_not_changed_are_up_to_date(grouped: Settled) -> None:
    assert grouped.decide().reason is None


# New


def test_what_was_never_moved_is_new(settled: Settled) -> None:
    settled.receipt = None
    (settled.root / "store/a.csv").unlink()

    decision = settled.decide()

    assert (decision.reason, str(decision.reason)) == (Reason("new"), "new")
    assert decision.receipt is None


def test_output_of_which_nothing_is_remembered_means_that_the_state_was_lost(
    settled: Settled,
) -> None:
    settled.receipt = None

    assert str(settled.decide().reason) == (
        "state lost: 'store/a.csv' is there, but nothing is remembered of it"
    )


def test_dangling_link_at_the_place_of_an_output_counts_as_there(settled: Settled) -> None:
    settled.receipt = None
    (settled.root / "store/a.csv").unlink()
    (settled.root / "store/a.csv").symlink_to("nowhere")

    reason = settled.decide().reason

    assert reason is not None
    assert reason.kind == "state lost"


# Source changed


def test_source_with_other_content_is_changed(settled: Settled) -> None:
    source = settled.root / "home/a.csv"
    old = short(source)
    settled.write("home/a.csv", "id\n1\n" + "2\n" * 1000)

    assert str(settled.decide().reason) == (
        f"source changed: 'a.csv', content {old} -> {short(source)}, 5 -> 2,005 bytes"
    )


def test_source_with_other_content_of_the_same_size_is_changed(settled: Settled) -> None:
    source = settled.root / "home/a.csv"
    old = short(source)
    settled.write("home/a.csv", "id\n2\n")

    assert str(settled.decide().reason) == (
        f"source changed: 'a.csv', content {old} -> {short(source)}, same size"
    )


@pytest.mark.parametrize("replaced", [False, True], ids=["in place", "by renaming"])
def test_source_with_other_content_under_the_same_size_and_time_is_changed(
    settled: Settled, replaced: bool
) -> None:
    settled.proven()
    source = settled.root / "home/a.csv"
    before = source.stat()
    written = settled.write("home/new" if replaced else "home/a.csv", "id\n2\n")
    os.utime(written, ns=(before.st_atime_ns, before.st_mtime_ns))
    written.rename(source)

    reason = settled.decide().reason

    assert source.stat().st_mtime_ns == before.st_mtime_ns
    assert reason is not None
    assert reason.kind == "source changed"


def test_source_that_changed_back_is_up_to_date(settled: Settled) -> None:
    settled.write("home/a.csv", "id\n2\n")
    settled.write("home/a.csv", "id\n1\n")

    assert settled.decide().reason is None


def test_source_that_went_after_it_was_listed_is_changed(settled: Settled) -> None:
    partition = settled.partition()
    (settled.root / "home/a.csv").unlink()

    assert str(settled.decide(partition).reason) == "source changed: 'home/a.csv' can't be read"


def test_source_that_became_a_dangling_link_is_changed(settled: Settled) -> None:
    (settled.root / "home/a.csv").unlink()
    (settled.root / "home/a.csv").symlink_to("nowhere")

    assert str(settled.decide().reason) == "source changed: 'home/a.csv' can't be read"


def test_one_changed_source_of_several_is_named(grouped: Settled) -> None:
    source = grouped.root / "home/b.csv"
    old = short(source)
    grouped.write("home/b.csv", "id\n3\n")

    assert str(grouped.decide().reason) == (
        f"source changed: 'home/b.csv', content {old} -> {short(source)}, same size"
    )


# Source added or removed


def test_source_that_joined_its_group_is_named(grouped: Settled) -> None:
    grouped.write("home/c.csv", "id\n3\n")

    assert str(grouped.decide().reason) == ("source added/removed to the group: +home/c.csv")


def test_source_that_left_its_group_is_named(grouped: Settled) -> None:
    (grouped.root / "home/a.csv").unlink()

    assert str(grouped.decide().reason) == ("source added/removed to the group: -home/a.csv")


def test_source_that_was_renamed_within_its_group_is_named_twice(grouped: Settled) -> None:
    (grouped.root / "home/a.csv").rename(grouped.root / "home/c.csv")

    assert str(grouped.decide().reason) == (
        "source added/removed to the group: +home/c.csv, -home/a.csv"
    )


# Config changed


def test_changed_configuration_is_told_in_words(settled: Settled) -> None:
    old = {"store": {"compression": None, "path": "store"}, "format": 1}
    new = {"store": {"compression": "zstd", "path": "store"}, "format": 1}

    decision = settled.decide(
        config="deca0f", change=lambda digest: config_change({CONFIG: old}[digest], new)
    )

    assert str(decision.reason) == "config changed: store.compression: (not set) -> 'zstd'"
    assert decision.receipt == settled.receipt


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({"a": 1}, {"a": 2}, "a: 1 -> 2"),
        ({"a": "1"}, {"a": 1}, "a: '1' -> 1"),
        ({"b": 1, "a": 1}, {"b": 2, "a": 2}, "a: 1 -> 2, b: 1 -> 2"),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, "a.b.c: 1 -> 2"),
        ({}, {"a": True}, "a: (not set) -> True"),
        ({"a": ["x"]}, {}, "a: ['x'] -> (not set)"),
        ({"a": 1}, {"a": 1}, ""),
    ],
)
def test_change_names_the_keys_with_old_and_new(
    old: dict[str, Any], new: dict[str, Any], words: str
) -> None:
    assert config_change(old, new) == words


# Outputs


def test_missing_output_is_named(settled: Settled) -> None:
    settled.output.unlink()

    assert str(settled.decide().reason) == "output missing: 'store/a.csv'"


@pytest.mark.parametrize("text", ["id\n9\n", "id\n", "", "id\n1\n2\n"])
def test_output_with_other_content_was_changed_outside_hygge(settled: Settled, text: str) -> None:
    settled.proven()
    settled.output.write_text(text)

    assert str(settled.decide().reason) == "output changed outside hygge: 'store/a.csv'"


def test_output_that_became_a_link_was_changed_outside_hygge(settled: Settled) -> None:
    settled.output.rename(settled.root / "elsewhere.csv")
    settled.output.symlink_to(settled.root / "elsewhere.csv")

    assert str(settled.decide().reason) == "output changed outside hygge: 'store/a.csv'"


def test_folder_in_the_place_of_an_output_was_made_outside_hygge(settled: Settled) -> None:
    settled.output.unlink()
    settled.output.mkdir()

    assert str(settled.decide().reason) == "output changed outside hygge: 'store/a.csv'"


def test_output_that_was_replaced_by_the_same_bytes_is_up_to_date(settled: Settled) -> None:
    text = settled.output.read_text()
    settled.output.unlink()
    settled.output.write_text(text)

    decision = settled.decide()

    assert decision.reason is None
    assert decision.refreshed


# Doubt


def test_doubted_outputs_are_read_although_their_signatures_prove_them(settled: Settled) -> None:
    settled.proven()
    assert settled.receipt is not None
    output = dataclasses.replace(settled.receipt.outputs[0], hash="not that of the file")
    settled.receipt = dataclasses.replace(settled.receipt, outputs=(output,))

    assert settled.decide().reason is None
    assert str(settled.decide(doubted=True).reason) == (
        "output changed outside hygge: 'store/a.csv'"
    )


def test_doubted_outputs_that_are_right_are_to_be_vouched_for(settled: Settled) -> None:
    settled.proven()

    decision = settled.decide(doubted=True)

    assert decision.reason is None
    assert decision.refreshed


# Asked for


@pytest.mark.parametrize("known", [True, False], ids=["moved before", "never moved"])
def test_forced_is_stale_whatever_else(settled: Settled, known: bool) -> None:
    settled.receipt = settled.receipt if known else None

    assert str(settled.decide(forced=True, failure="broken").reason) == "forced"


@pytest.mark.parametrize("known", [True, False], ids=["moved before", "never moved"])
def test_what_failed_is_tried_again(settled: Settled, known: bool) -> None:
    settled.receipt = settled.receipt if known else None

    decision = settled.decide(failure="'home/a.csv' is no plain file")

    assert str(decision.reason) == "last move failed: 'home/a.csv' is no plain file"
    assert decision.receipt == settled.receipt


# Reading


def test_no_file_is_read_twice_in_one_look(settled: Settled) -> None:
    look = Look(settled.root, ContentHashes())
    (source,) = settled.partition().sources
    first = look.source(source, None)
    settled.write("home/a.csv", "id\n9\n")

    assert look.source(source, None) == first
