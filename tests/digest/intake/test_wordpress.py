"""WordPress's posts: what each oddity of them becomes, with their files, and again without change."""

from __future__ import annotations

import dataclasses
import shutil
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest import fetch, intake, items
from digest.db import Database
from digest.drafts import Draft
from digest.errors import Problem
from digest.intake import uploads, wordpress
from digest.intake.categories import Rules
from digest.intake.shortcodes import paragraphs, without_shortcodes
from digest.intake.uploads import Budget, Uploads
from tests.conftest import NOW
from tests.digest import samples
from tests.digest.intake import wxr_maker
from tests.digest.intake.wxr_maker import SITE, attachment, export, meta, post, term

ZONE = "America/New_York"
RULES = Rules({"fact-sheets": "fact sheet"}, {"law": "detainers", "news": "", "court": "courts"})


def read(
    folder: Path, *written: str, rules: Rules | None = None, files: Uploads = uploads.NONE
) -> list[Draft | Problem]:
    file = export(folder / "export.xml", written)
    return list(wordpress.read(file, rules=rules or Rules(), zone=ZONE, language="es", files=files))


def only(folder: Path, *more: str, files: Uploads = uploads.NONE, **given: str) -> Draft:
    (found,) = read(folder, post(7, **given), *more, files=files)
    assert isinstance(found, Draft), found
    return found


def whys(draft: Draft) -> list[str]:
    return [remark.why for remark in draft.remarks]


def test_a_post_comes_with_all_that_it_has(tmp_path: Path) -> None:
    terms = term("category", "detainers", "Detainers") + term("post_tag", "court", "Court")
    draft = only(
        tmp_path, title="Q &amp; A: “Why?”", content="<p>See <a href='/b/'>b</a>.</p>", terms=terms, sticky="1"
    )
    assert (draft.slug, draft.title, draft.kind) == ("post-7", "Q & A: “Why?”", "article")
    assert draft.body == f'<p>See <a href="{SITE}/b/">b</a>.</p>'
    assert draft.published_at is not None
    assert draft.published_at.isoformat() == "2021-04-22T16:00:00+00:00"
    assert [author.name for author in draft.authors] == ["Dana Ruiz"]
    assert (draft.topics, draft.featured) == (("detainers",), True)
    assert (draft.canonical_url, draft.language) == (f"{SITE}/post-7/", "es")
    assert (draft.source, draft.foreign_id) == ("old.example.org", "old.example.org?p=7")


def test_only_what_everybody_could_read_is_published(tmp_path: Path) -> None:
    given = (
        ({"status": "publish"}, "published"),
        ({"status": "private"}, "draft"),
        ({"status": "pending"}, "draft"),
        ({"status": "draft", "date": "0000-00-00 00:00:00"}, "draft"),
        ({"status": "publish", "password": "secret"}, "draft"),
        ({"status": "future", "date": "2030-01-01 00:00:00"}, "scheduled"),
        ({"status": "trash"}, None),
        ({"status": "auto-draft"}, None),
        ({"type": "nav_menu_item"}, None),
        ({"type": "attachment", "status": "inherit"}, None),
        ({"type": "revision", "status": "inherit"}, None),
    )
    found = read(tmp_path, *(post(number, **one) for number, (one, _) in enumerate(given)))
    states = {one.slug: one.state for one in found if isinstance(one, Draft)}
    assert states == {f"post-{number}": state for number, (_, state) in enumerate(given) if state}


@pytest.mark.parametrize(
    ("local", "moment"), [("2021-04-22 12:00:00", "2021-04-22T16:00"), ("2021-12-22 20:30:00", "2021-12-23T01:30")]
)
def test_a_moment_that_only_the_site_s_own_clock_tells_is_in_its_zone(tmp_path: Path, local: str, moment: str) -> None:
    draft = only(tmp_path, date=wxr_maker.UNDATED, local=local)
    assert draft.published_at is not None
    assert draft.published_at.isoformat() == f"{moment}:00+00:00"


def test_rules_make_kinds_and_topics_of_categories_and_tags(tmp_path: Path) -> None:
    terms = "".join(
        [term("category", "fact-sheets"), term("category", "law"), term("category", "news"), term("post_tag", "court")]
    )
    (draft,) = read(tmp_path, post(1, terms=terms), rules=RULES)
    assert isinstance(draft, Draft)
    assert (draft.kind, draft.topics) == ("fact sheet", ("detainers", "courts"))


def test_one_bad_post_stops_no_other_and_is_named(tmp_path: Path) -> None:
    huge = f"<p>{'word ' * 2_400_000}</p>"  # 12 million characters
    found = read(tmp_path, post(1), post(2, date="yesterday"), post(3, content=huge), post(4, title=" "))
    assert [one.where if isinstance(one, Problem) else one.title for one in found] == [
        "Post 1",
        "post 2, Post 2 (post_date_gmt)",
        "post 3, Post 3 (content)",
        "Untitled",
    ]


# --- files -----------------------------------------------------------------------------------------------------

PICTURE = attachment(90, "2021/05/badge.png", alt="A  badge")
PAPER = attachment(91, "2021/05/a%20paper.pdf", parent=7)
FEATURED = meta("_thumbnail_id", "90")
LINKED = f'<p><a href="https://court.example/x.pdf">x</a> <a href="{SITE}/wp-content/uploads/2020/b.pdf?v=2">b</a></p>'


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of wp-content/uploads."""
    folder = tmp_path / "uploads"
    (folder / "2021" / "05").mkdir(parents=True)
    (folder / "2021" / "05" / "badge.png").write_bytes(samples.picture("PNG", (40, 30)))
    (folder / "2021" / "05" / "a paper.pdf").write_bytes(samples.paper(3))
    return folder


def test_without_a_copy_the_files_stay_where_they_are(tmp_path: Path) -> None:
    """The files of a post may stand behind it in the export."""
    draft = only(tmp_path, PICTURE, PAPER, more=FEATURED)
    assert [(one.role, one.path, one.name, one.alt) for one in draft.attachments] == [
        ("pdf", f"{SITE}/wp-content/uploads/2021/05/a%20paper.pdf", "a paper.pdf", ""),
        ("image", f"{SITE}/wp-content/uploads/2021/05/badge.png", "badge.png", "A badge"),
    ]
    assert draft.remarks == ()


def test_files_come_from_the_copy_and_are_known_the_next_time(tmp_path: Path, copy: Path) -> None:
    kept = tmp_path / "media"
    first = only(tmp_path, PICTURE, PAPER, more=FEATURED, files=Uploads(kept, copy))
    assert [(one.role, one.pages, one.width, one.alt) for one in first.attachments] == [
        ("pdf", 3, None, ""),
        ("image", None, 40, "A badge"),
    ]
    assert all((kept / one.path).is_file() for one in first.attachments)
    shutil.rmtree(copy)
    for again in (Uploads(kept, copy), Uploads(kept)):
        assert only(tmp_path, PICTURE, PAPER, more=FEATURED, files=again) == first


def test_the_paper_is_the_first_of_the_site_s_own_that_the_post_links_to(tmp_path: Path) -> None:
    draft = only(tmp_path, PAPER, content=LINKED)
    assert [one.path for one in draft.attachments] == [f"{SITE}/wp-content/uploads/2020/b.pdf"]


def test_what_cannot_be_had_stays_a_link_and_is_named(tmp_path: Path, copy: Path) -> None:
    (copy / "2021" / "05" / "badge.png").write_bytes(b"<html>gone</html>")
    files = Uploads(tmp_path / "media", copy)
    lost = attachment(92, "../../../etc/passwd.pdf", parent=7)
    draft = only(tmp_path, PICTURE, lost, more=FEATURED, files=files)
    assert [one.path.startswith(SITE) for one in draft.attachments] == [True, True]
    assert [why.split(". ", 1)[0] for why in whys(draft)] == ["It stays where it is"] * 2
    assert "leads out of its folder" in whys(draft)[0]
    assert "neither a PDF nor" in whys(draft)[1]
    assert {remark.where for remark in draft.remarks} == {"post 7, Post 7 (pdf)", "post 7, Post 7 (image)"}


def test_a_picture_without_words_or_without_a_file_is_named(tmp_path: Path) -> None:
    bare = attachment(90, "2021/05/badge.png")
    assert whys(only(tmp_path, bare, more=FEATURED)) == ["It has no alternative text, so it is kept and not shown."]
    assert whys(only(tmp_path, more=FEATURED)) == ["It is not in the export."]
    plain = PICTURE.replace("https://old.example.org/wp-content", "http://old.example.org/wp-content")
    draft = only(tmp_path, plain, more=FEATURED)
    assert (draft.attachments, [why[-29:] for why in whys(draft)]) == ((), ["has no https and was left out."[-29:]])


def test_a_trial_leaves_nothing(tmp_path: Path, copy: Path) -> None:
    tried = only(tmp_path, PICTURE, more=FEATURED, files=Uploads(tmp_path / "media", copy, keep=False))
    assert [one.width for one in tried.attachments] == [40]
    assert not (tmp_path / "media").exists()


class _Host(BaseHTTPRequestHandler):
    """The old site: serves what its class holds, and counts what was asked for."""

    files: dict[str, bytes] = {}  # noqa: RUF012 - replaced for each test
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(self.path)
        data = self.files.get(self.path)
        self.send_response(404 if data is None else 200)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def host() -> Iterator[tuple[type[_Host], str]]:
    """The old site on a loopback port, and its address."""
    handler = type("Host", (_Host,), {"files": {}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=partial(server.serve_forever, 0.01), daemon=True)
    thread.start()
    yield handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_files_are_fetched_once_through_the_guard_and_within_bounds(
    tmp_path: Path, host: tuple[type[_Host], str]
) -> None:
    old, address = host
    old.files["/wp-content/uploads/2021/05/badge.png"] = samples.picture("PNG", (40, 30))
    written = [one.replace(SITE, address) for one in (PICTURE, attachment(91, "2021/05/gone.pdf", parent=7))]
    come = partial(only, tmp_path, *written, more=FEATURED)
    kept, inside = tmp_path / "media", fetch.also(["127.0.0.0/8"])
    outside = come(files=Uploads(kept, way=fetch.OUT))
    assert (outside.attachments, old.asked) == ((), [])
    assert all("not on the public Internet" in why for why in whys(outside))
    spent = come(files=Uploads(kept, way=inside, budget=Budget(files=0)))
    assert (old.asked, ["has fetched enough" in why for why in whys(spent)]) == ([], [True, True])
    come(files=Uploads(kept, way=inside, keep=False))
    assert old.asked == []
    first = come(files=Uploads(kept, way=inside))
    assert [(one.role, one.width) for one in first.attachments] == [("image", 40)]
    assert ["answers 404" in why for why in whys(first)] == [True]
    assert len(old.asked) == 2
    again = come(files=Uploads(kept, way=inside))
    assert again.attachments == first.attachments
    assert [path[-8:] for path in old.asked] == ["gone.pdf", "adge.png", "gone.pdf"]


def test_a_run_fetches_as_many_files_as_it_may_and_a_host_that_refuses_counts_too(
    tmp_path: Path, host: tuple[type[_Host], str]
) -> None:
    old, address = host
    names = ("2021/05/first.png", "2021/05/gone.png", "2021/05/third.png")
    for number, name in enumerate(names):
        if "gone" not in name:
            old.files[f"/wp-content/uploads/{name}"] = samples.picture("PNG", (40 + number, 30))
    files = Uploads(tmp_path / "media", way=fetch.also(["127.0.0.0/8"]), budget=Budget(files=2))
    found, why = zip(*(files.bring("image", f"{address}/wp-content/uploads/{name}") for name in names), strict=True)
    assert [one is not None for one in found] == [True, False, False]
    assert why[0] is None
    assert [str(one).partition(". ")[0].rpartition(".png ")[2] for one in why[1:]] == [
        "answers 404",
        "was not fetched: this run has fetched enough",
    ]
    assert [path[-9:] for path in old.asked] == ["first.png", "/gone.png"]


def test_a_budget_is_spent_by_number_by_size_and_by_time() -> None:
    for budget in (Budget(files=1), Budget(size=9), Budget(until=time.monotonic() - 1)):
        fresh = budget.is_spent
        budget.spend(files=1, size=10)
        assert (budget.is_spent, fresh) == (True, budget.until < time.monotonic())


# --- texts -----------------------------------------------------------------------------------------------------


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
    "piece", ["[", "[embed", "[embed]", "[a ", "[/a]", "<!--", "<", "url=", "[a url='", "\n \n", "[[a]"]
)
def test_no_text_takes_more_than_its_share_of_time(piece: str) -> None:
    """Half a million characters, which a quadratic reading would take minutes for."""
    begun = time.process_time()
    paragraphs(without_shortcodes(piece * (500_000 // len(piece))))
    assert time.process_time() - begun < 20


# --- the whole -------------------------------------------------------------------------------------------------


def test_every_oddity_comes_in_once_and_again_changes_nothing(db: Database, tmp_path: Path) -> None:
    count = 2 * len(wxr_maker.ODDITIES) + 4
    file = wxr_maker.write(tmp_path / "export.xml", count)
    files = Uploads(tmp_path / "media", wxr_maker.uploads(tmp_path / "uploads", count))
    come = wxr_maker.becomes(count)
    kept = count - come["refused"] - come["left out"]

    def run() -> intake.Report:
        drafts = wordpress.read(file, rules=RULES, zone=ZONE, files=files)
        return intake.bring_in_turns(db, drafts, now=NOW, zone=ZONE)

    first, again = run(), run()
    assert (first.created, first.changed, first.unchanged, first.refused) == (kept, 0, 0, come["refused"])
    assert first.news == come["published"]
    assert dataclasses.replace(again, problems=()) == intake.Report(unchanged=kept, refused=come["refused"])
    with db.reading() as conn:
        found = items.everything(conn)
    assert len(found) == kept
    states = {state: sum(one.state == state for one in found) for state in ("draft", "scheduled")}
    assert states == {"draft": come["draft"], "scheduled": come["scheduled"]}
    assert sum(one.published_at is None and one.state == "published" for one in found) == come["undated"]
    _look_at(found)


def _look_at(found: list[items.Item]) -> None:
    """What each of them became, in its own words."""
    by_slug = {one.slug: one for one in found}
    assert {"same-name", "same-name-2", "post-18", "post-46"} <= by_slug.keys()
    assert by_slug["post-2"].title == "Q & A: “Why?” – <b>bold"
    assert by_slug["post-2"].excerpt == "In short. Why"
    assert by_slug["post-13"].body.strip().startswith("<p>Block.</p>")
    assert "A CDATA end: ]]&gt; and again ]]&gt;." in by_slug["post-14"].body
    assert "A bell , an escape  and a vertical tab  in" in by_slug["post-19"].body
    assert "Café — &nbsp; … “quoted” &amp;bogus; &amp;amp;" in by_slug["post-20"].body
    assert (by_slug["post-23"].kind, by_slug["post-23"].topics) == ("fact sheet", ())
    assert by_slug["post-24"].topics == ("detainers", "courts")
    assert [author.name for author in by_slug["post-25"].authors] == ["Lee O’Neil & Sons"]
    assert by_slug["post-27"].title == "Turned"
    assert not any("script" in one.body or "onerror" in one.body for one in found)
    assert [(file.role, file.pages, file.width) for file in by_slug["post-12"].attachments] == [
        ("pdf", 2, None),
        ("image", None, 40),
    ]


def test_many_come_in_turns_and_a_fault_in_the_midst_keeps_what_came_before_it(db: Database) -> None:
    def drafts() -> Iterator[Draft]:
        for number in range(8):
            if number == 7:
                raise EOFError
            yield Draft(f"item-{number}", "article", f"Item {number}", published_on="2026-08-17")

    with pytest.raises(EOFError):
        intake.bring_in_turns(db, drafts(), most=3, now=NOW, zone=ZONE)
    with db.reading() as conn:
        assert len(items.everything(conn)) == 6


def test_of_many_problems_the_first_thousand_are_named_and_the_rest_counted(db: Database) -> None:
    faults = (Problem(f"post {number}", "It is bad.", "Mend it.") for number in range(1_700))
    report = intake.bring_in_turns(db, faults, now=NOW, zone=ZONE)
    assert (report.refused, len(report.problems), report.more_problems) == (1_700, 1_000, 700)
    assert report.problems[-1].where == "post 999"
