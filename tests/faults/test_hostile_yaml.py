"""This is where flows say what nobody would mean: they are refused soon, and run nothing."""

from __future__ import annotations

import itertools
import shutil

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faults.box import Box, box, full
from hygge import schema

__all__ = ["box"]

HOSTILE = [
    *("", "~", "-", "!!int ''", "!!bool x", "!!float ''", "!x:int 3", "!!binary x", "!!null x"),
    *("0x" + "f" * 5000, "9" * 5000, "1" + ":10" * 5000, "1e999", ".nan", "-.inf", "0o8", "08"),
    *('"\\0"', '"a\\0b"', '"\\e[2J"', '"\\uFFFF"', '"\\U0010FFFF"', "\u2028", "\u202e", "é" * 300),
    *("[" * 3000, "{a: " * 3000, "- " * 3000, "? " * 3000, "&a [*a]", "*nowhere", "<<: {a: 1}"),
    "!!python/object/apply:os.system ['touch ../PWNED']",
    "!!python/object/new:os.system ['touch ../PWNED']",
    "!!python/name:os.system",
    *(
        "${HOME}",
        "${",
        "${}",
        "${A:-${B}}",
        "$${",
        "${" * 500,
        "../" * 400,
        "/",
        ".",
        "..",
        "a" * 9999,
    ),
    *(
        "2013-01-01",
        "12:30:45",
        "yes",
        "null",
        "{}",
        "[]",
        "[[]]",
        "{a: {a: {a: 1}}}",
        "'",
        '"',
        "|",
    ),
    *(
        "{path: data/home/x, type: parquet}",
        "**/*",
        "[!a]",
        "data/home/[",
        "{a}-{a}.csv",
        "\t",
        "%",
    ),
]
"""What stands where something else should."""

LAUGHS = "\n".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]" for i in range(12)
)

BOMBS = {
    "laughs": f"a: &a [x, x, x, x, x, x, x, x, x]\n{LAUGHS}\n",
    "laughs of mappings": "a: &a {x: 1, y: 2}\n"
    + "".join(
        f"{c}: &{c} {{x: *{p}, y: *{p}}}\n"
        for p, c in itertools.pairwise("abcdefghijklmnopqrstuvw")
    ),
    "long text, often": f"home: &a '{'x' * 100_000}'\nneeds: [{', '.join(['*a'] * 90_000)}]\n",
    "brackets": "home: " + "[" * 1_000_000,
    "braces": "home: " + "{a: " * 1_000_000,
    "dashes": "- " * 1_000_000,
    "steps": "\n".join(" " * i + "a:" for i in range(2_000)),
    "anchors upon anchors": "".join(
        f"a{i}: &a{i} " + "[" * 40 + (f"*a{i - 1}" if i else "x") + "]" * 40 + "\n"
        for i in range(400)
    ),
    "many values": "- x\n" * 2_500_000,
    "one long value": f"home: {'x' * 10_000_000}\nstore: data/store/x\n",
    "one long line that is wrong": f"home: data\nstore: {{path: {'x' * 9_000_000}, wrong: 1}}\n",
    "a large comment": "# nothing\n" * 1_000_000 + "home: data/home\nstore: data/store/x\n",
    "larger than a flow can be": "#" * 30_000_000,
    "bytes": bytes(range(256)).decode("latin-1") * 100,
}


def keys_of(name: str) -> list[str]:
    return list(schema.read(name).get("properties", {}))


KEYS = [
    *keys_of("flow"),
    *("type", "path", "include", "exclude", "partition", "options", "partition_by", "where", "sql"),
    *("select", "rename", "cast", "python", "polish", "columns", "not_null", "unique", "between"),
    *(
        "rows",
        "on_fail",
        "compression",
        "on_removed",
        "separator",
        "quote",
        "every",
        "column",
        "<<",
    ),
]

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["parquet", "csv", "data/home/x", "all", "hive", "{a}.csv", "SELECT 1", "*"]),
)

VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=4),
    ),
    max_leaves=12,
)

FLOWS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6).map(
    lambda flow: yaml.safe_dump(flow, allow_unicode=True)
)

SOUND = """\
description: what it is
home: {type: csv, path: data/home/x, include: ["**/*.csv"], partition: file}
store: {type: parquet, path: data/store/NAME, partition_by: [k], compression: zstd}
inputs: {other: data/home/other}
transform:
  where: n > 0
  select: [k, n, x]
  rename: {x: y}
  cast: {n: int32}
  sql: SELECT * FROM self
  polish: {columns: {case: snake}}
checks: [{not_null: [k]}, {between: {n: [0, 100]}}, {rows: {min: 1}}]
schema: evolve
needs: [f0]
"""


@st.composite
def edited(draw: st.DrawFn) -> str:
    """Return a sound flow in which a few words are others."""
    words = SOUND.split(" ")
    for _ in range(draw(st.integers(1, 3))):
        words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(HOSTILE))
    return " ".join(words)


TEXTS = st.one_of(
    edited().map(str.encode),
    FLOWS.map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=40),
)


@pytest.mark.parametrize("examples", [12, full(1500)])
def test_flow_that_nobody_would_mean_is_refused_or_done(
    box: Box, examples: int, capsys: pytest.CaptureFixture[str]
) -> None:
    box.write("data/home/x/a.csv", "k,n,x\na,1,2\nb,3,4\n")
    box.write("data/home/other/b.csv", "k,z\na,1\n")

    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.lists(TEXTS, min_size=1, max_size=24))
    def hold(texts: list[bytes]) -> None:
        shutil.rmtree(box.root / "flows")
        for i, text in enumerate(texts):
            # No store is where a flow says: it may say what it likes.
            box.write(f"flows/f{i}.yml", text.replace(b"NAME", b"%d" % i))
        box.counts["flows"] += len(texts)
        box.doit("plan")
        box.doit("list", "--all")
        box.check()

    hold()

    box.tell("Hostile flows", capsys)


@pytest.mark.parametrize("examples", [8, full(500)])
def test_sound_flow_with_hostile_words_does_no_harm_when_it_runs(
    box: Box, examples: int, capsys: pytest.CaptureFixture[str]
) -> None:
    box.write("data/home/x/a.csv", "k,n,x\na,1,2\nb,3,4\n")
    box.write("data/home/other/b.csv", "k,z\na,1\n")

    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.lists(edited(), min_size=1, max_size=6))
    def hold(texts: list[str]) -> None:
        shutil.rmtree(box.root / "flows")
        kept = [text for text in texts if "path: data/store/NAME" in text]
        for i, text in enumerate(kept):
            box.write(f"flows/f{i}.yml", text.replace("NAME", str(i)))
        box.counts["flows"] += len(kept)
        (box.root / "flows").mkdir(exist_ok=True)
        box.doit("--continue", "--allow-prune")
        box.check()

    hold()

    box.tell("Hostile words in sound flows", capsys)


def test_bomb_is_refused_soon_and_in_little_memory(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in BOMBS.items():
        file = box.write("flows/bomb.yml", text)
        ended = box.doit("plan")

        assert ended.code == 3, f"{name}: {ended.out}{ended.err}"[-3000:]
        assert len(ended.err) < 10_000, f"{name}: {len(ended.err)} characters are shown"
        assert ended.seconds < 10, f"{name}: {ended.seconds} s"
        box.counts["bombs refused"] += 1
        file.unlink()
    box.check()
    box.tell("YAML bombs", capsys)
