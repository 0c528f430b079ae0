"""Of a text, the words that a search compares: small letters without accents, one after another. Pure.

Promises: what a reader types and what an item says are folded alike ("Policía" is "policia", "Straße" is "strasse");
a word holds letters, digits and their marks and nothing else, so it can be quoted in any query. In scripts that put
no space between words each sign is a word, and any part of a text is found as a run of them. Refuses nothing: text
without words has none, and the longest words are cut.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

LONGEST = 64  # characters of one word

# Han, kana, Thai, Lao, Tibetan, Burmese and Khmer: written without spaces between words.
_RUNNING = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
# Accents of Latin, Greek and Cyrillic, points of Hebrew, vowels and stretching of Arabic, and signs nobody sees.
_DROPPED = (
    "\u00ad\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u061c\u0640\u064b-\u065f\u0670"
    "\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
)
_INDIC = "\u0900-\u0963\u0966-\u0dff"  # letters and the vowels that hang on them
_WORD = re.compile(rf"[{_RUNNING}]|(?:[^\W_{_RUNNING}]|[{_INDIC}{_DROPPED}])+")
_DROP = re.compile(f"[{_DROPPED}]+")
_PHRASE = re.compile(r'"([^"]*)"?|(\S+)')


def words(text: str) -> list[str]:
    """The folded words of a text, in order."""
    if text.isascii():
        text = text.lower()
    else:
        apart = unicodedata.normalize("NFKD", text).casefold()
        text = unicodedata.normalize("NFC", _DROP.sub("", apart))
    return [word[:LONGEST] for word in _WORD.findall(text)]


def phrases(text: str, most: int) -> list[tuple[str, ...]]:
    """What a reader asks for: each written word, or each part in quotes, as the words that must follow one another.

    No more than `most` words in all; the rest is left out.
    """
    found: list[tuple[str, ...]] = []
    for quoted, plain in _PHRASE.findall(text):
        if (phrase := tuple(words(quoted or plain)[:most])) and phrase not in found:
            found.append(phrase)
            most -= len(phrase)
        if most <= 0:
            break
    return found


def places(text: str) -> Iterator[tuple[str, int, int]]:
    """Every word of a text as it is folded, with where it begins and ends in the text."""
    for match in _WORD.finditer(text):
        if folded := "".join(words(match[0])):
            yield folded, match.start(), match.end()
