"""This is where it is measured what hygge costs before it has looked at any data."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from measured import Measured, measured

FLOWS = (10, 1_000)
"""How many flow files a project has; each flow has one partition."""

DODO = "from hygge.tasks import DOIT_CONFIG, task_hygge\n"

STOCK = """
def task_copy():
    for i in range({count}):
        yield {{
            "name": f"f{{i:04}}",
            "actions": [f"cp data/home/f{{i:04}}/a.csv data/store/f{{i:04}}.csv"],
            "file_dep": [f"data/home/f{{i:04}}/a.csv"],
            "targets": [f"data/store/f{{i:04}}.csv"],
        }}
"""

IMPORTS = {"doit": "import doit.doit_cmd", "hygge": "import doit.doit_cmd, hygge.tasks"}
"""What Python reads before a dodo.py is executed; hygge is read on top of doit."""


def results(root: Path, rounds: int) -> dict[str, dict[str, list[Measured]]]:
    """Measure each case *rounds* times, in turns; projects are written below *root*."""
    found: dict[str, dict[str, list[Measured]]] = {}
    doit = [sys.executable, "-m", "doit"]
    for count in FLOWS:
        hygge, stock = root / f"hygge-{count}", root / f"doit-{count}"
        _write(hygge, stock, count)
        measured(doit, hygge, {})
        commands = {"hygge": (doit, hygge), "doit": (doit, stock)}
        listed = found.setdefault(f"doit list, {count:,} flows", {})
        for _ in range(rounds + 1):
            for name, (command, folder) in commands.items():
                took = measured([*command, "list"], folder, {})
                listed.setdefault(name, []).append(took)
        shutil.rmtree(hygge)
        shutil.rmtree(stock)
    for _ in range(rounds + 1):
        for name, statement in IMPORTS.items():
            took = measured([sys.executable, "-c", statement], root, {})
            found.setdefault("imports", {}).setdefault(name, []).append(took)
    # The first of each compiles modules, and remembers which flows fit their schema.
    return {case: {name: runs[1:] for name, runs in each.items()} for case, each in found.items()}


def _write(hygge: Path, stock: Path, count: int) -> None:
    (hygge / "flows").mkdir(parents=True)
    (hygge / "dodo.py").write_text(DODO)
    stock.mkdir()
    (stock / "dodo.py").write_text(STOCK.format(count=count))
    for i in range(count):
        home = hygge / f"data/home/f{i:04}"
        home.mkdir(parents=True)
        (home / "a.csv").write_text(f"a,b\n1,{i}\n")
        flow = f"home: data/home/f{i:04}\nstore: data/store/f{i:04}\n"
        (hygge / f"flows/f{i:04}.yml").write_text(flow)
    shutil.copytree(hygge / "data", stock / "data")
