"""The search page, and what pages tell programs: cards, structured data, the sitemap, robots.txt."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any

import pytest
from lxml import etree, html

from digest import items
from digest.errors import NotFound
from digest.items import Attachment, Author
from digest.web import crawlers
from tests.conftest import NOW
from tests.digest.web import serving
from tests.digest.web.conftest import Served

SITE = "http://127.0.0.1:8080"


def meta(page: str) -> dict[str, str]:
    """What the head says by name, and the canonical address."""
    tree = html.fromstring(page)
    said = {one.get("name") or one.get("property"): one.get("content") for one in tree.xpath("//meta[@content]")}
    canonical = [one.get("href") for one in tree.xpath("//link[@rel='canonical']")]
    return said | ({"canonical": canonical[0]} if canonical else {})


def data(page: str) -> dict[str, dict[str, Any]]:
    """The structured data by type."""
    found = [json.loads(one.text) for one in html.fromstring(page).xpath("//script[@type='application/ld+json']")]
    return {one["@type"]: one for one in found}


def test_search_finds_marks_and_filters(served: Served) -> None:
    page = served.client.get("/search", params={"q": "officér hiring"}).text
    found = re.findall(r'<h3><a href="/items/([^"]+)"', page)
    assert "backgrounder-jurisdictions-permitting-lpr-hiring" in found
    assert f"{len(found)} items found" in page
    assert ">Jurisdictions Permitting LPR <mark>Hiring</mark></a>" in page
    assert 'value="officér hiring"' in page
    assert meta(page)["robots"] == "noindex, follow"
    narrowed = served.client.get("/search", params={"q": "officer", "kind": "article", "topic": "hiring"}).text
    assert "1 item found" in narrowed
    assert '<option value="hiring" selected>' in narrowed


def test_search_pages_go_on_and_odd_questions_are_answered(served: Served) -> None:
    with served.home.db.transaction() as conn:
        for n in range(12):
            items.put(conn, serving.draft(f"zebra-{n}"), now=NOW, zone=serving.ZONE, known=True)
    first = served.client.get("/search?q=zebra").text
    second = served.client.get("/search?q=zebra&page=2").text
    assert "/search?q=zebra&amp;page=2" in first
    slugs = [re.findall(r'<h3><a href="/items/(zebra-\d+)"', page) for page in (first, second)]
    assert [len(one) for one in slugs] == [10, 2]
    assert len({*slugs[0], *slugs[1]}) == 12
    for question in (
        "<script>alert(1)</script>",
        "\x00",
        "\u202ex",
        "a" * 10_000,
        '"' * 999,
        "unfinished",
        "taken-back",
    ):
        answer = served.client.get("/search", params={"q": question, "page": "-3"})
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "/items/unfinished" not in answer.text
        assert "/items/taken-back" not in answer.text
    assert served.client.get("/search").text.count("Nothing found") == 0
    assert served.client.get("/search?q=one&q=two").status_code == 200


def test_an_item_tells_programs_what_it_is(served: Served) -> None:
    picture = Attachment("image", "ab12.png", "p.png", "image/png", 10, alt="A badge")
    paper = Attachment("pdf", "cd34.pdf", "p.pdf", "application/pdf", 212_000, 4)
    hostile = "</script><script>alert(1)</script> & \u2028"
    with served.home.db.transaction() as conn:
        draft = serving.draft(
            "full",
            title=f"All of it {hostile}",
            excerpt='Says "more".',
            authors=(Author("Dana Ruiz", "Director", "The Forum"), Author("Law Enforcement Immigration Task Force")),
            attachments=(picture, paper),
            updated_on="2026-09-01",
        )
        items.put(conn, draft, now=NOW, zone=serving.ZONE)
    page = served.client.get("/items/full").text
    assert "<script>alert" not in page
    said, told = meta(page), data(page)
    assert said["canonical"] == said["og:url"] == f"{SITE}/items/full"
    assert said["description"] == said["og:description"] == 'Says "more".'
    assert (said["og:type"], said["twitter:card"]) == ("article", "summary_large_image")
    assert (said["og:image"], said["og:image:alt"]) == (f"{SITE}/media/ab12.png", "A badge")
    assert said["og:title"].startswith("All of it </script><script>")
    article = told["Article"]
    assert article["headline"] == said["og:title"]
    assert (article["datePublished"], article["dateModified"]) == ("2026-08-17", "2026-09-01")
    assert [(one["@type"], one["name"]) for one in article["author"]] == [
        ("Person", "Dana Ruiz"),
        ("Organization", "Law Enforcement Immigration Task Force"),
    ]
    assert article["encoding"]["contentUrl"] == f"{SITE}/media/cd34.pdf"
    way = told["BreadcrumbList"]["itemListElement"]
    assert [one["item"] for one in way] == [f"{SITE}/", f"{SITE}/topics/hiring", f"{SITE}/items/full"]


def test_other_pages_have_one_address_and_later_ones_are_not_kept(served: Served) -> None:
    paths = ("/", "/topics/", "/topics/hiring", "/archive/", "/archive/2026", "/feeds/", "/editions/", "/privacy")
    for path in paths:
        assert meta(served.client.get(path).text)["canonical"] == SITE + path, path
    assert meta(served.client.get("/?kind=article").text)["canonical"] == f"{SITE}/?kind=article"
    assert "SearchAction" in json.dumps(data(served.client.get("/").text)["WebSite"])
    for path in ("/nope", "/items/taken-back", "/topics/poems", "/archive/1999", "/topics/hiring?before=told"):
        said = meta(served.client.get(path).text)
        assert "noindex" in said["robots"], path
        assert "canonical" not in said, path


def test_the_sitemap_names_what_is_public_and_nothing_else(served: Served) -> None:
    answer = served.client.get("/sitemap.xml")
    assert answer.headers["content-type"].startswith("application/xml")
    tree = etree.fromstring(answer.content)
    days = {url[0].text.removeprefix(SITE): url[1].text if len(url) > 1 else None for url in tree}
    assert days["/items/told"] == "2026-09-07"
    assert {"/", "/topics/hiring", "/archive/2026", f"/editions/{served.edition}", "/items/no-year"} <= set(days)
    assert not {"/items/unfinished", "/items/taken-back"} & set(days)
    assert {served.client.get(path).status_code for path in days} == {200}
    known = {"if-none-match": f'"other", W/{answer.headers["etag"]}'}
    assert served.client.get("/sitemap.xml", headers=known).status_code == 304
    with served.home.db.transaction() as conn:
        items.withdraw(conn, "told", now=NOW, why="Wrong.")
    changed = served.client.get("/sitemap.xml", headers=known)
    assert changed.status_code == 200
    assert "/items/told" not in changed.text
    assert served.client.get("/sitemap.xml?part=2").status_code == 404


def test_a_sitemap_that_is_too_long_comes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crawlers, "PART", 2)
    pages = [("/", None), ("/items/a", date(2026, 9, 7)), ("/items/b", None)]
    index = crawlers.written("https://example.org/?a&b", pages, 0)
    assert index.count("<sitemap>") == 2
    assert "https://example.org/?a&amp;b/sitemap.xml?part=2" in index
    parts = [crawlers.written("https://example.org", pages, n) for n in (1, 2)]
    assert [etree.fromstring(part.encode())[0][0].text for part in parts] == [
        "https://example.org/",
        "https://example.org/items/b",
    ]
    with pytest.raises(NotFound):
        crawlers.written("https://example.org", pages, 3)


def test_robots_keep_personal_links_out_and_find_the_sitemap(empty: Served) -> None:
    lines = empty.client.get("/robots.txt").text.splitlines()
    assert lines[0] == "User-agent: *"
    assert {"Disallow: /c/", "Disallow: /p/", "Disallow: /u/", "Disallow: /staff/"} <= set(lines)
    assert lines[-1] == f"Sitemap: {SITE}/sitemap.xml"
