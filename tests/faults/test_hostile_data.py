"""This is where sources are damaged or made to do harm: their partitions fail, and nothing else."""

from __future__ import annotations

import gzip
import io
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faults.box import Box, box, full, rows

__all__ = ["box"]

FLOWS = {
    "copied": "home: {type: KIND, path: data/home}\nstore: {type: KIND, path: data/store/copied}\n",
    "read": """
home: {type: KIND, path: data/home}
transform: {sql: "SELECT * FROM self"}
checks: [{rows: {min: 1}}]
store: data/store/read
""",
    "spread": """
home: {type: KIND, path: data/home}
store: {path: data/store/spread, partition_by: [k]}
""",
}


def parquet(frame: pl.DataFrame, **options: object) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(frame.to_arrow(), buffer, **options)
    return buffer.getvalue()


def flat(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.drop("t")


def arrow(frame: pl.DataFrame, compression: str) -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc(buffer, compression=compression)  # type: ignore[arg-type]
    return buffer.getvalue()


def text(write: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


VALID: dict[str, list[tuple[str, bytes]]] = {
    "parquet": [
        (".parquet", parquet(rows(40))),
        (".parquet", parquet(flat(rows(200)), compression="gzip", data_page_version="2.0")),
        (".parquet", parquet(rows(5), compression="none", use_dictionary=False)),
        (".parquet", parquet(flat(rows(30)), row_group_size=7, compression="zstd")),
    ],
    "csv": [
        (".csv", text(flat(rows(40)).write_csv)),
        (".csv.gz", gzip.compress(text(flat(rows(40)).write_csv))),
        (".tsv", text(lambda to: flat(rows(9)).write_csv(to, separator="\t"))),
        (".csv", b'k,n\n"a ""quoted"" one",1\n"two\nlines",2\n'),
    ],
    "ndjson": [
        (".ndjson", text(rows(40).write_ndjson)),
        (".ndjson.gz", gzip.compress(text(rows(40).write_ndjson))),
        (".jsonl", b'{"k": "a", "n": 1, "o": {"p": [1, {"q": null}]}}\n{"k": "b", "n": 2.5}\n'),
    ],
    "arrow": [
        (".arrow", arrow(rows(40), "uncompressed")),
        (".arrow", arrow(rows(40), "zstd")),
        (".arrow", arrow(flat(rows(200)), "lz4")),
    ],
}


def damaged(content: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """Return *content* with one to three kinds of damage."""
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        data, at = bytearray(content), chance.randrange(len(content) + 1)
        how = chance.randrange(7)
        if how == 0 and data:
            for _ in range(chance.choice([1, 1, 2, 8])):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        elif how == 1:
            data = data[:at]
        elif how == 2:
            other = chance.choice(others)
            data = data[:at] + other[chance.randrange(len(other)) :]
        elif how == 3:
            data[at:at] = chance.choice([b"\0", b"\xff" * 8, b'"', b"\n", b"[" * 3000, b"{" * 3000])
        elif how == 4:
            end = min(len(data), at + chance.choice([1, 4, 50]))
            data[at:end] = chance.randbytes(end - at)
        elif how == 5:
            data[at : at + chance.choice([1, 4, 50])] = b""
        else:  # where files say how long they are
            data[-12:-8] = chance.choice([b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\xff\xff\xff\xff"])
        content = bytes(data)
    return content


@pytest.mark.parametrize("kind", list(VALID))
@pytest.mark.parametrize("files", [24, full(5000, 7200)])
def test_damaged_source_fails_its_partition_alone(
    box: Box, kind: str, files: int, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    at_once = 24
    for name, flow in FLOWS.items():
        box.write(f"flows/{name}.yml", flow.replace("KIND", kind))
    suffix, sound = VALID[kind][0]
    for _ in range(-(-files // at_once)):
        for folder in ("data", ".hygge"):
            shutil.rmtree(box.root / folder, ignore_errors=True)
        for file in box.root.glob(".doit.db*"):
            file.unlink()
        box.write(f"data/home/sound{suffix}", sound)
        for i in range(at_once):
            end, content = chance.choice(VALID[kind])
            others = [each for _, each in VALID[kind]]
            box.write(f"data/home/{i}{end}", damaged(content, others, chance))
        ended = box.doit("--continue")
        box.counts["files"] += at_once
        box.counts["partitions failed"] += ended.out.count("  failed\n")
        assert ended.code in (0, 1), ended.out + ended.err
        for name in FLOWS:
            assert f"{name}:sound  moved" in ended.out, ended.out + ended.err
        assert not left_over(box.root), ended.out
        again = box.doit("--continue")
        assert "  moved  " not in again.out, again.out
    box.check()
    box.tell(f"Damaged {kind}", capsys)


def left_over(root: Path) -> list[Path]:
    return list((root / "data").rglob(".*"))


# What is small on the disk and large in memory


def zeros(number: int) -> Iterator[bytes]:
    for _ in range(number):
        yield b"0" * 1_000_000


def deflated(head: bytes, megabytes: int, tail: bytes) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=9) as file:
        file.write(head)
        for each in zeros(megabytes):
            file.write(each)
        file.write(tail)
    return buffer.getvalue()


def run_lengths(million: int) -> bytes:
    """Return a parquet file with one value, as often as is said."""
    buffer = io.BytesIO()
    table = pa.table({"k": pa.array(["a"] * 1_000_000), "n": pa.array([7] * 1_000_000)})
    with pq.ParquetWriter(buffer, table.schema, compression="zstd") as writer:
        for _ in range(million):
            writer.write_table(table)
    return buffer.getvalue()


BOMBS: dict[str, Callable[[], tuple[str, str, bytes]]] = {
    "one field of 300 MB": lambda: ("csv", ".csv.gz", deflated(b"k,n\n", 300, b",1\n")),
    "many lines": lambda: (
        "csv",
        ".csv.gz",
        gzip.compress(b"k,n\n" + b"a,1\n" * 20_000_000),
    ),
    "one value of 100 MB": lambda: (
        "ndjson",
        ".ndjson.gz",
        deflated(b'{"k": "', 100, b'"}\n'),
    ),
    "deep JSON": lambda: ("ndjson", ".ndjson", b'{"k":' * 100_000 + b"1" + b"}" * 100_000 + b"\n"),
    "many columns": lambda: ("csv", ".csv", b",".join(b"c%d" % i for i in range(20_000)) + b"\n"),
    "runs": lambda: ("parquet", ".parquet", run_lengths(20)),
}


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", list(BOMBS))
def test_source_that_swells_is_moved_or_refused(
    box: Box, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, suffix, content = BOMBS[name]()
    box.write("flows/read.yml", FLOWS["read"].replace("KIND", kind))
    box.write(f"data/home/a{suffix}", content)
    ended = box.server.doit(box.root, limit=600)
    box.slowest, box.largest = ended.seconds, ended.peak

    assert ended.code in (0, 1, 5), f"{ended.code}\n{ended.out[-3000:]}{ended.err[-3000:]}"
    assert "Traceback" not in ended.out + ended.err
    assert len(ended.out + ended.err) < 20_000
    assert ended.peak < 3_000_000_000
    assert not left_over(box.root)
    box.counts["bombs"] += 1
    box.tell(f"Decompression bomb: {name}", capsys)
