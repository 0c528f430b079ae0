"""WordPress's export file: what each oddity of it becomes, in bounded memory, and again without change."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest import intake, items
from digest.db import Database
from digest.drafts import Draft
from digest.errors import BadInput, NotFound, Problem
from digest.intake import wordpress
from digest.intake.categories import Rules
from digest.intake.wordpress import paragraphs, without_shortcodes
from tests.conftest import NOW

ZONE = "America/New_York"
HEAD = """<?xml version="1.0" encoding="UTF-8" ?>
<!-- This is a WordPress eXtended RSS file -->
<rss version="2.0" xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/"
 xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:wp="http://wordpress.org/export/1.2/">
<channel><title>Path to Public Safety</title><link>https://old.example.org</link>
<wp:wxr_version>1.2</wp:wxr_version><wp:base_site_url>https://old.example.org</wp:base_site_url>
<wp:author><wp:author_id>1</wp:author_id><wp:author_login><![CDATA[dana]]></wp:author_login>
<wp:author_display_name><![CDATA[Dana Ruiz]]></wp:author_display_name></wp:author>
"""
TAIL = "</channel></rss>\n"


def cdata(text: str) -> str:
    return "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"


def post(number: int, **given: str) -> str:
    """One item as WordPress writes it."""
    f = {
        "title": f"Post {number}", "name": f"post-{number}", "status": "publish", "type": "post", "password": "",
        "date": "2021-04-22 16:00:00", "content": f"<p>All of {number}.</p>", "excerpt": "", "terms": "", "sticky": "0",
    } | given  # fmt: skip
    return f"""<item><title>{escape(f["title"])}</title><link>https://old.example.org/{f["name"]}/</link>
<pubDate>Thu, 22 Apr 2021 16:00:00 +0000</pubDate><dc:creator><![CDATA[dana]]></dc:creator>
<guid isPermaLink="false">https://old.example.org/?p={number}</guid><description></description>
<content:encoded>{cdata(f["content"])}</content:encoded><excerpt:encoded>{cdata(f["excerpt"])}</excerpt:encoded>
<wp:post_id>{number}</wp:post_id><wp:post_date>2021-04-22 12:00:00</wp:post_date>
<wp:post_date_gmt>{f["date"]}</wp:post_date_gmt><wp:post_name>{f["name"]}</wp:post_name>
<wp:status>{f["status"]}</wp:status><wp:post_type>{f["type"]}</wp:post_type>
<wp:post_password>{f["password"]}</wp:post_password><wp:is_sticky>{f["sticky"]}</wp:is_sticky>{f["terms"]}
<wp:postmeta><wp:meta_key>_edit_last</wp:meta_key><wp:meta_value>1</wp:meta_value></wp:postmeta></item>
"""


def term(domain: str, short: str, name: str = "") -> str:
    return f'<category domain="{domain}" nicename="{short}">{cdata(name or short)}</category>'


def export(path: Path, posts: Iterable[str]) -> Path:
    """Writes an export file."""
    file = path / "export.xml"
    with file.open("w", encoding="utf-8") as out:
        out.write(HEAD)
        out.writelines(posts)
        out.write(TAIL)
    return file


def read(path: Path, *posts: str, rules: Rules | None = None) -> list[Draft | Problem]:
    return list(wordpress.read(export(path, posts), rules=rules or Rules()))


def only(path: Path, **given: str) -> Draft:
    (found,) = read(path, post(7, **given))
    assert isinstance(found, Draft), found
    return found


def test_a_post_comes_with_all_that_it_has(tmp_path: Path) -> None:
    terms = term("category", "detainers", "Detainers") + term("post_tag", "court", "Court")
    draft = only(
        tmp_path, title="Q &amp; A: “Why?”", content="<p>See <a href='/b/'>b</a>.</p>", terms=terms, sticky="1"
    )
    assert (draft.slug, draft.title, draft.kind) == ("post-7", "Q & A: “Why?”", "article")
    assert draft.body == '<p>See <a href="https://old.example.org/b/">b</a>.</p>'
    assert draft.published_at is not None
    assert draft.published_at.isoformat() == "2021-04-22T16:00:00+00:00"
    assert [author.name for author in draft.authors] == ["Dana Ruiz"]
    assert (draft.topics, draft.featured) == (("detainers",), True)
    assert draft.canonical_url == "https://old.example.org/post-7/"
    assert (draft.source, draft.foreign_id) == ("old.example.org", "old.example.org?p=7")


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({"status": "publish"}, "published"),
        ({"status": "private"}, "draft"),
        ({"status": "pending"}, "draft"),
        ({"status": "draft", "date": "0000-00-00 00:00:00"}, "draft"),
        ({"status": "publish", "password": "secret"}, "draft"),
        ({"status": "future", "date": "2030-01-01 00:00:00"}, "scheduled"),
    ],
)
def test_only_what_everybody_could_read_is_published(tmp_path: Path, given: dict[str, str], state: str) -> None:
    assert only(tmp_path, **given).state == state


@pytest.mark.parametrize("given", [{"status": "trash"}, {"status": "auto-draft"}, {"type": "nav_menu_item"},
                                   {"type": "attachment", "status": "inherit"}, {"type": "revision"}])  # fmt: skip
def test_what_is_no_post_or_thrown_away_is_left_out(tmp_path: Path, given: dict[str, str]) -> None:
    assert read(tmp_path, post(1, **given)) == []


def test_rules_make_kinds_and_topics_of_categories_and_tags(tmp_path: Path) -> None:
    rules = Rules({"fact-sheets": "fact sheet"}, {"law": "detainers", "news": "", "court": "courts"})
    terms = "".join(
        [term("category", "fact-sheets"), term("category", "law"), term("category", "news"), term("post_tag", "court")]
    )
    (draft,) = read(tmp_path, post(1, terms=terms), rules=rules)
    assert isinstance(draft, Draft)
    assert (draft.kind, draft.topics) == ("fact sheet", ("detainers", "courts"))


def test_one_bad_post_stops_no_other_and_is_named(tmp_path: Path) -> None:
    found = read(tmp_path, post(1), post(2, date="yesterday"), post(4, title=" "))
    assert [type(one).__name__ for one in found] == ["Draft", "Problem", "Draft"]
    assert isinstance(found[1], Problem)
    assert found[1].where == "post 2, Post 2 (post_date_gmt)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a [gallery ids='1,2'] b", "a  b"),
        ('[caption id="x" align="left"]<img src="https://e.org/a.png" alt="A"> Words[/caption]',
         '<img src="https://e.org/a.png" alt="A"> Words'),
        ("[embed]https://e.org/v[/embed]", '<a href="https://e.org/v">https://e.org/v</a>'),
        ('[video mp4="https://e.org/v.mp4"][/video]', '<a href="https://e.org/v.mp4">https://e.org/v.mp4</a>'),
        ("He said [sic] that [it] was § 287(g) [2].", "He said [sic] that [it] was § 287(g) [2]."),
        ("[vc_row][vc_column width='1/2']Words[/vc_column][/vc_row]", "Words"),
        ("[[gallery]] is a shortcode", "[gallery] is a shortcode"),
    ],
)  # fmt: skip
def test_shortcodes_go_and_words_in_brackets_stay(text: str, expected: str) -> None:
    assert without_shortcodes(text) == expected


def test_the_old_editor_s_empty_lines_are_paragraphs_and_blocks_lose_their_comments() -> None:
    assert paragraphs("One\nline.\r\n\r\nTwo.") == "<p>One<br>line.</p>\n<p>Two.</p>"
    block = '<!-- wp:paragraph {"a":1} -->\n<p>One.</p>\n<!-- /wp:paragraph -->'
    assert paragraphs(block).strip() == "<p>One.</p>"


@given(st.text(alphabet="[]/= \"'abgaleryvdo<>&\n", max_size=200))
def test_no_text_whatever_breaks_the_taking_out(text: str) -> None:
    without_shortcodes(text)
    paragraphs(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<rss><channel><item></item></channel></rss>", "no export of WordPress"),
        ("<rss><channel></channel></rss>", "no export of WordPress"),
        ("<rss><channel>", "The XML is broken"),
        ("no xml at all", "The XML is broken"),
        ("", "The XML is broken"),
    ],
)
def test_what_is_no_export_is_refused(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "export.xml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=why):
        list(wordpress.read(file, rules=Rules()))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        list(wordpress.read(tmp_path / "none.xml", rules=Rules()))


def test_entities_lead_nowhere_and_do_not_grow(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a secret", encoding="utf-8")
    growing = [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 9)]
    bomb = "".join(['<!ENTITY a0 "ha">', *growing])
    doctype = f'<!DOCTYPE rss [<!ENTITY file SYSTEM "file://{tmp_path}/secret">{bomb}]>\n<rss'
    text = HEAD.replace("<rss", doctype, 1) + post(1, title="T").replace("<title>T", "<title>T &file; &a8;") + TAIL
    file = tmp_path / "export.xml"
    file.write_text(text, encoding="utf-8")
    try:
        found = list(wordpress.read(file, rules=Rules()))
    except BadInput:
        return
    assert "secret" not in repr(found)
    assert len(repr(found)) < 20_000


def test_a_large_file_is_read_in_little_memory(tmp_path: Path) -> None:
    def posts() -> Iterator[str]:
        for number in range(2_000):
            yield post(number, excerpt="In short.", content=f"<p>{'Some words of a post. ' * 500}</p>\n")

    file = export(tmp_path, posts())
    assert file.stat().st_size > 20_000_000
    tracemalloc.start()
    count = sum(1 for _ in wordpress.read(file, rules=Rules()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 2_000
    assert peak < 10_000_000


def test_bringing_it_in_again_changes_nothing(db: Database, tmp_path: Path) -> None:
    file = export(tmp_path, [post(n, terms=term("category", "detainers")) for n in range(20)])
    for created, news in ((20, 20), (0, 0)):
        drafts = wordpress.read(file, rules=Rules())
        with db.transaction() as conn:
            report = intake.bring_in(conn, drafts, now=NOW, zone=ZONE)
        assert (report.created, report.changed, report.unchanged, report.refused) == (created, 0, 20 - created, 0)
        assert report.news == news
    with db.reading() as conn:
        assert len(items.everything(conn)) == 20
