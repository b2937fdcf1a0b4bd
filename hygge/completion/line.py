"""This is where a command line that is still being typed is split into words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Line(NamedTuple):
    """A command line up to the cursor."""

    words: tuple[str, ...]
    """Without quotes and backslashes; the last one, which may be empty, is being typed."""
    plain: tuple[bool, ...] = ()
    """For each character of the last word, whether it stands without quote and backslash."""
    quote: int | None = None
    """Where in the last word a quote begins that is still open."""

    @classmethod
    def parse(cls, text: str) -> Line:
        """Split *text* as a shell does, but take what is unfinished as it is."""
        words: list[str] = []
        word: list[tuple[str, bool]] = []
        within, begun, quote = "", False, None
        characters = iter(text)
        for each in characters:
            if within and each == within:
                within, quote = "", None
            elif within == "'" or (within and each != "\\"):
                word.append((each, False))
            elif each == "\\":
                word += [(escaped, False) for escaped in (next(characters, ""),) if escaped]
            elif each in "'\"":
                within, quote, begun = each, len(word), True
            elif each.isspace():
                if word or begun:
                    words.append("".join(each for each, _ in word))
                word, begun = [], False
            else:
                word.append((each, True))
        last = "".join(each for each, _ in word)
        return cls((*words, last), tuple(plain for _, plain in word), quote)

    def kept(self, breaks: str) -> int:
        """Return how many characters of the last word bash leaves alone.

        Args:
            breaks: Characters after which it takes a new word to begin: COMP_WORDBREAKS.
        """
        if self.quote is not None:
            return self.quote
        last = self.words[-1]
        broken = [i + 1 for i, each in enumerate(last) if each in breaks and self.plain[i]]
        return max(broken, default=0)


def glued(words: Sequence[str]) -> Line:
    """Return the line of which bash made *words*, where it does not say what was typed.

    It makes words of their own of the colons and equals signs within words.
    """
    found: list[str] = []
    together = False
    for word in words:
        breaks = bool(word) and set(word) <= set(":=")
        if len(found) > 1 and (breaks or together):
            found[-1] += word
        else:
            found.append(word)
        together = breaks
    return Line(tuple(found), (True,) * len(found[-1]) if found else ())
