"""This is where a board becomes a short text: columns instead of rows, each text written once."""

from __future__ import annotations

import base64
import dataclasses
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hygge import __version__
from hygge.board.data import STATES, Board, Card, Cell
from hygge.board.layout import laid_out
from hygge.errors import HyggeError
from hygge.receipt import Receipt
from hygge.redaction import hide_in

VERSION = 1
"""Of the form; the page refreshes itself only from data of its own version."""

KEY = "\x01"
"""Stands for a partition's key in texts that have it in them."""


@dataclass(frozen=True)
class Detail:
    """How much of each receipt is told."""

    hash_length: int
    """Characters of each hash."""
    each_output: bool = True
    """Whether each of several outputs is told, or only their number, rows and bytes."""


DETAILS = (Detail(32), Detail(16), Detail(8), Detail(8, each_output=False))
"""From the most to the least; the first that makes a page small enough is taken."""


def shown(board: Board) -> dict[str, Any]:
    """Return *board* in a form that JSON can hold, without secrets."""
    return dict(
        hide_in(
            {
                "project": board.project,
                "made": board.made,
                "status": board.status,
                "flows": [_card(card) for card in board.cards],
                "runs": [dataclasses.asdict(bar) for bar in board.bars],
                "graph": dataclasses.asdict(laid_out(board.cards)),
            }
        )
    )


def _card(card: Card) -> dict[str, Any]:
    plain = {name: getattr(card, name) for name in _PLAIN}
    cells = [_cell(cell) for cell in card.cells]
    return {**plain, "error": _error(card.error), "cells": cells}


_PLAIN = tuple(
    each.name for each in dataclasses.fields(Card) if each.name not in {"error", "cells"}
)


def _error(error: HyggeError | None) -> dict[str, str] | None:
    if error is None:
        return None
    first, *more = error.where.split("\n")
    # The caret below a line of YAML stands where it does behind the "  at " of a terminal.
    where = "\n".join([first, *(line.removeprefix(" " * len("  at ")) for line in more)])
    return {
        "type": type(error).__name__,
        "what": error.what,
        "where": where,
        "hint": error.hint,
    }


def _cell(cell: Cell) -> list[Any]:
    reason = str(cell.reason) if cell.reason else None
    return [cell.key, cell.state, reason, _receipt(cell.receipt), cell.waiting]


def _receipt(receipt: Receipt | None) -> dict[str, Any] | None:
    if receipt is None:
        return None
    return {
        "run": receipt.run,
        "seconds": receipt.seconds,
        "config": receipt.config,
        "sources": [(each.path, each.signature.size, each.hash) for each in receipt.sources],
        "inputs": [(each.path, each.signature.size, each.hash) for each in receipt.inputs],
        "outputs": [(o.path, o.rows, o.signature.size, o.hash) for o in receipt.outputs],
    }


def packed(shown_: dict[str, Any], detail: Detail) -> str:
    """Return what `shown` returned as zlib-compressed JSON in base64."""
    texts = _Texts()
    whole = {
        **shown_,
        "v": VERSION,
        "hygge": __version__,
        "states": STATES,
        "hash_length": detail.hash_length,
        "flows": [
            {**flow, "cells": _columns(flow["cells"], texts, detail)} for flow in shown_["flows"]
        ],
        "texts": texts.all,
    }
    data = json.dumps(whole, separators=(",", ":")).encode("ascii")
    return base64.b64encode(zlib.compress(data, 9)).decode("ascii")


class _Texts:
    """Texts that are written once and meant by their number."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str, key: str = "") -> int:
        """Return the number of *text*, in which *key* is left out; the same for equal ones."""
        text = text.replace(KEY, "\ufffd")
        if key:
            text = text.replace(key, KEY)
        if text not in self._numbers:
            self._numbers[text] = len(self.all)
            self.all.append(text)
        return self._numbers[text]


def _columns(cells: Sequence[Sequence[Any]], texts: _Texts, detail: Detail) -> dict[str, Any]:
    receipts = [(key, receipt) for key, _, _, receipt, _ in cells if receipt is not None]
    return {
        "keys": [key for key, *_ in cells],
        "states": "".join(str(STATES.index(state)) for _, state, *_ in cells),
        "reasons": [-1 if why is None else texts.number(why, key) for key, _, why, *_ in cells],
        # What follows is of those with a receipt, in the same order, whose number of a run is > -1.
        "runs": [-1 if each is None else texts.number(each["run"]) for *_, each, _ in cells],
        "seconds": [round(each["seconds"], 2) for _, each in receipts],
        "configs": [texts.number(each["config"][: detail.hash_length]) for _, each in receipts],
        "inputs": [_input(each["inputs"], texts, detail) for _, each in receipts],
        "sources": _files([(key, each["sources"]) for key, each in receipts], texts, detail),
        "outputs": _outputs(receipts, texts, detail),
        "waiting": _files([(key, waiting) for key, *_, waiting in cells], texts, detail),
    }


def _input(files: Sequence[Sequence[Any]], texts: _Texts, detail: Detail) -> int:
    """Return the number of the list of all inputs, which partitions of a flow mostly share."""
    if not files:
        return -1
    short = [[path, _rounded(size), digest[: detail.hash_length]] for path, size, digest in files]
    return texts.number(json.dumps(short))


Files = Sequence[tuple[str, Sequence[Sequence[Any]]]]


def _files(files: Files, texts: _Texts, detail: Detail) -> dict[str, Any]:
    """Return (path, size, perhaps hash) of the files of each partition in columns."""
    flat = [(key, each) for key, group in files for each in group]
    return {
        "counts": _short([len(group) for _, group in files]),
        "paths": [texts.number(each[0], key) for key, each in flat],
        "sizes": [_rounded(each[1]) for _, each in flat],
        "hashes": _hashes((each[2] for _, each in flat if len(each) > 2), detail),
    }


def _outputs(
    receipts: Sequence[tuple[str, dict[str, Any]]], texts: _Texts, detail: Detail
) -> dict[str, Any]:
    groups = [(key, each["outputs"]) for key, each in receipts]
    told = [(key, group if detail.each_output else _summed(group)) for key, group in groups]
    files = [(key, [(path, size, digest) for path, _, size, digest in each]) for key, each in told]
    return {
        **_files(files, texts, detail),
        "rows": [rows for _, group in told for _, rows, *_ in group],
        "numbers": _short([len(group) for _, group in groups]),
    }


def _summed(group: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
    """Return several outputs as one that stands for all: their folder, rows and bytes."""
    if len(group) < 2:
        return group
    rows = None if any(each[1] is None for each in group) else sum(each[1] for each in group)
    return [(f"{group[0][0]} …", rows, sum(each[2] for each in group), "")]


def _hashes(hashes: Iterable[str], detail: Detail) -> str:
    length = detail.hash_length
    return "".join(each[:length].ljust(length) for each in hashes)


def _rounded(size: int | None) -> int | None:
    """Return *size* with three digits, which is more than the page shows of it."""
    return size if size is None else int(round(size, 3 - len(str(size))))


def _short(numbers: list[int]) -> int | list[int]:
    """Return *numbers*, or the one number that all of them are."""
    return numbers[0] if len(set(numbers)) == 1 else numbers


def smallest(shown_: dict[str, Any], is_small: Callable[[str], bool]) -> str:
    """Return `packed` with as much detail as *is_small* allows, with the least if nothing does."""
    text = ""
    for detail in DETAILS:
        text = packed(shown_, detail)
        if is_small(text):
            break
    return text
