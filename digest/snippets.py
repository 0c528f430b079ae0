"""Where a text says what was searched for: the text in pieces, those that were found told apart. Pure.

Promises: the pieces put together are the text, or a stretch of it between whole words, with … where it goes on; they
are plain text, and whoever shows them escapes them. Finds what `search` finds: both compare words as `folding` has
them. Refuses nothing: a text that says none of it comes as one piece.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from digest import folding

Phrases = Sequence[tuple[str, ...]]
BEFORE = 60  # characters of a stretch before the first place


@dataclass(frozen=True)
class Piece:
    """A part of a text, and whether it is what was searched for."""

    text: str
    found: bool = False


def marked(text: str, phrases: Phrases) -> tuple[Piece, ...]:
    """The whole text in pieces."""
    text = unicodedata.normalize("NFC", text)
    return _cut(text, 0, len(text), _spans(text, phrases))


def stretch(text: str, phrases: Phrases, length: int) -> tuple[Piece, ...]:
    """About `length` characters of the text around the first place; none when the text says nothing of it."""
    text = unicodedata.normalize("NFC", text)
    spans = _spans(text, phrases)
    if not spans:
        return ()
    start = 0 if spans[0][0] <= BEFORE else text.find(" ", spans[0][0] - BEFORE, spans[0][0]) + 1
    start = start or max(0, spans[0][0] - BEFORE)
    end = len(text) if start + length >= len(text) else max(text.rfind(" ", start, start + length), spans[0][1])
    before, after = (Piece("… "),) * (start > 0), (Piece(" …"),) * (end < len(text))
    return (*before, *_cut(text, start, end, spans), *after)


def _spans(text: str, phrases: Phrases) -> list[tuple[int, int]]:
    """Where each phrase stands, in order and without overlap; its last word may be the beginning of a longer one."""
    places = list(folding.places(text))
    spans: list[tuple[int, int]] = []
    for n, (_, start, _) in enumerate(places):
        ends = [places[n + len(one) - 1][2] for one in phrases if _stands(places[n : n + len(one)], one)]
        if ends and (not spans or start >= spans[-1][1]):
            spans.append((start, max(ends)))
    return spans


def _stands(places: Sequence[tuple[str, int, int]], phrase: tuple[str, ...]) -> bool:
    return (
        len(places) == len(phrase)
        and places[-1][0].startswith(phrase[-1])
        and all(place[0] == word for place, word in zip(places[:-1], phrase[:-1], strict=True))
    )


def _cut(text: str, start: int, end: int, spans: Sequence[tuple[int, int]]) -> tuple[Piece, ...]:
    pieces = []
    for low, high in ((max(low, start), min(high, end)) for low, high in spans if low < end and high > start):
        pieces += [Piece(text[start:low]), Piece(text[low:high], found=True)]
        start = high
    return tuple(piece for piece in (*pieces, Piece(text[start:end])) if piece.text)
