"""What proves that a file is unchanged, and what does not."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path
from typing import Any

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from hygge.fingerprint import (
    CHUNK,
    RACY_NS,
    ContentHashes,
    Signature,
    canonical_json,
    config_hash,
    content_hash,
    is_regular,
    text_hash,
)

NOW = 1_400_000_000_000_000_000

OLD = Signature(size=10, mtime_ns=NOW - 10**10, ctime_ns=NOW - 10**10, inode=7, taken_ns=NOW)


def signature(path: Path) -> Signature:
    return Signature.of(path.stat())


# Signatures


def test_signature_is_what_stat_says_and_when(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"12345")
    stat = file.stat()

    before = time.time_ns()
    taken = Signature.of(stat)

    assert (taken.size, taken.inode) == (5, stat.st_ino)
    assert (taken.mtime_ns, taken.ctime_ns) == (stat.st_mtime_ns, stat.st_ctime_ns)
    assert before <= taken.taken_ns <= time.time_ns()


@pytest.mark.parametrize("field", ["size", "mtime_ns", "ctime_ns", "inode"])
def test_any_difference_makes_it_another_version(field: str) -> None:
    other = dataclasses.replace(OLD, **{field: getattr(OLD, field) + 1})

    assert not OLD.same_file(other)
    assert not OLD.proves(other)


def test_time_of_looking_makes_no_difference() -> None:
    later = dataclasses.replace(OLD, taken_ns=NOW + 10**12)

    assert OLD.same_file(later)
    assert OLD.proves(later)


@pytest.mark.parametrize("field", ["mtime_ns", "ctime_ns"])
@pytest.mark.parametrize(
    ("age", "racy"),
    [(0, True), (1, True), (RACY_NS - 1, True), (RACY_NS, False), (RACY_NS + 1, False)],
)
def test_file_that_changed_just_before_it_was_looked_at_is_racy(
    field: str, age: int, racy: bool
) -> None:
    assert dataclasses.replace(OLD, **{field: NOW - age}).racy is racy


@pytest.mark.parametrize("field", ["mtime_ns", "ctime_ns"])
def test_file_from_the_future_is_racy(field: str) -> None:
    assert dataclasses.replace(OLD, **{field: NOW + 10**15}).racy


def test_racy_signature_proves_nothing() -> None:
    racy = dataclasses.replace(OLD, ctime_ns=NOW)

    assert racy.same_file(racy)
    assert not racy.proves(racy)


def test_only_the_remembered_signature_must_not_be_racy() -> None:
    # The one that was recorded long after the change proves; when the other was taken is idle.
    now = dataclasses.replace(OLD, taken_ns=OLD.mtime_ns)

    assert now.racy
    assert OLD.proves(now)


def test_written_file_is_racy_at_once(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")

    assert signature(file).racy


def test_old_time_that_a_program_has_set_does_not_make_a_new_file_proven(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    os.utime(file, ns=(0, 0))

    assert signature(file).mtime_ns == 0
    assert signature(file).racy


def test_other_content_of_the_same_size_and_time_has_another_signature(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    before = signature(file)
    file.write_bytes(b"two")
    os.utime(file, ns=(before.mtime_ns, before.mtime_ns))

    assert (signature(file).size, signature(file).mtime_ns) == (before.size, before.mtime_ns)
    assert not before.proves(signature(file))


def test_renamed_file_in_its_place_has_another_signature(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"same")
        os.utime(tmp_path / name, ns=(0, 0))
    before = signature(tmp_path / "a")
    (tmp_path / "b").rename(tmp_path / "a")

    assert not before.same_file(signature(tmp_path / "a"))


@pytest.mark.parametrize(("kind", "regular"), [("file", True), ("folder", False), ("pipe", False)])
def test_only_a_plain_file_is_regular(tmp_path: Path, kind: str, regular: bool) -> None:
    path = tmp_path / "a"
    if kind == "file":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)

    assert is_regular(path.stat()) is regular


# Hashes


@settings(deadline=None)
@given(data=st.binary(max_size=3000))
def test_content_hash_is_that_of_all_bytes(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "hashed"
    file.write_bytes(data)

    assert content_hash(file) == xxhash.xxh3_128_hexdigest(data)


@pytest.mark.parametrize("size", [CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7])
def test_content_hash_of_a_large_file_is_that_of_all_bytes(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "a").write_bytes(data)

    assert content_hash(tmp_path / "a") == xxhash.xxh3_128_hexdigest(data)
    assert content_hash(str(tmp_path / "a")) == content_hash(tmp_path / "a")


def test_content_hash_of_what_is_missing_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        content_hash(tmp_path / "gone")


def test_text_hash_is_that_of_utf8() -> None:
    assert text_hash("żółw") == xxhash.xxh3_128_hexdigest("żółw".encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("abé 1"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcé"), inner, max_size=4),
    max_leaves=10,
)

CONFIGS = st.dictionaries(st.text("abcé"), JSON, max_size=5)


def turned(value: Any) -> Any:
    """Return *value* with the keys of every mapping in the opposite order."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return [turned(each) for each in value] if isinstance(value, list) else value


@given(config=CONFIGS)
def test_config_hash_does_not_depend_on_the_order_of_keys(config: dict[str, Any]) -> None:
    assert config_hash(turned(config)) == config_hash(config)


@given(one=CONFIGS, other=CONFIGS)
def test_configs_have_one_hash_only_if_they_are_one_json(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    same = canonical_json(one) == canonical_json(other)

    assert (config_hash(one) == config_hash(other)) is same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"a": True}),
        ({"a": None}, {}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": {"b": 1}}, {"a.b": 1}),
        ({"a": "é"}, {"a": "e"}),
    ],
)
def test_config_hash_tells_values_apart(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert config_hash(one) != config_hash(other)


# Hashes that are remembered within a process


def test_file_is_read_once_for_one_signature(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    hashes, before = ContentHashes(), signature(file)
    first = hashes.read(str(file), before)
    file.write_bytes(b"other")

    assert hashes.read(str(file), before) == first == xxhash.xxh3_128_hexdigest(b"one")


def test_file_is_read_again_for_another_signature(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    hashes = ContentHashes()
    hashes.read(str(file), signature(file))
    file.write_bytes(b"other")

    assert hashes.read(str(file), signature(file)) == xxhash.xxh3_128_hexdigest(b"other")


def test_hash_of_one_path_is_not_that_of_another(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
    hashes, same = ContentHashes(), signature(tmp_path / "a")

    assert hashes.read(str(tmp_path / "a"), same) != hashes.read(str(tmp_path / "b"), same)


def test_file_that_can_not_be_read_is_not_remembered(tmp_path: Path) -> None:
    file = tmp_path / "a"
    hashes = ContentHashes()
    with pytest.raises(FileNotFoundError):
        hashes.read(str(file), OLD)
    file.write_bytes(b"one")

    assert hashes.read(str(file), OLD) == xxhash.xxh3_128_hexdigest(b"one")
