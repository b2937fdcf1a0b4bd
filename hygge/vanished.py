"""This is where flows that are no more are forgotten, and what others took over from them goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from hygge.clearing import remove
from hygge.ownership import Ownership
from hygge.prepared import QUARANTINE
from hygge.state import State


class Vanished:
    """The partitions of flows that are not there any more.

    What they wrote stays, for nobody said that the data should go with the flow; but what lies in a
    store that another flow has taken over, and that it does not write, goes.

    Args:
        root: The project's root.
        written_by: Returns what a task wrote, or was about to write.
        may_remove: Tells whether an output is nobody's.
    """

    def __init__(
        self,
        state: State,
        root: Path,
        written_by: Callable[[str], list[str]],
        may_remove: Callable[[str], bool],
    ) -> None:
        self._state, self._root = state, root
        self._written_by, self._may_remove = written_by, may_remove
        self._kept: list[str] = []

    def forget(self, flows: Collection[str], ownership: Ownership) -> Counter[str]:
        """Forget the partitions of flows that are not among *flows*; count them by flow.

        Of a store that was taken over, what is remembered waits for `forget_the_rest`: if this run
        is killed before the new flow has moved everything, nothing else could name what is to go.
        """
        vanished = self._state.flows() - {*flows}
        tasks = self._state.tasks() if vanished else ()
        gone = sorted(task for task in tasks if task.partition(":")[0] in vanished)
        self._kept = self._in_a_store(gone, ownership)
        return self._forget([task for task in gone if task not in self._kept], ownership)

    def forget_the_rest(self, ownership: Ownership) -> Counter[str]:
        """Do what `forget` left for when everything has been moved; count by flow."""
        return self._forget(self._kept, ownership)

    def clear(self, stores: Mapping[str, str], ownership: Ownership) -> None:
        """Do what `forget` left for *stores*, real paths by flow, in which all is moved by now."""
        ready = self._in_a_store(self._kept, Ownership(stores, {}, self._root))
        self._forget(ready, ownership)
        self._kept = [task for task in self._kept if task not in ready]

    def _in_a_store(self, tasks: Iterable[str], ownership: Ownership) -> list[str]:
        return [task for task in tasks if any(map(ownership.is_in_a_store, self._written_by(task)))]

    def _forget(self, gone: Collection[str], ownership: Ownership) -> Counter[str]:
        if not gone:
            return Counter()
        for task in gone:
            written = self._written_by(task)
            taken_over = [each for each in written if ownership.is_in_a_store(each)]
            if taken_over:  # and what was set aside on the way there is set aside by another now
                taken_over += [each for each in written if each.startswith(f"{QUARANTINE}/")]
            remove(filter(self._may_remove, taken_over), self._root, {self._root})
        self._state.forget(gone)
        self._state.forget_intents(gone)
        return Counter(task.partition(":")[0] for task in gone)
