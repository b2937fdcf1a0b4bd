"""This is where `doit graph` draws the flows: as text, for Mermaid or for Graphviz."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hygge.commands.reading import JSON_OPTION, Answer, Opened, Reading
from hygge.commands.telling import NOTHING_STARTED, no_task
from hygge.commands.terminal import printable
from hygge.errors import UsageError, did_you_mean
from hygge.lineage import Lineage, Node

COLOURS: Mapping[str, tuple[str, str]] = {
    "fresh": ("#e8f5e9", "#2e7d32"),
    "stale": ("#fff8e1", "#b26a00"),
    "failed": ("#fdecea", "#b3261e"),
}
"""Background and border of a flow, by its mark."""

_PLAIN = set(" -_./:,()=*")
"""What stays as it is in Mermaid's texts beside letters and digits."""


class Graph(Reading):
    """Draws which flow reads what another one wrote."""

    name = "graph"
    doc_purpose = "draw the flows, what they read and what they write"
    doc_usage = "[FLOW ...]"
    cmd_options = (
        {
            "name": "format",
            "long": "format",
            "type": str,
            "default": "text",
            "help": "text, mermaid or dot [default: %(default)s]",
        },
        JSON_OPTION,
    )

    def answer(self, opened: Opened, params: Any, names: list[str]) -> Answer:
        """Return the drawing of what is before and behind *names*, or of everything.

        Raises:
            UsageError: There is no such flow or format.
        """
        drawing = FORMATS.get(params["format"])
        if drawing is None:
            hint = did_you_mean(params["format"], FORMATS)
            raise UsageError(f"no format '{params['format']}'", hint=hint)
        plans = opened.coordinator.plan().flows
        lineage = Lineage.of(plans, opened.state.failures(), opened.project.root)
        if names:
            lineage = lineage.around(_flows(names, lineage))
        shown = {each.name for each in lineage.nodes}
        problems = [each.error for each in plans if each.error is not None and each.name in shown]
        stale = any(each.stale for each in lineage.nodes)
        data = {
            "flows": [{**dataclasses.asdict(each), "mark": mark(each)} for each in lineage.nodes],
            "edges": [dataclasses.asdict(each) for each in lineage.edges],
        }
        status = "error" if problems else "stale" if stale else "ok"
        return Answer(data, drawing(lineage), status, NOTHING_STARTED * bool(problems), problems)


def _flows(names: Sequence[str], lineage: Lineage) -> list[str]:
    """Return the flows that *names* stand for.

    Raises:
        UsageError: One stands for none.
    """
    known = [each.name for each in lineage.nodes]
    found = []
    for name in names:
        those = [each for each in known if name in (each, each.partition(".")[0])]
        if not those:
            raise no_task(name, sorted({*known, *(each.partition(".")[0] for each in known)}))
        found += those
    return found


def mark(node: Node) -> str:
    """Return ``failed``, ``stale`` or ``fresh``."""
    if node.error or node.failed:
        return "failed"
    return "stale" if node.stale or node.waits_for else "fresh"


def state(node: Node) -> str:
    """Return in words how the flow stands: ``12 partitions, 2 stale``."""
    if node.error:
        return "can't be used"
    parts = [f"{node.partitions:,} partition{'' if node.partitions == 1 else 's'}"]
    parts += [f"{node.stale:,} stale"] * bool(node.stale)
    parts += [f"{node.failed:,} failed"] * bool(node.failed)
    if node.waits_for and not node.stale:
        parts.append("may become stale")
    return ", ".join(parts)


# As text


def as_text(lineage: Lineage) -> Iterator[str]:
    """Yield a tree: below each flow, those that read what it wrote.

    A flow that waits for several is drawn whole below the first, and named below the others.
    """
    nodes = {each.name: each for each in lineage.nodes}
    if not nodes:
        yield "No flows yet: write a first one, flows/NAME.yml."
    drawn: set[str] = set()
    for name in nodes:
        if not any(True for _ in lineage.before(name)):
            yield from _branch(lineage, nodes, name, "", "", drawn)


def _branch(
    lineage: Lineage,
    nodes: Mapping[str, Node],
    name: str,
    head: str,
    indent: str,
    drawn: set[str],
) -> Iterator[str]:
    if name in drawn:
        yield f"{head}{printable(name)}  (see above)"
        return
    drawn.add(name)
    node, behind = nodes[name], list(lineage.behind(name))
    yield f"{head}{printable(name)}  [{state(node)}]"
    bar = "│    " if behind else "     "
    if not node.error:
        yield f"{indent}{bar}{printable(node.home)} -> {printable(node.store)}"
    for each, path in node.inputs.items():
        yield f"{indent}{bar}with {printable(each)}: {printable(path)}"
    for each in behind:
        last = each == behind[-1]
        child = f"{indent}{'╰─ ' if last else '├─ '}"
        yield from _branch(lineage, nodes, each, child, indent + ("   " if last else "│  "), drawn)


# For programs that draw


def _parts(lineage: Lineage) -> Iterator[tuple[str, str, str]]:
    """Yield (from, to, label) of each arrow; a flow is ``flow NAME``, a place ``path PATH``.

    A home or an input that lies in the store of a flow that is shown is the store itself.
    """
    stores = {each.name: each.store for each in lineage.nodes}
    for node in lineage.nodes:
        flow = f"flow {node.name}"
        if node.error:
            continue
        edges = [each for each in lineage.edges if each.behind == node.name]
        roles = {"home": node.home, **{f"input {n}": path for n, path in node.inputs.items()}}
        for role, path in roles.items():
            before = [each.before for each in edges if role in each.through]
            places = [f"path {stores[each]}" for each in before] or [f"path {path}"]
            label = "" if role == "home" else role.removeprefix("input ")
            yield from ((place, flow, label) for place in places)
        for each in edges:
            if each.through == ("needs",):
                yield f"flow {each.before}", flow, "needs"
        yield flow, f"path {node.store}", ""


def _identifiers(lineage: Lineage) -> dict[str, str]:
    """Return a plain name for each flow and each place, which may be called anything."""
    ends = [end for source, target, _ in _parts(lineage) for end in (source, target)]
    whole = dict.fromkeys([*(f"flow {each.name}" for each in lineage.nodes), *ends])
    return {each: f"n{i}" for i, each in enumerate(whole)}


def as_mermaid(lineage: Lineage) -> Iterator[str]:
    """Yield a flowchart."""
    names = _identifiers(lineage)
    nodes = {f"flow {each.name}": each for each in lineage.nodes}
    yield "flowchart LR"
    for each, name in names.items():
        if each in nodes:
            text = f"{_mermaid(nodes[each].name)}<br/>{_mermaid(state(nodes[each]))}"
            yield f'  {name}["{text}"]:::{mark(nodes[each])}'
        else:
            yield f'  {name}[("{_mermaid(each.removeprefix("path "))}")]'
    for source, target, label in _parts(lineage):
        arrow = f'-- "{_mermaid(label)}" -->' if label else "-->"
        yield f"  {names[source]} {arrow} {names[target]}"
    for kind, (background, border) in COLOURS.items():
        yield f"  classDef {kind} fill:{background},stroke:{border},color:#1b1b1b"


def _mermaid(text: str) -> str:
    """Return *text* so that Mermaid shows it as it is: what could mean something by its number."""
    return "".join(c if c.isalnum() or c in _PLAIN else f"#{ord(c)};" for c in printable(text))


def as_dot(lineage: Lineage) -> Iterator[str]:
    """Yield a graph for Graphviz."""
    names = _identifiers(lineage)
    nodes = {f"flow {each.name}": each for each in lineage.nodes}
    yield "digraph hygge {"
    yield "  rankdir=LR;"
    yield '  node [fontname="sans-serif"];'
    for each, name in names.items():
        if each in nodes:
            text = f"{_dot(nodes[each].name)}\\n{_dot(state(nodes[each]))}"
            background, border = COLOURS[mark(nodes[each])]
            style = f'shape=box style="filled,rounded" fillcolor="{background}" color="{border}"'
        else:
            text, style = _dot(each.removeprefix("path ")), "shape=cylinder"
        yield f'  {name} [label="{text}" {style}];'
    for source, target, label in _parts(lineage):
        yield f"  {names[source]} -> {names[target]}" + (
            f' [label="{_dot(label)}"];' if label else ";"
        )
    yield "}"


def _dot(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')


FORMATS: Mapping[str, Callable[[Lineage], Iterator[str]]] = {
    "text": as_text,
    "mermaid": as_mermaid,
    "dot": as_dot,
}
