"""Items, feeds and digests through the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from digest.cli import paper
from tests.digest.cli.conftest import Digest
from tests.digest.intake import feed_dialects, wxr_maker
from tests.standins.hostile_host import listening

ITEM = """---
title: {title}
kind: article
date: 2026-09-01
topics: [hiring]
---
What is so.
"""
SLUG = "fact-sheet-immigrants-and-crime"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two items and a file that is none."""
    path = tmp_path / "items"
    path.mkdir()
    for name in ("first", "second"):
        (path / f"{name}.md").write_text(ITEM.format(title=f"The {name} thing"), encoding="utf-8")
    (path / "bad.md").write_text("---\ntitel: No kind\n---\nText\n", encoding="utf-8")
    return path


# --- importing -------------------------------------------------------------------------------------------------


def test_an_import_says_what_came_and_what_did_not(digest: Digest, folder: Path) -> None:
    told = digest("import", folder)
    assert told.code == 0
    assert told.out == "2 created, 0 changed, 0 unchanged, 1 refused. 2 are news to readers.\n"
    assert told.err.strip() == "bad.md line 1 (kind): It is missing. Every item needs a kind."


def test_an_import_again_changes_nothing(digest: Digest, folder: Path) -> None:
    digest("import", folder)
    assert digest("import", folder).out.startswith("0 created, 0 changed, 2 unchanged, 1 refused. 0 are news")


def test_an_import_as_json_has_the_numbers_and_the_problems(digest: Digest, folder: Path) -> None:
    report = digest("import", folder, "--json").document
    assert report.keys() == {"created", "changed", "unchanged", "refused", "news", "problems", "more_problems"}
    assert (report["created"], report["refused"], report["news"]) == (2, 1, 2)
    assert [problem.keys() for problem in report["problems"]] == [{"where", "why", "remedy"}]


def test_one_file_can_be_imported(digest: Digest, folder: Path) -> None:
    assert digest("import", folder / "first.md", "--json").document["created"] == 1
    assert digest("items", "show", "second").code == 1


def test_known_items_are_no_news(digest: Digest, folder: Path) -> None:
    report = digest("import", folder, "--known", "--json").document
    assert (report["created"], report["news"]) == (2, 0)


def test_a_rehearsed_import_changes_nothing(digest: Digest, folder: Path) -> None:
    told = digest("import", folder, "--dry-run")
    assert told.out == (
        "Would be: 2 created, 0 changed, 0 unchanged, 1 refused. 2 are news to readers.\nNothing was changed.\n"
    )
    assert digest("items", "show", "first").code == 1


def test_a_folder_without_items_is_said_to_be_one(digest: Digest, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    assert digest("import", tmp_path / "none").out.startswith("There is no Markdown file in")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("/no/such/folder",), 1, "There is no /no/such/folder."),
        (("https://127.0.0.1/feed",), 2, "which is not on the public Internet."),
        (("https://127.0.0.1/feed", "--as", "markdown"), 2, "Only a feed can be read from an address."),
        (("examples", "--as", "rss"), 2, "Use --as markdown, wordpress or feed."),
        (("pyproject.toml",), 2, "Its name must end in .md"),
        ((), 2, "The argument 'PATH' is missing."),
    ],
)
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_what_cannot_be_imported_is_refused_in_one_line(
    digest: Digest,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    words: str,
    more: tuple[str, ...],
) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    told = digest("import", *arguments, *more)
    assert told.code == code
    assert words in told.line


def test_a_feed_comes_in_from_an_address_and_from_a_file(
    digest: Digest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_INTAKE__INNER_NETWORKS", '["127.0.0.0/8"]')
    body = feed_dialects.RSS_20
    with listening("127.0.0.1", {"/feed/": lambda: iter([b"HTTP/1.1 200 OK\r\n\r\n" + body])}) as host:
        told = digest("import", f"http://127.0.0.1:{host.port}/feed/", "--known")
        assert told.out.startswith("2 created, 0 changed, 0 unchanged, 0 refused. 0 are news")
    file = tmp_path / "feed.xml"
    file.write_bytes(body)
    assert digest("import", file).out.startswith("2 created")  # another host's: these are its own items
    assert digest("import", file).out.startswith("0 created, 0 changed, 2 unchanged")
    assert "(first seen)" in digest("items", "list").out


def test_a_file_without_a_feed_is_named(digest: Digest, tmp_path: Path) -> None:
    file = tmp_path / "page.xml"
    file.write_text("<p>Hello</p>")
    assert f"{file}: It is no feed." in digest("import", file).line


@pytest.mark.parametrize(("status", "words"), [("404 Not Found", "answers 404"), ("200 OK", "It is no feed")])
def test_an_address_without_a_feed_is_told(
    digest: Digest, monkeypatch: pytest.MonkeyPatch, status: str, words: str
) -> None:
    monkeypatch.setenv("DIGEST_INTAKE__INNER_NETWORKS", '["127.0.0.0/8"]')
    answer = f"HTTP/1.1 {status}\r\n\r\n<p>Hello</p>".encode()
    with listening("127.0.0.1", {"/": lambda: iter([answer])}) as host:
        assert words in digest("import", f"http://127.0.0.1:{host.port}/").line


# --- one item --------------------------------------------------------------------------------------------------


def test_items_are_listed_whole(digest: Digest) -> None:
    lines = digest("items", "list").out.splitlines()
    assert len(lines) == 11
    assert any(line.startswith(f"{SLUG} ") and line.endswith("Fact Sheet: Immigrants and Crime") for line in lines)
    assert digest("items", "list", "--state", "withdrawn").out == "No item is withdrawn.\n"
    assert digest("items", "list", "--state", "gone").code == 2


def test_an_item_is_shown_with_its_fields(digest: Digest) -> None:
    assert "title     Fact Sheet: Immigrants and Crime" in digest("items", "show", SLUG).out
    assert digest("items", "show", SLUG, "--json").document["topics"] == ["crime-and-safety"]


def test_a_mistyped_item_is_answered_with_those_near(digest: Digest) -> None:
    told = digest("items", "show", SLUG[:-1])
    assert told.code == 1
    assert f"Near are: {SLUG}" in told.line


def test_publishing_what_is_published_says_that_nothing_changed(digest: Digest) -> None:
    assert digest("items", "publish", SLUG).out == f"{SLUG} was published already; nothing was changed.\n"


def test_a_withdrawn_item_comes_back_as_news(digest: Digest) -> None:
    assert digest("items", "withdraw", SLUG, "--why", "A figure was wrong.").code == 0
    assert "withdrawn: A figure was wrong." in digest("items", "show", SLUG).out
    assert digest("items", "publish", SLUG).out == f"{SLUG} is published. It goes with the next edition.\n"


def test_an_item_can_be_planned_and_unplanned(digest: Digest) -> None:
    digest("items", "withdraw", SLUG, "--why", "Not yet.")
    told = digest("items", "publish", SLUG, "--at", "2031-01-06T09:00").out
    assert told.startswith(f"{SLUG} will be published on Mon, Jan 6, 2031, 9:00 a.m. EST")
    assert digest("items", "withdraw", SLUG, "--why", "Never.", "--json").document["state"] == "withdrawn"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("nonsense", "It is not of the form KEY=VALUE."),
        ("color=blue", "It cannot be revised."),
        ("now=3", "It cannot be revised."),
        ("slug=other", "It cannot be revised."),
        ("date=never", "'never' is no day of the calendar."),
        ("title=", "Every item needs a title."),
    ],
)
def test_a_change_that_cannot_be_is_wrong_use(digest: Digest, change: str, words: str) -> None:
    told = digest("items", "revise", SLUG, change)
    assert told.code == 2
    assert words in told.line


def test_a_change_is_news_only_when_it_is_told(digest: Digest) -> None:
    digest("send", "weekly", "--wait")
    assert digest("items", "revise", SLUG, "title=Other").out == f"{SLUG} is changed. Readers are not told.\n"
    told = digest("items", "revise", SLUG, "excerpt=New", "--tell", "The figures are new.")
    assert told.out == f"{SLUG} is changed. Readers are told with the next edition.\n"
    assert digest("send", "weekly", "--wait", "--json").document["accepted"] > 0


def test_an_item_is_held_back(digest: Digest) -> None:
    assert digest("items", "hold", SLUG, "--digest", "weekly").code == 0
    sent = digest("send", "weekly", "--json").document["edition"]
    assert SLUG not in digest("editions", "show", sent).out
    assert digest("items", "hold", SLUG, "--digest", "daily").code == 1


def test_an_item_is_let_go_once(digest: Digest) -> None:
    digest("items", "hold", SLUG, "--digest", "weekly")
    assert digest("items", "release", SLUG, "--digest", "weekly", "--json").document["held"] is False
    assert digest("items", "release", SLUG, "--digest", "weekly").code == 1
    sent = digest("send", "weekly", "--json").document["edition"]
    assert SLUG in digest("editions", "show", sent).out


def test_what_has_gone_out_cannot_be_held_back(digest: Digest) -> None:
    digest("send", "weekly", "--wait")
    told = digest("items", "hold", SLUG, "--digest", "weekly")
    assert told.code == 1
    assert "it has gone out already" in told.line


# --- feeds and digests -----------------------------------------------------------------------------------------


def test_feeds_are_written_once(digest: Digest, example: Path) -> None:
    assert "all.rss" in digest("feeds", "build", "--json").document["written"]
    assert (example / "feeds" / "all.rss").exists()
    assert digest("feeds", "build").out.startswith("0 written, ")


def test_a_digest_is_shown_as_people_set_it(digest: Digest) -> None:
    assert digest("publications", "list").out.splitlines()[1].startswith("weekly  America/New_York  ")
    shown = digest("publications", "show", "weekly").out
    assert "weekday         monday" in shown
    assert "needs_approval  no" in shown
    assert digest("publications", "show", "weekly", "--json").document["series"][0]["hour"] == 7


def test_a_digest_is_set(digest: Digest) -> None:
    assert digest("publications", "set", "weekly", "hour=9").out == "weekly is set: hour is 9.\n"
    assert digest("publications", "set", "weekly", "fewest=2", "--json").document["series"][0]["hour"] == 9


@pytest.mark.parametrize("change", ["hour=25", "hour=x", "hour", "color=red", "daily.hour=3", "zone=Mars"])
def test_a_setting_that_cannot_be_is_wrong_use(digest: Digest, change: str) -> None:
    told = digest("publications", "set", "weekly", change)
    assert (told.code, told.line.split(":")[0]) == (2, change.split("=")[0])


def test_a_preview_is_written_and_judged(digest: Digest, tmp_path: Path) -> None:
    told = digest("preview", "weekly", "--out", tmp_path / "out", "--to", "me@example.org")
    assert "10 items. Written:" in told.out
    assert "It may go out." in told.out
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".html", ".txt", ".eml"}
    assert digest("preview", "weekly", "--out", tmp_path / "out", "--json").document["items"] == 10


def test_a_preview_is_of_the_usual_cadence_or_of_the_one_that_is_named(digest: Digest, tmp_path: Path) -> None:
    digest("publications", "set", "weekly", "cadences=instant,weekly,monthly")
    shown = digest("publications", "show", "weekly").out
    assert shown.count("daily_cap") == 1  # only alerts have it
    (tmp_path / "news.md").write_text("---\ntitle: News\nkind: profile\ndate: 2026-08-01\n---\nA text.\n")
    digest("import", tmp_path / "news.md")
    preview = ("preview", "weekly", "--out", tmp_path / "out", "--json")
    assert digest(*preview).document["items"] == 11
    assert digest(*preview, "--cadence", "monthly").document["items"] == 1
    assert digest(*preview, "--cadence", "daily").line.startswith("'weekly' has no daily editions.")


def test_a_preview_needs_a_folder_and_an_address(digest: Digest, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is a file" in digest("preview", "weekly", "--out", tmp_path / "file").line
    told = digest("preview", "weekly", "--out", tmp_path / "out", "--to", "nobody")
    assert told.code == 2
    assert not (tmp_path / "out").exists()


# --- paper -----------------------------------------------------------------------------------------------------

HEAD = ("slug", "state", "kind", "title")
ROW = ("backgrounder-jurisdictions-permitting-lpr-hiring", "published", "backgrounder", "A title of several words " * 3)


@pytest.mark.parametrize("width", [30, 80, 100, 120])
def test_a_narrow_terminal_cuts_nothing(width: int) -> None:
    lines = list(paper.lines(HEAD, [ROW], width))
    text = " ".join(" ".join(lines).split())
    assert any(line.startswith(ROW[0]) for line in lines)
    assert text.count("several words") == 3
    assert all(len(line) <= max(width, len(ROW[0])) for line in lines)


def test_wide_signs_keep_columns_aligned() -> None:
    lines = list(paper.lines(("a", "b"), [("日本", "x"), ("abcd", "y")], 0))
    assert lines == ["a     b", "日本  x", "abcd  y"]


def test_foreign_text_cannot_move_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    paper.table(("reply", "seen"), [("\x1b[2J550 [bold]no[/bold]\r\nsuch", True)])
    assert capsys.readouterr().out.splitlines()[1] == " [2J550 [bold]no[/bold]  such  yes"


def test_an_export_of_wordpress_comes_in_by_the_rules_of_the_digest(digest: Digest, tmp_path: Path) -> None:
    terms = wxr_maker.term("category", "fact-sheets") + wxr_maker.term("category", "law")
    file = wxr_maker.export(tmp_path / "export.xml", [wxr_maker.post(1, terms=terms), wxr_maker.post(2, date="never")])
    rules = ("import_kinds=fact-sheets=fact sheet", "import_topics=law=detainers")
    assert digest("publications", "set", "weekly", *rules).code == 0
    assert "import_topics  law=detainers" in digest("publications", "show", "weekly").out
    told = digest("import", file, "--dry-run")
    assert told.out.startswith("Would be: 1 created, 0 changed, 0 unchanged, 1 refused. 1 is news")
    assert "post 2, Post 2 (post_date_gmt)" in told.err
    assert digest("import", file, "--known", "--json").document["news"] == 0
    shown = digest("items", "show", "post-1", "--json").document
    assert (shown["kind"], shown["topics"]) == ("fact sheet", ["detainers"])
    assert digest("import", file, "--json").document["unchanged"] == 1
    assert digest("publications", "set", "weekly", "import_topics=Law").code == 2
