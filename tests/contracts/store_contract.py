"""What every store of files promises, whatever its format.

A kind inherits `StoreContract` once for each compression and says how its files are read.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from hygge.errors import ConfigError, HomeError, StoreError
from hygge.fingerprint import Signature, content_hash
from hygge.partition import Partition, Source
from hygge.stores.base import Store
from hygge.stores.staging import StagedFile

RUN = "20130101T000000Z-abcdef"

ROWS = pl.DataFrame(
    {
        "text": ["plain", "żółw 🐢", 'a "b", c;\td', "two\nlines\r\n", "", None, " x ", "null"],
        "whole": [0, -1, 2**63 - 1, -(2**63), 5, None, 7, 8],
        "share": [0.1, -1.5, 1e300, 5e-324, None, 3.0, 1 / 3, 2.0**53],
        "late": [True, False, None, True, True, True, True, False],
        "day": [datetime.date(2013, 1, 31), None, *[datetime.date(1, 1, 1)] * 6],
        "at": [datetime.datetime(2013, 1, 31, 1, 2, 3, 456789), None, *[datetime.datetime.min] * 6],
    }
)


def partition(name: str) -> Partition:
    return Partition(name, name, (Source("home/a", None),))


def failing_rows() -> pl.LazyFrame:
    """Return rows of which some can be read and then no more."""

    def fail(frame: pl.DataFrame) -> pl.DataFrame:
        raise ArithmeticError("no more rows")

    good = pl.LazyFrame({"id": range(10_000)})
    return pl.concat([good, good.map_batches(fail, schema={"id": pl.Int64})])


def publish_or_discard(staged: StagedFile) -> None:
    """Publish *staged* as a move does it: what can't be put into place goes."""
    try:
        staged.publish()
    finally:
        staged.discard()


@contextlib.contextmanager
def no_large_files() -> Iterator[None]:
    """Make writing fail, as on a full disk, as soon as a file has more than 1,000 bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class StoreContract:
    """Tests that every store of files passes."""

    kind: ClassVar[str]
    """The ``type`` in YAML."""
    compression: ClassVar[str]
    """The ``compression`` in YAML."""
    ending: ClassVar[str]
    """How the names of outputs end."""

    def read(self, path: Path) -> pl.DataFrame:
        """Return the rows of an output, read by other means than hygge's."""
        raise NotImplementedError

    def read_compression(self, path: Path) -> str:
        """Return how an output is compressed, as its bytes have it."""
        raise NotImplementedError

    def held(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return *frame* as the format can hold it."""
        return frame

    def unread(self, path: Path) -> None:
        """Check an output without rows of the columns ``id`` and ``name``."""
        rows = self.read(path)
        assert (rows.height, rows.columns) == (0, ["id", "name"])

    # What the tests are written with

    def store(self, root: Path, **more: Any) -> Store:
        config = {"type": self.kind, "path": "store", "compression": self.compression, **more}
        return Store.create(config, root)

    def stage(
        self, root: Path, name: str = "a", rows: pl.DataFrame | pl.LazyFrame = ROWS
    ) -> StagedFile:
        (staged,) = self.store(root).stage(partition(name), rows.lazy(), RUN)
        return staged

    def target(self, root: Path, name: str = "a") -> Path:
        return root / "store" / (name + self.ending)

    # Rows

    def test_rows_are_read_back_as_they_were_written(self, tmp_path: Path) -> None:
        staged = self.stage(tmp_path)

        assert staged.rows == ROWS.height
        assert_frame_equal(self.read(staged.temporary), self.held(ROWS))

    def test_many_rows_keep_their_order(self, tmp_path: Path) -> None:
        count = 60_000
        rows = pl.DataFrame({"id": range(count), "name": [f"n{i * 7919}" for i in range(count)]})
        rows.write_parquet(tmp_path / "rows.parquet", row_group_size=5_000)

        staged = self.stage(tmp_path, rows=pl.scan_parquet(tmp_path / "rows.parquet"))

        assert staged.rows == count
        assert_frame_equal(self.read(staged.temporary), rows)

    def test_no_rows_are_written_too(self, tmp_path: Path) -> None:
        rows = pl.DataFrame(schema={"id": pl.Int64, "name": pl.String})

        staged = self.stage(tmp_path, rows=rows)

        assert staged.rows == 0
        self.unread(staged.temporary)

    def test_output_is_compressed_as_asked(self, tmp_path: Path) -> None:
        assert self.read_compression(self.stage(tmp_path).temporary) == self.compression

    def test_same_rows_give_the_same_bytes(self, tmp_path: Path) -> None:
        rows = pl.concat([ROWS] * 5_000)
        rows.write_parquet(tmp_path / "rows.parquet", row_group_size=5_000)
        scanned = pl.scan_parquet(tmp_path / "rows.parquet")

        first, second = self.stage(tmp_path, "a", scanned), self.stage(tmp_path, "b", scanned)

        assert first.temporary != second.temporary
        assert first.temporary.read_bytes() == second.temporary.read_bytes()
        assert first.hash == second.hash == content_hash(first.temporary)

    # Names

    @pytest.mark.parametrize(
        "name",
        [
            "a",
            "2013/01/a",
            "year=2013/month=1",
            "two words",
            "100%",
            "x[1]",
            "a.b",
            "żółw 🐢",
            "-a",
        ],
    )
    def test_output_is_named_after_its_partition(self, tmp_path: Path, name: str) -> None:
        store = self.store(tmp_path)

        staged = self.stage(tmp_path, name)
        staged.publish()

        assert store.outputs(partition(name)) == (f"store/{name}{self.ending}",)
        assert staged.final == f"store/{name}{self.ending}"
        assert _files(tmp_path) == [f"store/{name}{self.ending}"]
        assert_frame_equal(self.read(self.target(tmp_path, name)), self.held(ROWS))

    def test_path_is_written_in_its_shortest_form(self, tmp_path: Path) -> None:
        store = self.store(tmp_path, path="./data/../store/")

        assert store.outputs(partition("a")) == (f"store/a{self.ending}",)
        assert os.path.normpath(store.folder()) == str(tmp_path / "store")

    def test_store_may_lie_outside_the_root(self, tmp_path: Path) -> None:
        (tmp_path / "root").mkdir()
        store = self.store(tmp_path / "root", path=str(tmp_path / "store"))

        (staged,) = store.stage(partition("a"), ROWS.lazy(), RUN)
        staged.publish()

        assert staged.final == str(self.target(tmp_path))
        assert _files(tmp_path) == [f"store/a{self.ending}"]

    def test_temporary_name_is_one_that_no_reader_looks_for(self, tmp_path: Path) -> None:
        staged = self.stage(tmp_path, "2013/a")

        assert staged.temporary.name == f".a{self.ending}.{RUN}.tmp"
        assert staged.temporary.parent == staged.target.parent == tmp_path / "store/2013"
        assert _files(tmp_path) == [f"store/2013/.a{self.ending}.{RUN}.tmp"]

    @pytest.mark.parametrize("character", ["n", "🐢"])
    def test_name_may_have_255_bytes(self, tmp_path: Path, character: str) -> None:
        room = 255 - len(self.ending)
        each = len(character.encode())
        name = character * (room // each) + "x" * (room % each)

        staged = self.stage(tmp_path, name)
        temporary = staged.temporary.name
        staged.publish()

        assert len(os.fsencode(temporary)) <= 255
        assert (temporary[0], temporary[-4:]) == (".", ".tmp")
        assert _files(tmp_path) == [f"store/{name}{self.ending}"]

    def test_long_names_do_not_share_a_temporary_name(self, tmp_path: Path) -> None:
        room = 254 - len(self.ending)

        one, other = self.stage(tmp_path, "n" * room + "1"), self.stage(tmp_path, "n" * room + "2")

        assert one.temporary != other.temporary

    @pytest.mark.parametrize("made", [True, False], ids=["old folder", "new folder"])
    def test_name_of_256_bytes_is_refused(self, tmp_path: Path, made: bool) -> None:
        name = "n" * (256 - len(self.ending))
        if made:
            (tmp_path / "store").mkdir()

        with pytest.raises(StoreError) as error:
            publish_or_discard(self.stage(tmp_path, name))

        assert str(error.value) == (
            f"'store/{name}{self.ending}' can't be written: File name too long\n"
            f"  at store/{name}{self.ending}\n"
            "  try: see to it that there is room and that you may write there; then run again"
        )
        assert _files(tmp_path) == []

    # Publishing

    def test_nothing_is_in_place_before_it_is_published(self, tmp_path: Path) -> None:
        staged = self.stage(tmp_path)

        assert not self.target(tmp_path).exists()
        assert staged.target == self.target(tmp_path)

    def test_publishing_puts_the_output_into_place(self, tmp_path: Path) -> None:
        staged = self.stage(tmp_path)

        output, changed = staged.publish()

        assert changed
        assert _files(tmp_path) == [f"store/a{self.ending}"]
        assert (output.path, output.rows) == (f"store/a{self.ending}", ROWS.height)
        assert output.hash == content_hash(self.target(tmp_path)) == staged.hash
        assert output.signature.same_file(Signature.of(self.target(tmp_path).stat()))

    def test_identical_output_is_left_untouched(self, tmp_path: Path) -> None:
        first, _ = self.stage(tmp_path).publish()
        os.utime(self.target(tmp_path), ns=(1, 1))
        before = self.target(tmp_path).stat()

        second, changed = self.stage(tmp_path).publish()

        after = self.target(tmp_path).stat()
        assert not changed
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, 1)
        assert second.hash == first.hash
        assert _files(tmp_path) == [f"store/a{self.ending}"]

    def test_other_rows_replace_the_output_as_a_whole(self, tmp_path: Path) -> None:
        self.stage(tmp_path).publish()
        before = self.target(tmp_path).stat()
        reader = self.target(tmp_path).open("rb")
        old = self.target(tmp_path).read_bytes()

        _, changed = self.stage(tmp_path, rows=ROWS.head(1)).publish()

        assert changed
        assert self.target(tmp_path).stat().st_ino != before.st_ino
        assert_frame_equal(self.read(self.target(tmp_path)), self.held(ROWS.head(1)))
        with reader:
            assert reader.read() == old

    def test_other_bytes_of_the_same_size_are_replaced(self, tmp_path: Path) -> None:
        output, _ = self.stage(tmp_path).publish()
        self.target(tmp_path).write_bytes(b"x" * output.signature.size)

        again, changed = self.stage(tmp_path).publish()

        assert changed
        assert content_hash(self.target(tmp_path)) == again.hash == output.hash

    def test_discarded_output_leaves_nothing(self, tmp_path: Path) -> None:
        self.stage(tmp_path).discard()

        assert _files(tmp_path) == []

    def test_discarding_leaves_alone_what_was_published(self, tmp_path: Path) -> None:
        staged = self.stage(tmp_path)
        staged.publish()

        staged.discard()

        assert _files(tmp_path) == [f"store/a{self.ending}"]

    # What is in the way

    @pytest.mark.parametrize("same", [True, False], ids=["same bytes", "other bytes"])
    def test_link_is_replaced_and_never_written_through(self, tmp_path: Path, same: bool) -> None:
        precious = tmp_path / "precious"
        staged = self.stage(tmp_path)
        precious.write_bytes(staged.temporary.read_bytes() if same else b"precious")
        before = precious.read_bytes()
        self.target(tmp_path).symlink_to(precious)

        _, changed = staged.publish()

        assert changed
        assert not self.target(tmp_path).is_symlink()
        assert_frame_equal(self.read(self.target(tmp_path)), self.held(ROWS))
        assert precious.read_bytes() == before

    @pytest.mark.parametrize("to", ["nowhere", "folder"])
    def test_link_to_no_file_is_replaced(self, tmp_path: Path, to: str) -> None:
        (tmp_path / "store").mkdir()
        (tmp_path / "folder").mkdir()
        self.target(tmp_path).symlink_to(tmp_path / to)

        self.stage(tmp_path).publish()

        assert not self.target(tmp_path).is_symlink()
        assert _files(tmp_path) == [f"store/a{self.ending}"]

    def test_folder_in_the_place_of_an_output_is_refused(self, tmp_path: Path) -> None:
        self.target(tmp_path).mkdir(parents=True)
        (tmp_path / "source").write_bytes(b"source")
        messages = []

        for write in (
            lambda: self.stage(tmp_path),
            lambda: self.store(tmp_path).stage_copy(partition("a"), tmp_path / "source", RUN),
        ):
            with pytest.raises(StoreError) as error:
                write()
            messages.append(str(error.value))

        assert messages == 2 * [
            f"'store/a{self.ending}' is a folder\n"
            f"  at store/a{self.ending}\n"
            "  try: move it away: a file has to be written there"
        ]
        assert _files(tmp_path) == ["source"]

    def test_folder_that_came_after_staging_is_refused(self, tmp_path: Path) -> None:
        staged = self.stage(tmp_path)
        self.target(tmp_path).mkdir()

        with pytest.raises(StoreError) as error:
            publish_or_discard(staged)

        assert str(error.value) == (
            f"'store/a{self.ending}' can't be written: Is a directory\n"
            f"  at store/a{self.ending}\n"
            "  try: see to it that there is room and that you may write there; then run again"
        )
        assert _files(tmp_path) == []
        assert self.target(tmp_path).is_dir()

    def test_file_in_the_place_of_a_folder_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "store").write_bytes(b"precious")

        with pytest.raises(StoreError) as error:
            self.stage(tmp_path)

        assert str(error.value) == (
            f"the folder for 'store/a{self.ending}' can't be made: a file is in its place\n"
            f"  at store/a{self.ending}\n"
            "  try: move the file away, or give the store another path"
        )
        assert (tmp_path / "store").read_bytes() == b"precious"

    # Failing

    def test_rows_that_can_not_be_read_leave_nothing_behind(self, tmp_path: Path) -> None:
        for name in range(40):
            with pytest.raises((ArithmeticError, pl.exceptions.PolarsError)):
                self.stage(tmp_path, str(name), failing_rows())
        # Whatever writes in the background has its chance to come late.
        time.sleep(0.1)

        assert _files(tmp_path) == []

    def test_rows_that_can_not_be_read_leave_the_old_output(self, tmp_path: Path) -> None:
        before, _ = self.stage(tmp_path).publish()

        with pytest.raises((ArithmeticError, pl.exceptions.PolarsError)):
            self.stage(tmp_path, rows=failing_rows())

        assert content_hash(self.target(tmp_path)) == before.hash

    def test_full_disk_leaves_nothing_behind(self, tmp_path: Path) -> None:
        # Nothing shorter: every compression has to pass 1,000 bytes.
        rows = pl.DataFrame({"id": [f"{i * 2654435761 % 4294967291}" for i in range(50_000)]})

        with no_large_files(), pytest.raises((OSError, StoreError, pl.exceptions.PolarsError)):
            self.stage(tmp_path, rows=rows)

        assert _files(tmp_path) == []

    # Copying

    def test_copy_has_the_bytes_of_its_source(self, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.write_bytes(os.urandom(3_000_000))

        staged, digest = self.store(tmp_path).stage_copy(partition("a"), source, RUN)
        output, changed = staged.publish()

        assert changed
        assert digest == output.hash == content_hash(source)
        assert self.target(tmp_path).read_bytes() == source.read_bytes()
        assert output.rows is None

    def test_copy_is_a_file_of_its_own(self, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.write_bytes(b"one")
        staged, _ = self.store(tmp_path).stage_copy(partition("a"), source, RUN)
        staged.publish()

        source.write_bytes(b"two")

        assert self.target(tmp_path).read_bytes() == b"one"

    def test_copy_of_nothing_leaves_nothing_behind(self, tmp_path: Path) -> None:
        with pytest.raises(HomeError) as error:
            self.store(tmp_path).stage_copy(partition("a"), tmp_path / "gone", RUN)

        assert str(error.value) == (
            "'home/a' can't be read: No such file or directory\n  at home/a"
        )
        assert _files(tmp_path) == []

    @pytest.mark.skipif(sys.platform == "darwin", reason="macOS words it otherwise")
    def test_copy_to_a_full_disk_leaves_nothing_behind(self, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.write_bytes(b"x" * 3_000_000)

        with no_large_files(), pytest.raises(StoreError) as error:
            self.store(tmp_path).stage_copy(partition("a"), source, RUN)

        assert str(error.value) == (
            f"'store/a{self.ending}' can't be written: File too large\n"
            f"  at store/a{self.ending}\n"
            "  try: see to it that there is room and that you may write there; then run again"
        )
        assert _files(tmp_path) == ["source"]

    def test_bytes_are_taken_as_they_are_only_where_nothing_is_asked(self, tmp_path: Path) -> None:
        plain = Store.create({"type": self.kind, "path": "store"}, tmp_path)
        other = "csv" if self.kind != "csv" else "parquet"

        assert plain.takes_bytes_of(self.kind)
        assert not plain.takes_bytes_of(other)
        assert not self.store(tmp_path).takes_bytes_of(self.kind)

    # Configuration

    def test_unknown_option_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as error:
            Store.create({"type": self.kind, "path": "store", "compresion": "none"}, tmp_path)

        assert str(error.value) == (
            "unknown key 'compresion' in store\n  try: did you mean 'compression'?"
        )

    def test_unknown_compression_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as error:
            self.store(tmp_path, compression="non")

        assert str(error.value) == (
            "'store.compression' can't be 'non'\n  try: did you mean 'none'?"
        )

    def test_store_without_a_path_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as error:
            Store.create({"type": self.kind}, tmp_path)

        assert str(error.value) == "the store lacks a path\n  try: store: data/store/NAME"

    def test_what_is_written_depends_on_path_and_compression(self, tmp_path: Path) -> None:
        writing = self.store(tmp_path).writing()

        assert writing == self.store(tmp_path, on_removed="keep").writing()
        assert writing != self.store(tmp_path, path="elsewhere").writing()
        assert writing != Store.create({"type": self.kind, "path": "store"}, tmp_path).writing()

    # Spread over folders

    def spread(self, root: Path, frame: pl.DataFrame) -> list[StagedFile]:
        return self.store(root, partition_by=["late"]).stage(partition("d/a"), frame.lazy(), RUN)

    def test_partition_is_spread_over_folders_by_its_values(self, tmp_path: Path) -> None:
        staged = self.spread(tmp_path, ROWS)
        outputs = [each.publish()[0] for each in staged]

        folders = {"__HIVE_DEFAULT_PARTITION__": None, "false": False, "true": True}
        assert [output.path for output in outputs] == [
            f"store/late={folder}/d/a{self.ending}" for folder in folders
        ]
        for output, value in zip(outputs, folders.values(), strict=True):
            wanted = ROWS.filter(pl.col("late").eq_missing(value))
            assert output.rows == wanted.height
            assert_frame_equal(
                self.read(tmp_path / output.path), self.held(wanted), check_dtypes=False
            )
        assert sorted(each.name for each in (tmp_path / "store").iterdir()) == [
            f"late={folder}" for folder in folders
        ]

    def test_what_is_spread_is_staged_where_it_was_announced(self, tmp_path: Path) -> None:
        store = self.store(tmp_path, partition_by=["late"])
        (announced,) = store.intended(partition("d/a"), RUN)
        staged = store.stage(partition("d/a"), ROWS.lazy(), RUN)

        assert {each.temporary.parent for each in staged} == {tmp_path / announced}
        assert [each.name for each in (tmp_path / "store").iterdir()] == [Path(announced).name]
        for each in staged:
            each.discard()
        assert list((tmp_path / "store").iterdir()) == []

    def test_spreading_that_fails_leaves_nothing(self, tmp_path: Path) -> None:
        store = self.store(tmp_path, partition_by=["id"])
        rows = failing_rows().with_columns(pl.col("id") % 3)
        with pytest.raises(ArithmeticError):
            store.stage(partition("a"), rows, RUN)

        assert list((tmp_path / "store").iterdir()) == []

    def test_what_a_partition_wrote_is_found_by_its_name(self, tmp_path: Path) -> None:
        store = self.store(tmp_path, partition_by=["late"])
        for name in ("a", "d/a", "b"):
            for each in store.stage(partition(name), ROWS.lazy(), RUN):
                each.publish()

        assert store.found(partition("d/a")) == tuple(
            f"store/late={folder}/d/a{self.ending}"
            for folder in ("__HIVE_DEFAULT_PARTITION__", "false", "true")
        )
        assert store.outputs(partition("d/a")) == ()
        assert store.found(partition("c")) == ()


def _files(root: Path) -> list[str]:
    """Return every file below *root*, hidden ones too."""
    return sorted(
        file.relative_to(root).as_posix()
        for file in root.rglob("*")
        if file.is_symlink() or not file.is_dir()
    )
