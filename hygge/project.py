"""This is where a project is found and its own settings are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hygge import document, schema
from hygge.errors import ConfigError, UsageError
from hygge.partition import natural

MARKERS = ("dodo.py", "hygge.yml")
"""Files whose folder is a project's root."""

FLOW_SUFFIXES = (".yml", ".yaml")


@dataclass(frozen=True)
class Project:
    """A folder with flows."""

    root: Path
    """Absolute; every relative path in YAML starts here."""
    defaults: document.Document = field(default_factory=lambda: document.Document({}))
    """What hygge.yml says under ``defaults``; empty where there is none."""

    def flow_files(self) -> Iterator[tuple[str, Path]]:
        """Yield (name, file) of every flow, sorted by name.

        Raises:
            ConfigError: Two files define a flow of the same name.
        """
        found: dict[str, Path] = {}
        for file in sorted(self._candidates()):
            name = file.parent.name if file.stem == "flow" and self._nested(file) else file.stem
            if name in found:
                first, second = self.relative(found[name]), self.relative(file)
                raise ConfigError(
                    f"two flows are called '{name}'", f"{first} and {second}", "rename one of them"
                )
            found[name] = file
        yield from sorted(found.items())

    def entity_files(self, flow: str) -> Iterator[tuple[str, Path]]:
        """Yield (name, file) of each entity of *flow* that has a file, in natural order.

        Raises:
            ConfigError: Two files define an entity of the same name.
        """
        folder = self.root / "flows" / flow / "entities"
        found: dict[str, Path] = {}
        files = (file for suffix in FLOW_SUFFIXES for file in folder.glob(f"*{suffix}"))
        for file in sorted(files, key=lambda file: natural(file.name)):
            if file.stem in found:
                first, second = self.relative(found[file.stem]), self.relative(file)
                what = f"two entities are called '{file.stem}'"
                raise ConfigError(what, f"{first} and {second}", "rename one of them")
            found[file.stem] = file
        yield from found.items()

    def _candidates(self) -> Iterator[Path]:
        for suffix in FLOW_SUFFIXES:
            yield from (self.root / "flows").glob(f"*{suffix}")
            yield from (self.root / "flows").glob(f"*/flow{suffix}")

    def _nested(self, file: Path) -> bool:
        return file.parent != self.root / "flows"

    def relative(self, path: Path) -> str:
        """Return *path* as people write it: from the root, with forward slashes."""
        return (
            path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)
        )


WHAT_A_NAME_IS = "use letters, digits, '_' and '-', and begin with a letter"


def is_name(text: str) -> bool:
    """Tell whether a flow or an entity may be called *text*."""
    return text.replace("-", "_").isidentifier() and not text.startswith(("_", "-"))


def find_root(start: Path) -> Path:
    """Return the nearest folder at or above *start* that holds a project.

    Raises:
        UsageError: There is none.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if any((folder / marker).is_file() for marker in MARKERS):
            return folder
    if (start / "flows").is_dir():
        return start
    raise UsageError(
        "no project here",
        f"{start}: no dodo.py or hygge.yml here or above, and no flows/ here",
        "go to your project's folder, or write a first flow: flows/NAME.yml",
    )


def load(root: Path) -> Project:
    """Read the project at *root*.

    Raises:
        ConfigError: hygge.yml is wrong.
    """
    file = root / "hygge.yml"
    if not file.is_file():
        return Project(root)
    settings = read_yaml(file, "hygge.yml")
    schema.check(settings, settings.values, "project")
    return Project(root, settings.below("defaults"))


def read_yaml(file: Path, shown: str) -> document.Document:
    """Read the mapping in *file*, called *shown* in messages.

    Raises:
        ConfigError: It can't be read, is no YAML or is no mapping.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError("not UTF-8 text", shown, "save the file as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"can't be read: {error.strerror}", shown) from error
    result = document.parse(text, shown)
    if not isinstance(result.values, dict):
        raise result.error((), f"'{shown}' must hold a mapping", "write 'key: value' lines")
    return result
