"""Bringing items in by the console: nothing before it was shown, beside the site, once, and on after a kill."""

from __future__ import annotations

import csv
import io
import threading
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import httpx
import pytest
from lxml import html

import scheduler
from digest import intake, items, parking
from digest.errors import Refused
from digest.home import Home
from digest.intake import parcels, ways
from digest.intake.parcels import Wish
from digest.staff import activity
from subscribers import offices
from tests.conftest import NOW
from tests.digest.intake import wxr_maker
from tests.digest.web.console.conftest import _FIELD, AUTHOR, EDITOR, Browser, Console
from tests.sources_world import read_here
from tests.stage import Stage
from tests.standins.feed_host import FeedHost, feed_host, post, rss

HERE = "/staff/items/import"


def item(title: str, *more: str) -> str:
    return "\n".join(["---", f'title: "{title}"', "kind: fact sheet", "date: 2026-09-01", *more, "---", "Text.", ""])


def zipped(**files: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.md", text)
    return out.getvalue()


THREE = zipped(first=item("First"), second=item("Second", "colour: red"), third="no front matter")


def bring(
    browser: Browser, data: bytes, name: str = "library.zip", *, way: str = ways.MARKDOWN, **fields: str
) -> httpx.Response:
    browser.get(HERE)
    found = _FIELD.search(browser.page)
    assert found
    fields = {"form_token": found[1], "way": way, **fields}
    answer = browser.client.post(f"{HERE}/upload", data=fields, files={"file": (name, data)})
    browser.page = answer.text
    return answer


def tried(console: Console, browser: Browser, data: bytes = THREE, name: str = "library.zip", **more: str) -> str:
    """The path of an import that was tried, whose page the browser shows."""
    answer = bring(browser, data, name, **more)
    assert answer.status_code == 303, answer.text
    parcels.wait(console.home)
    path = urlparse(answer.headers["location"]).path
    browser.get(path)
    return path


def perform(console: Console, browser: Browser, path: str) -> None:
    assert browser.post(f"{path}/perform").status_code == 303
    parcels.wait(console.home)
    browser.get(path)


def slugs(home: Home) -> set[str]:
    with home.db.reading() as conn:
        return set(conn.exec_driver_sql("SELECT slug FROM items").scalars())


def parked(home: Home) -> set[str]:
    """The kinds of files that are kept."""
    return {one.suffix for one in (home.path / parking.FOLDER).glob("*.*")}


def row(what: str, number: int) -> str:
    return f'{what}</th><td class="number">{number}</td>'


def test_a_zip_is_tried_without_a_trace_and_brought_in(console: Console) -> None:
    Stage(console.home.db).join("ann")
    browser = console.browser(EDITOR)
    path = tried(console, browser)
    page = browser.page
    for what, number in (("Created", 2), ("Changed", 0), ("Refused", 1), ("News to readers, of all these", 2)):
        assert row(what, number) in page, what
    assert "2 items would be news to 1 person who gets mail" in page
    assert "third.md line 1" in page
    assert "It does not begin with front matter." in page
    assert "<li>First</li>" in page
    assert "Bring in 2 items" in page
    assert (slugs(console.home), parked(console.home)) == (set(), {".zip", ".json"})
    perform(console, browser, path)
    assert "2 items are in" in browser.page
    assert html.fromstring(browser.page).xpath("//*[contains(@class, 'flash')]") == []
    assert row("Created", 2) in browser.page
    assert (slugs(console.home), parked(console.home)) == ({"first", "second"}, {".json"})
    with console.home.db.reading() as conn:
        done, began = activity.lines(conn, limit=2)
    assert (began.deed, began.thing, began.name) == ("began to bring in", "items from library.zip", "Tom Okafor")
    counts = {"created": 2, "changed": 0, "unchanged": 0, "refused": 1, "news": 2}
    assert (done.deed, done.after) == ("brought in", counts)
    again = browser.post(f"{path}/perform")
    assert (again.status_code, "These items are in already." in again.text) == (409, True)
    path = tried(console, browser)
    assert row("Here already, nothing to change", 2) in browser.page
    assert "There is nothing to bring in" in browser.page


def test_what_was_not_taken_can_be_had_as_a_table(console: Console) -> None:
    browser = console.browser(EDITOR)
    formula = zipped(first=item("First"), **{"=cmd": "nothing"})
    path = tried(console, browser, formula)
    lines = list(csv.DictReader(io.StringIO(browser.get(f"{path}/problems").text)))
    assert [(one["where"], one["why"]) for one in lines] == [
        ("'=cmd.md line 1", "It does not begin with front matter.")
    ]


def test_an_old_library_is_brought_in_without_telling_anybody(console: Console) -> None:
    browser = console.browser(EDITOR)
    path = tried(console, browser, known="yes")
    assert "No reader is told of them." in browser.page
    perform(console, browser, path)
    assert "No reader is told." in browser.page
    assert slugs(console.home) == {"first", "second"}


def test_it_is_tried_again_as_it_is_wished_then(console: Console) -> None:
    browser = console.browser(EDITOR)
    path = tried(console, browser)
    assert row("News to readers, of all these", 2) in browser.page
    assert browser.post(f"{path}/try", known="yes").status_code == 303
    parcels.wait(console.home)
    assert row("News to readers, of all these", 0) in browser.get(path).text
    assert browser.post(f"{path}/try", digest="nope").status_code == 409


def test_one_markdown_file_is_an_item_by_its_name(console: Console) -> None:
    browser = console.browser(EDITOR)
    perform(console, browser, tried(console, browser, item("Alone").encode(), "../Alone at last.md"))
    assert slugs(console.home) == {"alone-at-last"}


def test_an_export_of_wordpress_is_brought_in(console: Console, tmp_path: Path) -> None:
    file = wxr_maker.export(tmp_path / "e.xml", [wxr_maker.post(1, title="Of WordPress")])
    browser = console.browser(EDITOR)
    path = tried(console, browser, file.read_bytes(), "export.xml", way=ways.WORDPRESS)
    assert "<li>Of WordPress</li>" in browser.page
    perform(console, browser, path)
    assert "1 item is in" in browser.page


def test_a_broken_export_is_said_with_its_line_and_without_our_paths(console: Console, tmp_path: Path) -> None:
    file = wxr_maker.export(tmp_path / "e.xml", [wxr_maker.post(1), "<item><title>open", wxr_maker.post(2)])
    browser = console.browser(EDITOR)
    tried(console, browser, file.read_bytes(), "export.xml", way=ways.WORDPRESS)
    assert "export.xml was not looked through" in browser.page
    assert "export.xml, line " in browser.page
    assert "The XML is broken" in browser.page
    assert str(console.home.path) not in browser.page


KINDS = [
    (b"", "a.zip", ways.MARKDOWN, "No file came."),
    (b"GIF89a", "a.gif", ways.MARKDOWN, "It is neither a zip nor a Markdown file."),
    (b"<rss/>", "a.xml", ways.WORDPRESS, "It is no export of WordPress."),
    (THREE, "a.zip", ways.WORDPRESS, "It is no export of WordPress."),
]


def test_a_file_of_another_kind_is_refused_and_not_kept(console: Console) -> None:
    browser = console.browser(EDITOR)
    for data, name, way, said in KINDS:
        answer = bring(browser, data, name if data else "", way=way, known="yes")
        assert answer.status_code == 400, said
        assert said in answer.text
        assert 'value="yes" checked' in answer.text
        assert parked(console.home) == set()


def test_a_hostile_zip_is_refused_by_the_name_of_its_entry(console: Console) -> None:
    browser = console.browser(EDITOR)
    entry = zipfile.ZipInfo("../../digest.toml.md")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(entry, item("Evil"))
    tried(console, browser, out.getvalue())
    assert "leads out of its folder" in browser.page
    assert "digest.toml.md" in browser.page
    assert "Bring in" not in browser.page.replace("Bring in items", "")
    assert not (console.home.path / "digest.toml.md").exists()


def test_a_zip_without_an_item_says_so(console: Console) -> None:
    browser = console.browser(EDITOR)
    tried(console, browser, zipped(readme="# Read me"))
    assert "There is no Markdown file in it" in browser.page


# --- a feed ----------------------------------------------------------------------------------------------------


@pytest.fixture
def host(console: Console, monkeypatch: pytest.MonkeyPatch) -> Iterator[FeedHost]:
    """A site beside this one, which may be asked."""
    read_here(monkeypatch)
    with feed_host() as one:
        one.says(rss(post(1, "Post one", NOW - timedelta(days=3))))
        yield one


def inner(console: Console) -> None:
    """Lets the console ask hosts of this machine."""
    settings = console.home.settings
    vars(settings)["intake"] = settings.intake.model_copy(update={"inner_networks": ("127.0.0.0/8",)})


def test_a_feed_is_asked_once_and_what_it_said_then_comes_in(console: Console, host: FeedHost) -> None:
    inner(console)
    browser = console.browser(EDITOR)
    browser.get(f"{HERE}?way=feed")
    answer = browser.post(f"{HERE}/feed", address=host.feed)
    assert answer.status_code == 303, answer.text
    parcels.wait(console.home)
    path = urlparse(answer.headers["location"]).path
    assert "<li>Post one</li>" in browser.get(path).text
    host.says(rss(post(2, "Post two", NOW)))
    perform(console, browser, path)
    (slug,) = slugs(console.home)
    with console.home.db.reading() as conn:
        assert items.find(conn, slug).title == "Post one"


def test_a_host_that_cannot_be_asked_is_said_beside_the_address(console: Console) -> None:
    browser = console.browser(EDITOR)
    browser.get(f"{HERE}?way=feed")
    for address, said in (
        ("ftp://example.org/feed", "This is no address of a feed."),
        ("", "This is no address of a feed."),
        ("http://127.0.0.1:9/feed", "127.0.0.1"),
    ):
        answer = browser.post(f"{HERE}/feed", address=address, known="yes")
        assert answer.status_code in (400, 409), address
        (fault,) = html.fromstring(answer.text).xpath("//p[@id='address-fault']")
        assert said in fault.text_content()
        assert f'value="{address}"' in answer.text
        assert 'value="yes" checked' in answer.text
        assert parked(console.home) == set()


# --- beside the site, once, and on after a kill ----------------------------------------------------------------


def parcel_of(home: Home, data: bytes = THREE) -> parcels.Parcel:
    half, out = parking.begin(home)
    with out:
        out.write(data)
    return parcels.take(home, half, "library.zip", ways.MARKDOWN, Wish(), now=NOW)


def tried_in(home: Home, data: bytes = THREE) -> parcels.Parcel:
    """An import that was tried."""
    parcel = parcel_of(home, data)
    parcels.rehearse(home, parcel, Wish(), now=NOW)
    parcels.wait(home)
    return parcels.find(home, parcel.id)


def test_two_at_once_are_refused_and_the_page_tells_of_the_one_at_work(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, browser, seen = console.home, console.browser(EDITOR), []
    parcel, other = tried_in(home), tried_in(home)
    real = intake.bring_in

    def meanwhile(*args: Any, **more: Any) -> Any:
        seen.append(parcels.at_work(home))
        with pytest.raises(Refused, match="Another import is under way"):
            parcels.perform(home, other, now=NOW, first=bool, then=lambda _: None)
        seen.append(browser.get(f"{HERE}/{parcel.id}").text)
        seen.append(browser.get(f"{HERE}/{other.id}").text)
        return real(*args, **more)

    monkeypatch.setattr(intake, "bring_in", meanwhile)
    parcels.perform(home, parcel, now=NOW, first=bool, then=lambda _: None)
    parcels.wait(home)
    at_work, mine, theirs = seen
    assert at_work == parcel.id
    assert "Bringing in library.zip" in mine
    assert "progress.js" in mine
    assert "What will happen to library.zip?" in theirs
    assert parcels.find(home, parcel.id).state == parcels.DONE


def test_one_that_was_killed_between_two_turns_goes_on_behind_what_was_noted(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = console.home
    monkeypatch.setattr(parcels, "TURN", 1)
    left = parking.folder(home) / "unpacked.by-one-that-was-killed"
    left.mkdir()
    four = zipped(a=item("A"), b=item("B"), c=item("C"), d="broken")
    parcel = tried_in(home, four)
    assert not left.exists()
    turns: list[int] = []
    real = parcels._noted

    def die(*args: Any) -> Any:
        turns.append(1)
        if len(turns) == 4:  # begun, two turns, and then before the third is noted
            raise SystemExit
        return real(*args)

    with monkeypatch.context() as killed:
        killed.setattr(parcels, "_noted", die)
        killed.setattr("threading.excepthook", lambda _: None)
        parcels.perform(home, parcel, now=NOW, first=bool, then=lambda _: None)
        for thread in threading.enumerate():
            if thread.name == parcel.id:
                thread.join()
    browser = console.browser(EDITOR)
    page = browser.get(f"{HERE}/{parcel.id}").text
    assert "library.zip was cut off" in page
    assert "2 were read" in page
    assert slugs(home) == {"a", "b", "c"}
    perform(console, browser, f"{HERE}/{parcel.id}")
    report = parcels.find(home, parcel.id).report
    assert (report.created, report.unchanged, report.refused, report.news) == (2, 1, 1, 2)
    assert "2 items are in" in browser.page


def test_one_that_fails_says_so_and_lets_the_next_one_go(
    console: Console, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    home = console.home
    parcel = tried_in(home)

    def fail(*args: Any, **more: Any) -> None:
        raise RuntimeError("nobody foresaw this")

    with monkeypatch.context() as broken:
        broken.setattr(intake, "bring_in", fail)
        parcels.perform(home, parcel, now=NOW, first=bool, then=lambda _: None)
        parcels.wait(home)
    browser = console.browser(EDITOR)
    page = browser.get(f"{HERE}/{parcel.id}").text
    assert parcels.FAULT in page
    assert "nobody foresaw" not in page
    perform(console, browser, f"{HERE}/{parcel.id}")
    assert slugs(home) == {"first", "second"}


def test_nothing_is_brought_in_that_was_not_tried(console: Console) -> None:
    parcel = parcel_of(console.home)
    with pytest.raises(Refused, match="Look first"):
        parcels.perform(console.home, parcel, now=NOW, first=bool, then=lambda _: None)


def test_what_nobody_brings_in_is_deleted_after_a_day(console: Console) -> None:
    home = console.home
    parcel = tried_in(home)
    (parking.folder(home) / "unpacked.x").mkdir()
    parking.date(parking.folder(home) / "unpacked.x", NOW)
    office = offices.open_office(home, clock=lambda: NOW + timedelta(days=1, minutes=1))
    scheduler.answer_asks(office)
    assert parked(home) == set()
    assert console.browser(EDITOR).get(f"{HERE}/{parcel.id}").status_code == 404


# --- the form --------------------------------------------------------------------------------------------------


def raw(browser: Browser, body: bytes, kind: str = "multipart/form-data; boundary=b") -> httpx.Response:
    return browser.client.post(f"{HERE}/upload", content=body, headers={"content-type": kind})


def part(name: str, text: bytes, file: str = "") -> bytes:
    named = f'; filename="{file}"' if file else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + text + b"\r\n"


def strange(token: bytes) -> Iterator[bytes]:
    """Bodies that are no form of ours."""
    ours, file = part("form_token", token), part("file", b"x", "a.zip")
    yield file + b"--b--\r\n"  # without the token
    yield ours + file  # ends too early
    yield ours + file + part("more", b"x", "b.zip") + b"--b--\r\n"
    yield ours + part("text", b"x" * 70_000) + b"--b--\r\n"
    yield ours + part("text", b"\xff") + b"--b--\r\n"
    yield b"".join(part(f"f{n}", b"x") for n in range(99)) + b"--b--\r\n"
    yield b"nonsense"
    yield b""


def test_a_form_that_is_none_of_ours_leaves_nothing(console: Console) -> None:
    browser = console.browser(EDITOR)
    browser.get(HERE)
    found = _FIELD.search(browser.page)
    assert found
    for body in strange(found[1].encode()):
        assert raw(browser, body).status_code == 403, body[:200]
        assert parked(console.home) == set()


def test_a_file_that_is_too_large_is_refused_while_it_comes(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(parcels.LARGEST, ways.MARKDOWN, 1_000)
    browser = console.browser(EDITOR)
    answer = bring(browser, THREE + bytes(1_000))
    assert (answer.status_code, "It is larger than" in answer.text) == (400, True)
    assert parked(console.home) == set()


def test_the_sample_is_an_item_and_authors_do_not_bring_in(console: Console) -> None:
    browser = console.browser(EDITOR)
    data = browser.get(f"{HERE}/sample").content
    perform(console, browser, tried(console, browser, data, "how-to-read-this-digest.md"))
    assert slugs(console.home) == {"how-to-read-this-digest"}
    author = console.browser(AUTHOR)
    assert author.get(HERE).status_code == 403
    assert "Bring in items" not in author.get("/staff/items").text
    assert "Bring in items" in browser.get("/staff/items").text
