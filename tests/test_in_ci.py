"""A run in CI: several machines share the work, and GitHub shows what happened."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ProjectFolder


def moved_tasks(out: str) -> list[str]:
    return re.findall(r"^(\S+)  moved", out, re.MULTILINE)


def test_shards_are_everything_and_have_nothing_in_common(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    shares = []
    for number in (1, 2, 3):
        project = ProjectFolder(tmp_path_factory.mktemp("shard") / "project")
        project.months(12)
        shares.append(moved_tasks(project.doit("--shard", f"{number}/3").out))

    assert sorted(task for share in shares for task in share) == [
        f"flights:2013-{month:02}" for month in range(1, 13)
    ]
    assert all(shares)


def test_shard_is_the_same_the_next_time(project: ProjectFolder) -> None:
    project.months(6)
    first = moved_tasks(project.doit("--shard", "1/2").out)
    again = project.doit("--shard=1/2")
    whole = project.doit()

    assert again.moved == 0
    assert whole.moved == 6 - len(first)


def test_flow_behind_a_share_is_left_to_a_later_run(project: ProjectFolder) -> None:
    project.months(6)
    project.flow("whole", "home: {path: data/store/flights, partition: all}\nstore: data/store/all")
    share = project.doit("--shard", "1/2")
    rest = project.doit()

    assert "whole  left out: it waits for all of flights\n" in share.out
    assert not (project.root / "data/store/all").exists() or rest.code == 0
    assert "whole:all" in moved_tasks(rest.out)


def test_shard_that_is_up_to_date_lets_the_flow_behind_go_on(project: ProjectFolder) -> None:
    project.months(3)
    project.flow("whole", "home: {path: data/store/flights, partition: all}\nstore: data/store/all")
    project.doit("flights")

    assert set(moved_tasks(project.doit("--shard", "1/1").out)) == {"whole:all"}


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "a/b", "1/0", "-1/2", "1/2/3"])
def test_share_that_is_none_is_refused(project: ProjectFolder, text: str) -> None:
    project.months(1)
    result = project.doit(f"--shard={text}")

    assert (result.code, result.out) == (3, "")
    assert result.err == (
        f"error: '{text}' is no share\n  at --shard {text}\n  try: the second of four is 2/4\n"
    )


def test_fault_in_yaml_is_shown_at_its_line_on_github(project: ProjectFolder) -> None:
    project.flow("flights", "home: data/home\nstroe: data/store\n")
    result = project.doit(GITHUB_ACTIONS="true")

    assert result.code == 3
    assert result.err == (
        "error: unknown key 'stroe' in flow\n"
        "  at flows/flights.yml:2:1  stroe: data/store\n"
        "                            ^\n"
        "  try: did you mean 'store'?\n"
        "::error file=flows/flights.yml,line=2,col=1::unknown key 'stroe' in flow%0A"
        "  at flows/flights.yml:2:1  stroe: data/store%0A"
        "                            ^%0A  try: did you mean 'store'?\n"
    )


def test_nothing_of_github_is_shown_elsewhere(project: ProjectFolder) -> None:
    project.flow("flights", "home: data/home\nstroe: data/store\n")

    assert "::error" not in project.doit(GITHUB_ACTIONS="").err


def test_failing_check_is_shown_at_its_line_on_github(project: ProjectFolder) -> None:
    project.parquet("data/home/a.parquet")
    project.flow("a", "home: data/home\nstore: data/store\nchecks:\n  - rows: {min: 10}\n")
    result = project.doit(GITHUB_ACTIONS="true")

    assert result.code == 5
    assert result.err.startswith("::error file=flows/a.yml,line=4,col=11::")


def test_summary_is_a_table_of_flows(project: ProjectFolder, tmp_path: Path) -> None:
    project.months(2)
    project.parquet("data/home/bad/`|x.parquet").write_bytes(b"nothing")
    project.flow("bad", "home: {path: data/home/bad}\nstore: {path: data/bad, compression: snappy}")
    page = tmp_path / "summary.md"
    project.doit("-c", GITHUB_STEP_SUMMARY=str(page))

    text = re.sub(r"in [\d.]+s", "in Ns", page.read_text())
    text = re.sub(r"6 \| [\d,]+ \|", "6 | BYTES |", text)
    assert text.startswith(
        "### hygge: failed\n\n2 moved, 0 up to date, 1 failed, 0 removed in Ns\n\n"
        "| flow | moved | removed | failed | not run | rows | bytes |\n"
        "|---|---:|---:|---:|---:|---:|---:|\n"
        "| bad | 0 | 0 | 1 | 0 | 0 | 0 |\n"
        "| flights | 2 | 0 | 0 | 0 | 6 | BYTES |\n"
        "\n**bad:\\`\\|x**\n\n```\n'data/home/bad/`|x.parquet' can't be read as parquet: "
    )


def test_summary_that_cannot_be_written_fails_no_run(project: ProjectFolder) -> None:
    project.months(1)

    assert project.doit(GITHUB_STEP_SUMMARY=str(project.root)).code == 0
