"""This is where the package says its version, and hands out what Python code works with."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hygge.notebook.coordinator import Coordinator
    from hygge.notebook.flow import Flow

__version__ = "0.1.0"

__all__ = ["Coordinator", "Flow", "__version__"]

_WHERE = {"Coordinator": "hygge.notebook.coordinator", "Flow": "hygge.notebook.flow"}


def __getattr__(name: str) -> Any:
    # Not at the top: every command imports this package, and none needs them.
    if name not in _WHERE:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
