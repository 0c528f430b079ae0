"""PDFs and pictures over HTTP: whole, in parts, not again, under a readable name, and never as a page of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lxml import html

from digest import items, media
from digest.home import Home
from digest.items import Attachment
from digest.web.media import disposition
from tests.conftest import NOW
from tests.digest import samples
from tests.digest.web import serving
from tests.digest.web.conftest import Served

PAPER = samples.paper(3)
PARTS = {
    "bytes=0-99": (206, PAPER[:100], f"bytes 0-99/{len(PAPER)}"),
    "bytes=100-": (206, PAPER[100:], f"bytes 100-{len(PAPER) - 1}/{len(PAPER)}"),
    "bytes=-50": (206, PAPER[-50:], f"bytes {len(PAPER) - 50}-{len(PAPER) - 1}/{len(PAPER)}"),
    "bytes=0-9,20-29": (200, PAPER, None),
    "bytes=5-1": (200, PAPER, None),
    f"bytes={len(PAPER)}-": (416, b"", f"bytes */{len(PAPER)}"),
}


@pytest.fixture
def paper(served: Served, tmp_path: Path) -> str:
    """The address of a PDF that an item carries."""
    return carry(served.home, tmp_path, PAPER, "paper", title="Who may serve? § 287(g) “now” 50% of it")


def carry(home: Home, folder: Path, data: bytes, slug: str, **fields: object) -> str:
    (folder / "file").write_bytes(data)
    kept = media.store(home.media, folder, "file", alt="A map")
    put(home, slug, kept, **fields)
    return f"/media/{kept.path}"


def put(home: Home, slug: str, kept: Attachment, **fields: object) -> None:
    with home.db.transaction() as conn:
        items.put(conn, serving.draft(slug, attachments=(kept,), **fields), now=NOW, zone=serving.ZONE)


def test_a_pdf_comes_whole_with_its_type_its_name_and_no_script(served: Served, paper: str) -> None:
    answer = served.client.get(paper)
    said = answer.headers
    assert (answer.status_code, answer.content) == (200, PAPER)
    assert (said["content-type"], said["content-length"]) == ("application/pdf", str(len(PAPER)))
    assert said["x-content-type-options"] == "nosniff"
    assert said["content-security-policy"].startswith("default-src 'none'; object-src 'self'")
    assert "immutable" in said["cache-control"]
    assert said["accept-ranges"] == "bytes"
    assert said["content-disposition"] == (
        'inline; filename="Who may serve 287(g) now 50 of it.pdf"; '
        "filename*=UTF-8''Who%20may%20serve%20%C2%A7%20287%28g%29%20%E2%80%9Cnow%E2%80%9D%2050%25%20of%20it.pdf"
    )
    head = served.client.head(paper)
    assert (head.status_code, head.content) == (200, b"")
    assert {**head.headers, "date": ""} == {**said, "date": ""}


@pytest.mark.parametrize("asked", PARTS)
def test_a_part_comes_as_asked(served: Served, paper: str, asked: str) -> None:
    answer = served.client.get(paper, headers={"range": asked})
    assert (answer.status_code, answer.content, answer.headers.get("content-range")) == PARTS[asked]
    assert answer.headers["content-length"] == str(len(PARTS[asked][1]))


def test_a_part_comes_only_of_the_file_that_was_meant(served: Served, paper: str) -> None:
    said = served.client.get(paper).headers
    for condition, status in (
        (said["etag"], 206),
        (said["last-modified"], 206),
        (f"W/{said['etag']}", 200),
        ('"another"', 200),
        ("Mon, 01 Jan 2024 00:00:00 GMT", 200),
    ):
        answer = served.client.get(paper, headers={"range": "bytes=0-9", "if-range": condition})
        assert (condition, answer.status_code) == (condition, status)


def test_who_has_it_gets_no_second_copy(served: Served, paper: str) -> None:
    said = served.client.get(paper).headers
    for field, value, status in (
        ("if-none-match", said["etag"], 304),
        ("if-none-match", '"another"', 200),
        ("if-modified-since", said["last-modified"], 304),
        ("if-modified-since", "Mon, 01 Jan 2024 00:00:00 GMT", 200),
    ):
        answer = served.client.get(paper, headers={field: value})
        assert (field, value, answer.status_code) == (field, value, status)
        assert answer.headers["etag"] == said["etag"]
    both = served.client.get(paper, headers={"if-none-match": said["etag"], "range": "bytes=0-9"})
    assert (both.status_code, both.content) == (304, b"")


def test_two_lines_of_one_field_are_one_list(served: Served, paper: str) -> None:
    etag = served.client.get(paper).headers["etag"]
    for known in ((etag, '"old"'), ('"old"', etag)):
        answer = served.client.get(paper, headers=[("if-none-match", tag) for tag in known])
        assert answer.status_code == 304
    parts = [("range", "bytes=0-9"), ("range", "bytes=20-29")]
    assert served.client.get(paper, headers=parts).status_code == 200


def test_head_is_never_of_a_part_and_reads_no_file(served: Served, paper: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = served.client.get(paper)
    read: list[Path] = []
    opened = Path.open

    def noted(path: Path, *given: Any, **named: Any) -> Any:
        read.append(path)
        return opened(path, *given, **named)

    monkeypatch.setattr(Path, "open", noted)
    for asked in ("bytes=0-9", f"bytes={len(PAPER)}-"):
        head = served.client.head(paper, headers={"range": asked})
        assert (head.status_code, head.content) == (200, b"")
        assert {**head.headers, "date": ""} == {**whole.headers, "date": ""}
    assert read == []


def test_no_cache_keeps_that_it_was_another_file(served: Served, paper: str) -> None:
    answer = served.client.get(paper, headers={"if-match": '"another"'})
    assert (answer.status_code, answer.content, answer.headers["cache-control"]) == (412, b"", "no-store")


def test_a_picture_is_opened_as_if_it_came_from_nowhere(served: Served, tmp_path: Path) -> None:
    address = carry(served.home, tmp_path, samples.picture("JPEG", (900, 30)), "badge", title="A badge")
    for name in (address, media.narrow(address)):
        answer = served.client.get(name)
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert answer.headers["content-disposition"] == 'inline; filename="A badge.jpg"'


def test_a_page_says_how_large_its_picture_is_and_lets_the_browser_choose(served: Served) -> None:
    (shown,) = html.fromstring(served.client.get("/items/long").text).iter("img")
    narrow = media.narrow(shown.get("src"))
    assert (shown.get("alt"), shown.get("width"), shown.get("height")) == ("A wide river", "1200", "600")
    assert shown.get("srcset") == f"{narrow} 600w, {shown.get('src')} 1200w"
    for address, width in ((shown.get("src"), 1200), (narrow, 600)):
        assert samples.opened(served.client.get(address).content).width == width


def test_a_picture_without_words_is_not_shown(served: Served) -> None:
    put(served.home, "bare", media.keep(served.home.media, samples.picture(), "file"))
    assert "<img" not in served.client.get("/items/bare").text


def test_what_only_withdrawn_items_carried_is_gone(served: Served, tmp_path: Path, paper: str) -> None:
    wide = samples.picture("PNG", (900, 30))
    picture = carry(served.home, tmp_path, wide, "first")
    put(served.home, "second", media.keep(served.home.media, wide, "file"))
    withdraw(served.home, "first")
    assert served.client.get(picture).status_code == 200
    withdraw(served.home, "second")
    for address in (picture, media.narrow(picture)):
        answer = served.client.get(address)
        assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (410, False)
    assert served.client.get(paper).status_code == 200


def withdraw(home: Home, slug: str) -> None:
    with home.db.transaction() as conn:
        items.withdraw(conn, slug, now=NOW, why="It was wrong.")


def test_a_draft_s_title_is_told_to_nobody(served: Served, tmp_path: Path) -> None:
    address = carry(served.home, tmp_path, samples.paper(4), "secret", title="A secret", state="draft")
    assert "secret" not in served.client.get(address).headers["content-disposition"]


def test_what_is_no_known_type_is_never_shown_by_the_browser(served: Served) -> None:
    served.home.media.mkdir(exist_ok=True)
    for name in ("page.html", "picture.svg"):
        (served.home.media / name).write_bytes(
            b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
        )
        answer = served.client.get(f"/media/{name}")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"


def test_the_notes_about_files_cannot_be_asked_for(served: Served, paper: str) -> None:
    note = next((served.home.media / media.NOTES).iterdir()).name
    for address in (f"/media/{media.NOTES}/{note}", f"/media/{media.NOTES}%2F{note}", f"/media/{media.NOTES}"):
        assert served.client.get(address).status_code == 404


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("A paper", 'inline; filename="A paper.pdf"'),
        ("", 'inline; filename="ab12.pdf"'),
        ('..\\../"a"\r\nSet-Cookie: x', 'inline; filename="a Set-Cookie x.pdf"'),
        ("Señas", "inline; filename=\"Senas.pdf\"; filename*=UTF-8''Se%C3%B1as.pdf"),
        ("移民", "inline; filename=\"ab12.pdf\"; filename*=UTF-8''%E7%A7%BB%E6%B0%91.pdf"),
        ("x" * 300, f'inline; filename="{"x" * 100}.pdf"'),
        ("100%", "inline; filename=\"100.pdf\"; filename*=UTF-8''100%25.pdf"),
    ],
)
def test_a_title_becomes_the_name_of_a_file(title: str, said: str) -> None:
    assert disposition("inline", title, "ab12.pdf") == said
