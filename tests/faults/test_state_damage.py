"""This is where `.doit.db` and `.hygge/lock` are damaged: it may cost looking, never data."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import check_records
from laws.server import Server
from test_ordinary_user import AS_ORDINARY

from faults.built import PARTS, Case, build, is_known
from faults.damage import (
    LOGS,
    STOPS,
    WHOLE,
    clobbered,
    flipped,
    truncated,
)
from faults.results import record


@pytest.fixture
def case(tmp_path: Path, server: Server) -> Iterator[Case]:
    root = tmp_path / "project"
    build(root)
    case = Case(root, server)
    seed = random.randrange(2**32)
    case.chance.seed(seed)
    print(f"seed {seed}")  # shown where a test fails
    assert case.doit().code == 0
    case.reference = case.digest()
    assert len(case.reference) > 15
    yield case
    check_records(root)


# The suites


def tell(case: Case, topic: str, began: float, capsys: pytest.CaptureFixture[str]) -> None:
    counts = {**dict(sorted(case.counts.items())), "seconds": round(time.perf_counter() - began)}
    with capsys.disabled():
        print(f"\n{topic}: {counts}")
    record(topic, counts)


def full(count: int) -> Any:
    return pytest.param(count, marks=[pytest.mark.full, pytest.mark.timeout(3600)])


@pytest.mark.parametrize("rounds", [1, full(10)])
def test_something_else_in_its_place_costs_looking_and_no_data(
    case: Case, rounds: int, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.perf_counter()
    for i in range(rounds):
        for j, (name, damage) in enumerate(WHOLE.items()):
            case.try_with(damage, (i + j) % 2 == 0, name)

    tell(case, "State replaced", began, capsys)


@pytest.mark.parametrize("step", [16, full(1)])
def test_state_cut_off_anywhere_costs_looking_and_no_data(
    case: Case, step: int, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.perf_counter()
    for part in range(0, PARTS, step):
        for hurt in (False, True):
            case.try_with(truncated(".doit.db", part), hurt, f"cut off at {part}/{PARTS}")

    tell(case, "State cut off", began, capsys)


@pytest.mark.parametrize("cases", [12, full(1000)])
def test_flipped_bits_in_the_state_cost_looking_and_no_data(
    case: Case, cases: int, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.perf_counter()
    for i in range(cases):
        bits = [1, 1, 1, 2, 8, 64][i % 6]
        case.counts["bits flipped"] += bits
        case.try_with(flipped(".doit.db", bits), i % 2 == 0, f"{bits} bits")
    for i in range(cases // 4):
        case.try_with(clobbered(".doit.db"), i % 2 == 0, "a stretch")

    tell(case, "State with flipped bits", began, capsys)


@pytest.mark.parametrize("rounds", [1, full(40)])
def test_log_of_a_killed_run_that_is_lost_costs_looking_and_no_data(
    case: Case, rounds: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """SQLite's log has what the last commits wrote; it is missing, cut off, or of another time."""
    began = time.perf_counter()
    for i in range(rounds):
        for j, (name, lose) in enumerate(LOGS.items()):
            stop = STOPS[(i + j) % len(STOPS)]
            case.lose_log(stop, lose, (i + j // 2) % 2 == 0, f"{name}, stopped at {stop}")

    tell(case, "Log of the state lost", began, capsys)


def test_state_that_may_not_be_written_is_read_and_the_run_says_so(case: Case) -> None:
    case.state.chmod(0o444)
    hurt, sound = case.hurt(), case.sound()
    plan, run = (_as_ordinary(case.root, *words) for words in (["plan", "--json"], []))
    case.state.chmod(0o644)

    assert is_known(hurt, json.loads(plan.stdout)["data"])
    assert run.returncode == 3, run
    assert "error: '.doit.db' can't be written" in run.stderr
    assert "see to it" in run.stderr

    assert case.doit().code == 0
    case.check(sound, "may be written again")


def _as_ordinary(root: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", AS_ORDINARY, *args]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60)
    if done.returncode == 77:
        pytest.skip("root can't be kept from ignoring modes here")
    assert "Traceback" not in done.stdout + done.stderr
    return done


def test_link_to_where_nothing_can_be_is_said(case: Case) -> None:
    good = case.root.parent / "good.db"
    shutil.move(case.state, good)
    case.state.symlink_to(case.root.parent / "unmounted/state.db")
    hurt, sound = case.hurt(), case.sound()
    plan, run = case.doit("plan", "--json"), case.doit()
    case.state.unlink()
    shutil.move(good, case.state)

    assert is_known(hurt, json.loads(plan.out)["data"])
    assert run.code == 3
    assert "error: '.doit.db' can't be written: it is a link to" in run.err

    assert case.doit().code == 0
    case.check(sound, "mended")
