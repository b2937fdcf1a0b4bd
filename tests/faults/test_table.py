"""The table in docs/reliability.md is what the suites counted, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults.results import VARIABLE, record
from faults.table import BEGIN, END, PAGE, README, sentence, table, topics, written


def test_counts_of_a_topic_are_gathered_and_written_between_the_markers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = tmp_path / "counts.jsonl"
    monkeypatch.setenv(VARIABLE, str(counts))
    record("kills", {"kills": 5, "wrong": 0})
    record("names", {"names | odd": 1})
    record("kills", {"kills": 5000, "seconds": 2.5})

    text = table(topics(counts.read_text().splitlines()))
    page = written(f"# Page\n{BEGIN}old\n{END}\nrest\n", text)

    assert "| kills | kills: 5,000, wrong: 0, seconds: 2.5 |\n" in text
    assert "| names | names \\| odd: 1 |\n" in text
    assert page == f"# Page\n{BEGIN}{text}{END}\nrest\n"


def test_nothing_is_left_where_no_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)

    record("kills", {"kills": 5})


def test_sentence_has_the_sums_of_all_ways_of_killing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = tmp_path / "counts.jsonl"
    monkeypatch.setenv(VARIABLE, str(counts))
    for way in ("copied", "written"):
        topic = f"SIGKILL before each change of the disk: {way}"
        record(topic, {"kills": 700, "equal to the reference": 699})
    record("signals at random moments, 1 thread", {"kills": 5, "equal to the reference": 5})

    text = sentence(topics(counts.read_text().splitlines()))

    assert "1,398 of 1,400 runs that were killed just before" in text
    assert "and 5 of 5 that were sent a signal" in text


@pytest.mark.parametrize("file", [PAGE, README])
def test_page_has_one_place_for_what_was_counted(file: Path) -> None:
    page = file.read_text(encoding="utf-8")

    assert page.count(BEGIN) == page.count(END) == 1
