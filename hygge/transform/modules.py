"""This is where a Python module of a flow, and the modules beside it, are read and loaded.

They are never looked for in ``sys.path`` nor kept in ``sys.modules`` under their own names: each
function has an import of its own, so that two flows may have different modules of one name, in
several threads at once. What is executed is the text that was fingerprinted, never a cached
compilation of another one.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib.util
import itertools
import re
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import xxhash

from hygge.document import Place
from hygge.errors import ConfigError
from hygge.paths import located

_numbers = itertools.count(1)


_PREFIX = "_hygge_"


def nameless(text: str) -> str:
    """Return *text* with modules called what their authors call them."""
    return re.sub(rf"{_PREFIX}\d+\.", "", text)


@dataclass(frozen=True)
class Source:
    """One module of a function."""

    path: Path
    text: bytes
    is_package: bool

    @property
    def hash(self) -> str:
        return xxhash.xxh3_128_hexdigest(self.text)


@dataclass(frozen=True)
class Folder:
    """The modules beside a function, by the names that they import each other by."""

    path: Path

    def find(self, dotted: str) -> Source | None:
        """Return the module called *dotted*, or None if it does not lie in this folder."""
        base = self.path.joinpath(*dotted.split("."))
        for path, is_package in (
            (base / "__init__.py", True),
            (base.with_name(f"{base.name}.py"), False),
        ):
            with contextlib.suppress(OSError):
                return Source(path, path.read_bytes(), is_package)
        if base.is_dir() and next(base.glob("*.py"), None) and not self._is_installed(dotted):
            return Source(base, b"", True)
        return None

    def within(self, package: str) -> list[str]:
        """Return the dotted names of the modules directly in *package*."""
        files = self.path.joinpath(*package.split(".")).glob("*.py")
        return sorted(f"{package}.{file.stem}" for file in files if file.stem != "__init__")

    def _is_installed(self, dotted: str) -> bool:
        # A folder without __init__.py is a package too, but one that hides no other.
        top = dotted.partition(".")[0]
        return top in sys.modules or importlib.util.find_spec(top) is not None


def syntax_tree(source: Source, shown: str) -> ast.Module:
    try:
        return ast.parse(source.text, str(source.path))
    except SyntaxError as error:
        line, text = error.lineno or 1, error.text or ""
        place = Place(shown, line, error.offset or 1, text.rstrip("\r\n"))
        raise ConfigError(f"not Python: {error.msg}", str(place)) from error
    except ValueError as error:  # a null byte
        raise ConfigError(f"not Python: {error}", shown) from error


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield the dotted names of what may be modules that *tree*, in *package*, imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node.module or "", node.level, package)
            if base:
                yield base
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)


def absolute(name: str, level: int, package: str) -> str:
    """Return the dotted name of what is imported as *name* with *level* dots before it."""
    if level == 0:
        return name
    parts = package.split(".") if package else []
    return ".".join([*parts[: len(parts) - level + 1], *([name] if name else [])])


def _package_of(dotted: str, source: Source) -> str:
    return dotted if source.is_package else dotted.rpartition(".")[0]


def sources_of(folder: Folder, top: str, root: Path) -> dict[str, Source]:
    """Return the module *top* and all that it imports from *folder*, directly or indirectly."""
    found: dict[str, Source] = {}
    waiting = [top]
    while waiting:
        dotted = waiting.pop()
        source = None if dotted in found else folder.find(dotted)
        if source is None:
            continue
        found[dotted] = source
        tree = syntax_tree(source, located(str(source.path), root))
        for name in _imported(tree, _package_of(dotted, source)):
            parts = [part for part in name.split(".") if part.isidentifier()]
            names = [".".join(parts[: i + 1]) for i in range(len(parts))]
            if name.endswith(".*"):  # __all__ may name any module of the package
                names += folder.within(".".join(parts))
            waiting += [each for each in names if each != dotted]
    return found


class Modules:
    """The modules of one function, loaded, with an import of their own."""

    def __init__(self, folder: Folder, sources: Mapping[str, Source]) -> None:
        self.folder = folder
        self.sources = dict(sources)
        self._package = ModuleType(f"{_PREFIX}{next(_numbers)}")
        self._modules: dict[str, ModuleType] = {"": self._package}
        self._loading = threading.RLock()
        self._registering = threading.Lock()
        self._users = 0

    @contextlib.contextmanager
    def registered(self) -> Iterator[None]:
        """Have the modules in ``sys.modules``, where dataclasses look for theirs.

        Their names there are no others' names.
        """
        with self._registering:
            self._users += 1
            sys.modules.update({each.__name__: each for each in self._modules.values()})
        try:
            yield
        finally:
            with self._registering:
                self._users -= 1
                for each in () if self._users else self._modules.values():
                    sys.modules.pop(each.__name__, None)

    def load(self, dotted: str) -> ModuleType:
        """Return the module called *dotted*; its text is executed the first time.

        Raises:
            ModuleNotFoundError: It does not lie beside the function.
        """
        with self._loading, self.registered():
            if dotted in self._modules:
                return self._modules[dotted]
            parent, _, name = dotted.rpartition(".")
            above = self.load(parent)
            source = self._source(dotted)
            if source is None:
                raise ModuleNotFoundError(f"No module named '{dotted}'", name=dotted)
            module = self._executed(dotted, source)
            setattr(above, name, module)
            return module

    def _source(self, dotted: str) -> Source | None:
        if dotted not in self.sources:
            found = self.folder.find(dotted) if dotted else None
            if found is None:
                return None
            self.sources[dotted] = found
        return self.sources[dotted]

    def _executed(self, dotted: str, source: Source) -> ModuleType:
        module = ModuleType(f"{self._package.__name__}.{dotted}")
        package = _package_of(dotted, source)
        module.__package__ = ".".join(filter(None, [self._package.__name__, package]))
        module.__file__ = str(source.path)
        if source.is_package:
            module.__path__ = [str(self.folder.path.joinpath(*dotted.split(".")))]
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._import}
        code: CodeType = compile(source.text, str(source.path), "exec", dont_inherit=True)
        self._modules[dotted] = sys.modules[module.__name__] = module
        try:
            exec(code, module.__dict__)
        except BaseException:
            del self._modules[dotted]
            sys.modules.pop(module.__name__, None)
            raise
        return module

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 the names that Python passes
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """Import as Python does, but from beside the function first."""
        here = globals or {}
        top = name.partition(".")[0]
        itself = here.get("__name__") == f"{self._package.__name__}.{top}" != here["__package__"]
        if level == 0 and (itself or self._source(top) is None):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        package = here["__package__"].removeprefix(self._package.__name__).lstrip(".")
        module = self.load(absolute(name, level, package))
        if not fromlist:
            return self.load(top)
        self._load_submodules(module, fromlist)
        return module

    def _load_submodules(self, module: ModuleType, names: Sequence[str]) -> None:
        inside = module.__name__.removeprefix(self._package.__name__).lstrip(".")
        if "*" in names:
            names = [*names, *getattr(module, "__all__", ())]
        for name in names:
            dotted = f"{inside}.{name}".lstrip(".")
            is_package = module is self._package or hasattr(module, "__path__")
            if name != "*" and is_package and not hasattr(module, name) and self._source(dotted):
                self.load(dotted)
