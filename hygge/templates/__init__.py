"""This is where the files stand that a new project begins with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import resources
from importlib.resources.abc import Traversable

import yaml

from hygge.project import FLOWS

WORKFLOW = ".github/workflows/hygge.yml"
"""Where GitHub looks for it, from the root of a repository."""

_NAMES = {"dodo.txt": "dodo.py", "gitignore.txt": ".gitignore", "README.txt": "README.md"}
"""Files that would mean something where they are kept, by the name that they have there."""


def project(flows_dir: str = FLOWS) -> dict[str, str]:
    """Return the files of a new project, text by path, with the flows in *flows_dir*."""
    found = {
        path.replace(f"{FLOWS}/", f"{flows_dir}/", 1) if path.startswith(f"{FLOWS}/") else path: (
            text.replace("FLOWS_DIR", flows_dir)
        )
        for path, text in _below(resources.files(__name__) / "project", "")
    }
    if flows_dir != FLOWS:
        # A '${' in a name would be taken for a variable.
        settings = {"flows_dir": flows_dir.replace("${", "$${")}
        found["hygge.yml"] = yaml.safe_dump(settings, allow_unicode=True)
    return dict(sorted(found.items()))


def _below(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _below(each, f"{prefix}{each.name}/")
        else:
            yield prefix + _NAMES.get(each.name, each.name), each.read_text(encoding="utf-8")


def workflow(folders: Iterable[str]) -> str:
    """Return a workflow for GitHub that keeps *folders*, and the state, from run to run."""
    text = (resources.files(__name__) / "workflow.yml").read_text(encoding="utf-8")
    lines = [f"            {each}\n" for each in (".doit.db*", *folders)]
    return text.replace("            PATHS\n", "".join(lines))
