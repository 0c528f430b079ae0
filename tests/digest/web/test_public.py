"""The public pages as a reader meets them."""

from __future__ import annotations

import re

from digest import items
from tests.conftest import NOW
from tests.digest.web import serving
from tests.digest.web.conftest import Served


def links(page: str) -> list[str]:
    return re.findall(r'href="([^"]+)"', page)


def heads(page: str) -> list[str]:
    return re.findall(r'<h2><a href="/items/([^"]+)"', page)


def test_the_home_page_shows_the_latest_items_and_the_way_to_the_others(served: Served) -> None:
    first = served.client.get("/").text
    assert len(heads(first)) == 10
    assert heads(first)[:3] == ["hostile", "long", "told"]
    assert "Earlier items (3)" in first
    following = first.partition('class="onward"')[2]
    (onward,) = [link for link in links(following) if link.startswith("/?before=")]
    second = served.client.get(onward).text
    assert len(heads(second)) == 3
    assert not {*heads(first)} & {*heads(second)}
    assert "The latest items" in second
    assert 'name="robots" content="noindex, follow"' in second
    assert "These were all the items." in served.client.get("/?before=never-was").text
    assert "no-year" not in first
    assert "unfinished" not in first
    assert "taken-back" not in first


def test_the_filter_shows_one_kind_with_counts_that_add_up(served: Served) -> None:
    page = served.client.get("/").text
    counts = [int(count) for count in re.findall(r'class="count">(\d+)<', page.partition("By topic")[0])]
    assert sum(counts) == 13
    profiles = served.client.get("/?kind=profiles").text
    assert heads(profiles) == ["profiles-immigrants-in-law-enforcement"]
    assert 'aria-current="page">Profiles' in profiles
    unknown = served.client.get("/?kind=poems").text
    assert "There is no item of the kind “poems”" in unknown
    assert "Show everything" in unknown


def test_kind_and_topic_filter_together(served: Served) -> None:
    page = served.client.get("/?topic=hiring&kind=fact%20sheet").text
    assert heads(page) == ["hostile", "long", "told"]
    assert 'aria-current="page">Fact sheets <span class="count">3<' in page
    assert 'aria-current="page">Hiring officers <span class="count">3<' in page
    assert "/?kind=backgrounder&amp;topic=hiring" in links(page)
    assert "/?kind=fact+sheet&amp;topic=detainers" in links(page)
    assert "no item on the topic “Nothing here yet”" in served.client.get("/?topic=empty").text
    both = served.client.get("/?topic=detainers&kind=poem").text
    assert "no item of the kind “poem” on the topic “Detainers”" in both
    assert "Show everything" in both


def test_a_topic_that_nobody_knows_is_an_empty_list_with_a_way_on(served: Served) -> None:
    answer = served.client.get("/?topic=nope")
    assert answer.status_code == 200
    assert "no item on the topic “nope”" in answer.text
    assert "<title>nope - Path to Public Safety</title>" in answer.text
    both = served.client.get("/?topic=nope&kind=poem").text
    assert "no item of the kind “poem” on the topic “nope”" in both


def test_the_archive_has_every_year_and_its_months(served: Served) -> None:
    years = served.client.get("/archive/").text
    assert re.findall(r'href="/archive/(\d+)"', years)[:3] == ["2026", "2023", "2021"]
    page = served.client.get("/archive/2026").text
    assert re.findall("<h2>(.*)</h2>", page) == ["August"]
    assert re.findall(r'<h3><a href="/items/([^"]+)"', page) == ["hostile", "long", "told"]
    assert ">August\N{NO-BREAK SPACE}17</time>" in page
    for nothing in ("1999", "0", "99999999"):
        unknown = served.client.get(f"/archive/{nothing}")
        assert unknown.status_code == 404
        assert "/archive/2023" in links(unknown.text)


def test_a_long_topic_and_a_long_year_go_on_by_pages(served: Served) -> None:
    with served.home.db.transaction() as conn:
        for n in range(120):
            draft = serving.draft(f"more-{n}", published_on="2025-05-05", topics=("empty",))
            items.put(conn, draft, now=NOW, zone=serving.ZONE, known=True)
    for path, most in (("/topics/empty", 20), ("/archive/2025", 100)):
        first = served.client.get(path).text
        (onward,) = [link for link in links(first) if "before=" in link]
        second = served.client.get(onward).text
        shown = [len(re.findall(r'<h[23]><a href="/items/', page)) for page in (first, second)]
        assert shown == [most, 20]
        assert f"Earlier items ({120 - most})" in first


def test_titles_lose_the_kind_in_lists_and_keep_it_on_their_own_page(served: Served) -> None:
    home = served.client.get("/?kind=backgrounder").text
    assert ">Jurisdictions Permitting LPR Hiring</a></h2>" in home
    page = served.client.get("/items/backgrounder-jurisdictions-permitting-lpr-hiring").text
    assert "<h1>Backgrounder: Jurisdictions Permitting LPR Hiring</h1>" in page
    assert "<title>Backgrounder: Jurisdictions Permitting LPR Hiring - Path to Public Safety</title>" in page
    assert "Open the PDF" in page
    assert "August\N{NO-BREAK SPACE}17, 2023" in page


def test_foreign_text_is_text(served: Served) -> None:
    for path in ("/", "/items/hostile", "/topics/hiring", f"/editions/{served.edition}"):
        page = served.client.get(path).text
        assert set(re.findall("<script.*?>", page)) <= {'<script type="application/ld+json">'}
        assert page.count("</script>") == page.count("<script")
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; “more”" in page


def test_an_updated_item_says_what_changed(served: Served) -> None:
    page = served.client.get("/items/told").text
    assert "Updated on September\N{NO-BREAK SPACE}1, 2026." in page
    assert "Now with the figures of July." in page
    assert "Earlier changes" not in page
    with served.home.db.transaction() as conn:
        items.revise(conn, "told", now=NOW, tell="Now with August too.", updated_on="2026-09-07")
    again = served.client.get("/items/told").text
    assert "Now with August too." in again.partition("Earlier changes")[0]
    assert "Now with the figures of July." in again.partition("Earlier changes")[2]


def test_a_withdrawn_item_keeps_its_address_and_says_why(served: Served) -> None:
    answer = served.client.get("/items/taken-back")
    assert answer.status_code == 410
    assert "Withdrawn on September\N{NO-BREAK SPACE}7, 2026." in answer.text
    assert "The numbers were wrong." in answer.text
    assert "All of taken-back" not in answer.text
    assert "Newer on the same topic" in answer.text
    assert "/items/long" in links(answer.text)


def test_an_item_without_a_year_can_be_read_and_is_marked(served: Served) -> None:
    answer = served.client.get("/items/no-year")
    assert answer.status_code == 200
    assert "June\N{NO-BREAK SPACE}29" in answer.text
    assert "No year" in answer.text


def test_a_draft_is_as_if_it_did_not_exist(served: Served) -> None:
    answer = served.client.get("/items/unfinished")
    assert answer.status_code == 404
    assert answer.text == served.client.get("/items/never-was").text


def test_a_topic_has_its_items_and_feeds_and_an_unknown_one_lists_all(served: Served) -> None:
    page = served.client.get("/topics/hiring").text
    assert "<h1>Hiring officers</h1>" in page
    assert "told" in heads(page)
    assert "http://127.0.0.1:8080/feeds/hiring.rss" in links(page)
    assert "Nothing yet. Be told when there is." in served.client.get("/topics/empty").text
    unknown = served.client.get("/topics/poems")
    assert unknown.status_code == 404
    assert "/topics/hiring" in links(unknown.text)


def test_the_feeds_page_names_every_feed_for_people_and_for_programs(served: Served) -> None:
    page = served.client.get("/feeds/").text
    for name in ("all.rss", "all.atom", "all.json", "hiring.rss", "empty.json", "kind--fact-sheet.rss"):
        assert f"/feeds/{name}" in links(page)
        assert f"http://127.0.0.1:8080/feeds/{name}" in links(page)
        assert served.client.get(f"/feeds/{name}").status_code == 200
    assert "/feeds/all.opml" in links(page)


def test_a_past_edition_is_the_mail_without_personal_links(served: Served) -> None:
    archive = served.client.get("/editions/").text
    assert f"/editions/{served.edition}" in links(archive)
    page = served.client.get(f"/editions/{served.edition}").text
    assert "/items/told" in links(page)
    assert not [link for link in links(page) if link.startswith(("/u/", "/p/"))]
    assert "taken-back" in page
    assert "Withdrawn on" in page
    assert "All of taken-back" not in page


def test_an_edition_that_did_not_go_out_is_not_there(served: Served) -> None:
    assert served.client.get("/editions/99").status_code == 404
    assert served.client.get("/editions/x").status_code == 404


def test_every_link_of_every_page_leads_somewhere(served: Served) -> None:
    seen: set[str] = set()
    waiting = ["/"]
    while waiting:
        path = waiting.pop()
        answer = served.client.get(path)
        assert answer.status_code in (200, 410), path
        if "text/html" in answer.headers["content-type"]:
            found = {link.replace("&amp;", "&").partition("#")[0] for link in links(answer.text)}
            ours = {link.removeprefix("http://127.0.0.1:8080") for link in found}
            new = {link for link in ours if link.startswith("/")} - seen
            seen |= new
            waiting.extend(new)
    assert f"/editions/{served.edition}" in seen
    assert "/archive/2023" in seen
    assert any(path.startswith("/?before=") for path in seen)


def test_an_empty_site_says_what_will_be_there(empty: Served) -> None:
    assert "The first items are on their way." in empty.client.get("/").text
    assert "No edition has gone out yet." in empty.client.get("/editions/").text
    assert "There are no topics yet." in empty.client.get("/topics/").text
    assert "Everything" in empty.client.get("/feeds/").text
    assert "Nothing has been published yet." in empty.client.get("/archive/").text
    assert "Nothing found" in empty.client.get("/search?q=anything").text


def test_without_a_public_address_only_the_post_remains(empty: Served) -> None:
    for path in ("/ask", "/subscribe"):
        page = empty.client.get(path).text
        assert "mailto:" not in page
        assert "100 Example Street NW" in page


def test_health_is_told_apart_from_readiness(empty: Served) -> None:
    assert empty.client.get("/healthz").text == "ok\n"
    assert empty.client.get("/readyz").status_code == 200
    with empty.home.db.transaction() as conn:
        conn.exec_driver_sql("ALTER TABLE topics RENAME TO gone")
    assert empty.client.get("/healthz").status_code == 200
    assert empty.client.get("/readyz").status_code == 503
