"""Search on both databases: what is found, in which order, by whom, and that no question is an error."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest import items, search, snippets
from digest.db import Database
from digest.errors import BadInput
from digest.items import Author, Draft
from tests.conftest import NOW

ZONE = "America/New_York"
WORDLESS = (
    "",
    "  ",
    "\x00",
    "'",
    '"',
    '""',
    '"*',
    "* ( ) : ^ - + ~ & | ! <-> \\",
    "\ud800",
    "\u202e",
    "฿",
    '"' * 10_000,
)
HOSTILE = (
    "NOT officer",
    "title:officer OR (crime",
    "NEAR(officer crime, 2)",
    "'officer':* & !crime",
    "the and of to",
    "a" * 10_000,
    "officer " * 1_300,
    "警" * 3_400,
    "½ ﷺ İ ß ℌ 𝒳 ①",
)
LIBRARY = (
    Draft(
        slug="wso",
        kind="fact sheet",
        title="Warrant Service Officer (WSO) Program",
        excerpt="How the program works since 2019.",
        body="<p>A trained <b>dep</b>uty may serve a warrant under a 287(g) agreement.</p><p>Café &amp; naïveté.</p>",
        topics=("local-programs",),
        authors=(Author("Zoë Ruíz", "Director", "The Forum"),),
        published_on="2026-06-04",
    ),
    Draft(
        slug="crime",
        kind="fact sheet",
        title="Immigrants and Crime",
        body="<p>Community safety, in the words of an officer.</p>",
        topics=("community-safety",),
        published_on="2026-06-26",
    ),
    Draft(slug="tokyo", kind="letter", title="東京の警察官", body="<p>จดหมายถึงตำรวจไทย</p>", published_on="2026-01-05"),
    Draft(slug="arabic", kind="letter", title="قُرْطُبة", body="<p>رسالة من الشرطة</p>", published_on="2026-01-04"),
    Draft(slug="secret", kind="letter", title="An officer's draft", state="draft"),
    Draft(slug="gone", kind="letter", title="Officers withdrawn", published_on="2026-01-03"),
)


@pytest.fixture
def found(either_db: Database) -> Callable[..., list[str]]:
    """The slugs that a question finds in a small library, the best first."""
    with either_db.transaction() as conn:
        for draft in LIBRARY:
            items.put(conn, draft, now=NOW, zone=ZONE)
        items.withdraw(conn, "gone", now=NOW, why="It was wrong.")

    def ask(question: str, **how: object) -> list[str]:
        with either_db.reading() as conn:
            return [hit.item.slug for hit in search.find(conn, question, **how).hits]  # type: ignore[arg-type]

    return ask


def test_a_question_finds_what_says_all_its_words(found: Callable[..., list[str]]) -> None:
    assert found("officer") == ["wso", "crime"]  # in the title, before in the text; drafts and withdrawn ones never
    assert found("DEPUT warrant") == ["wso"]  # the beginning of a word that two tags part
    assert found("officer warrant crime") == []
    assert found("cafe naivete") == found("CAFÉ naïveté") == ["wso"]
    assert found("zoe ruiz forum") == found("local program") == ["wso"]
    assert found("fact sheet crime") == ["crime"]
    assert found("287(g)") == ["wso"]
    assert found("ervice") == []
    assert found('"safety community"') == []
    assert found('"community safety"') == found("safety community") == ["crime"]


def test_any_part_of_a_text_without_spaces_is_found(found: Callable[..., list[str]]) -> None:
    assert found("警察") == found("京の警") == ["tokyo"]
    assert found("察警") == []
    assert found("ตำรวจ") == ["tokyo"]
    assert found("قرطبة") == found("\u202eالشرطة") == ["arabic"]


def test_staff_find_what_readers_do_not(found: Callable[..., list[str]]) -> None:
    assert set(found("officer", drafts=True)) == {"wso", "crime", "secret", "gone"}
    assert found("officer", drafts=True, state="withdrawn") == ["gone"]
    assert found("officer", state="draft") == ["wso", "crime"]  # without the flag it is no way around


def test_filters_and_pages_hold_together(found: Callable[..., list[str]]) -> None:
    assert found("officer", kind="fact sheet", topic="community-safety") == ["crime"]
    assert found("officer", kind="letter") == found("officer", topic="poems") == []
    assert [*found("officer", limit=1), *found("officer", limit=1, offset=1)] == ["wso", "crime"]


def test_what_changes_is_found_anew_and_no_longer_by_what_it_was(
    found: Callable[..., list[str]], either_db: Database
) -> None:
    later = NOW + timedelta(hours=1)
    with either_db.transaction() as conn:
        items.revise(conn, "crime", now=later, title="Newcomers and Trust", topics=("trust",), body="<p>None.</p>")
        items.publish(conn, "secret", now=later, known=True)
    assert found("immigrants") == found("sheet community-safety") == []
    assert found("newcomers") == found("trust") == ["crime"]
    assert "secret" in found("officer")
    with pytest.raises(BadInput), either_db.transaction() as conn:
        _ = items.revise(conn, "crime", now=later, title="Rolled back"), items.withdraw(conn, "crime", now=NOW, why="")
    assert found("rolled") == []


def test_what_was_found_is_told_apart_and_is_text(either_db: Database) -> None:
    with either_db.transaction() as conn:
        hostile = "<p>" + "Words before it. " * 40 + "Here is &lt;script&gt; sheriff &lt;/script&gt; and more.</p>"
        draft = Draft(slug="x", kind="essay", title="<i>Mark</i>", excerpt="-", body=hostile)
        items.put(conn, draft, now=NOW, zone=ZONE)
        items.publish(conn, "x", now=NOW)
        found = search.find(conn, "scrip sheriff mark")
    (hit,) = found.hits
    title = snippets.marked(hit.item.title, found.phrases)
    assert [(piece.text, piece.found) for piece in title] == [("<i>", False), ("Mark", True), ("</i>", False)]
    assert [piece.text for piece in hit.text if piece.found] == ["script", "sheriff", "script"]
    assert hit.text[0].text == "… "
    assert sum(len(piece.text) for piece in hit.text) <= search.SNIPPET + 4


def test_no_question_is_an_error_and_one_without_words_finds_nothing(found: Callable[..., list[str]]) -> None:
    for question in WORDLESS:
        assert found(question) == [], question
    for question in HOSTILE:
        assert isinstance(found(question, drafts=True), list), question[:40]
    assert found("officer\x00'; DROP TABLE items; --") == []
    assert found("officer") == ["wso", "crime"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60))
def test_no_text_at_all_is_an_error(found: Callable[..., list[str]], question: str) -> None:
    assert isinstance(found(question), list)
    assert isinstance(found(f"{question} officer", drafts=True), list)


def test_the_longest_texts_fit(either_db: Database) -> None:
    letters = [chr(0x10428 + n) for n in range(40)]  # four bytes each
    words = " ".join("a" + "".join(three) for three in itertools.product(letters, repeat=3)) + " a" * 90_000
    draft = Draft(slug="long", kind="essay", title="Long", body=f"<p>{words}</p>", published_on="2026-01-01")
    with either_db.transaction() as conn:
        items.put(conn, draft, now=NOW, zone=ZONE)
        assert search.find(conn, "long").total == 1
        assert search.find(conn, words[:4]).total == 1
