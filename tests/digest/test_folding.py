"""What search compares: words folded alike, whoever wrote them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest import folding, snippets


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Policía, ÇA; Straße", ["policia", "ca", "strasse"]),
        ("e\u0301 é İstanbul ﬁnd ℌi ①", ["e", "e", "istanbul", "find", "hi", "1"]),
        ("287(g), e-mail and don’t_do", ["287", "g", "e", "mail", "and", "don", "t", "do"]),
        ("immi\u00adgrant\u200b", ["immigrant"]),
        ("東京の ABC", ["東", "京", "の", "abc"]),
        ("पुलिस सेवा", ["पुलिस", "सेवा"]),
        ("قُرْآن", ["قران"]),
        ("\x00'\"*:()", []),
        ("x" * 100, ["x" * folding.LONGEST]),
    ],
)
def test_words_are_folded_alike(text: str, words: list[str]) -> None:
    assert folding.words(text) == words


def test_a_question_is_words_and_what_stands_in_quotes() -> None:
    assert folding.phrases('"community safety" 287(g) Safety safety "open', 12) == [
        ("community", "safety"),
        ("287", "g"),
        ("safety",),
        ("open",),
    ]
    assert folding.phrases("a b c d", 3) == [("a",), ("b",), ("c",)]
    assert folding.phrases("警" * 50, 12) == [("警",) * 12]


@given(st.text(max_size=80))
def test_a_folded_word_is_its_own_folding_and_needs_no_quoting(text: str) -> None:
    for word in folding.words(text):
        assert word
        assert not set(word) & set(" '\"\\*:()&|!<>\x00")
        assert len(word) <= folding.LONGEST


@given(st.text(max_size=80), st.text(max_size=12), st.integers(8, 60))
def test_a_stretch_is_a_part_of_the_text_and_shows_what_was_found(text: str, question: str, length: int) -> None:
    phrases = folding.phrases(question, 12)
    pieces = snippets.stretch(text, phrases, length)
    whole = "".join(piece.text for piece in snippets.marked(text, phrases))
    said = "".join(piece.text for piece in pieces)
    assert said.removeprefix("… ").removesuffix(" …") in whole
    assert any(piece.found for piece in pieces) == bool(pieces)
