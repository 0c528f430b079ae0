"""A folder of Markdown files: every field, every fault with its place, and the import of the whole."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest import intake, items, media, news, pictures, publications
from digest.db import Database
from digest.errors import NotFound, Problem
from digest.intake import markdown
from digest.items import Author, Draft
from tests.conftest import NOW
from tests.digest import samples

PDF, PNG = samples.paper(2), samples.picture()
ZONE = "America/New_York"
GOOD = "---\ntitle: A title\nkind: fact sheet\ndate: 2019-06-04\n---\nText of **it**.\n"


def write(folder: Path, name: str, text: str | bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def read(folder: Path) -> list[Draft | Problem]:
    return list(markdown.read(folder, zone=ZONE, media=folder.parent / "media"))


def read_one(folder: Path, front: str, name: str = "a.md") -> Draft | Problem:
    write(folder, name, f"---\n{front}\n---\nBody.\n")
    (found,) = read(folder)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


class TestReading:
    def test_every_field_arrives(self, folder: Path) -> None:
        write(folder, "files/wso.pdf", PDF)
        write(folder, "badge.png", PNG)
        write(
            folder,
            "a.md",
            """\ufeff---
title: "Fact Sheet: Warrant Service Officer (WSO) Program"
kind: Fact sheet
date: 2019-06-04
subtitle: A subtitle
excerpt: >-
  Two lines
  in one.
authors:
  - Dana Ruiz
  - {name: Laurence Benenson, role: Assistant Director, organization: Forum}
topics: [287g, Crime and safety]
slug: wso
language: es
pdf: files/wso.pdf
image: badge.png
image_alt: A badge
updated: 2021-10-27
update_note: New guidelines.
canonical_url: https://example.org/wso
featured: yes
---

See [the law](/law).
""".replace("\n", "\r\n"),
        )
        (draft,) = read(folder)
        assert isinstance(draft, Draft)
        assert draft.title == "Fact Sheet: Warrant Service Officer (WSO) Program"
        assert (draft.slug, draft.kind, draft.subtitle, draft.language) == ("wso", "Fact sheet", "A subtitle", "es")
        assert (draft.published_on, draft.published_at, draft.excerpt) == ("2019-06-04", None, "Two lines in one.")
        assert draft.authors == (
            Author("Dana Ruiz"),
            Author("Laurence Benenson", "Assistant Director", "Forum"),
        )
        assert draft.topics == ("287g", "crime-and-safety")
        assert [(file.role, file.name, file.pages, file.alt) for file in draft.attachments] == [
            ("pdf", "wso.pdf", 2, ""),
            ("image", "badge.png", None, "A badge"),
        ]
        assert (draft.updated_on, draft.update_note, draft.featured) == ("2021-10-27", "New guidelines.", True)
        assert draft.body == '<p>See <a href="https://example.org/law">the law</a>.</p>\n'
        assert draft.markdown == "See [the law](/law)."
        assert (draft.where, draft.state, draft.source, draft.remarks) == ("a.md", "published", "markdown", ())
        assert sorted(path.suffix for path in (folder.parent / "media").iterdir() if path.is_file()) == [".pdf", ".png"]

    @pytest.mark.parametrize(
        ("written", "on", "at"),
        [
            ("2019-06-04", "2019-06-04", None),
            ("June 4", "--06-04", None),
            ("4 june", "--06-04", None),
            ("Sept. 8", "--09-08", None),
            ("Feb 29", "--02-29", None),
            ("06-04", "--06-04", None),
            ("--06-04", "--06-04", None),
            ("June 4, 2019", "2019-06-04", None),
            ("2019-06-04 21:30", "2019-06-04", datetime(2019, 6, 5, 1, 30, tzinfo=UTC)),
            ("2019-06-05T01:30:00Z", "2019-06-04", datetime(2019, 6, 5, 1, 30, tzinfo=UTC)),
            ("", None, None),
        ],
    )
    def test_a_date_is_read_as_it_is_written(
        self, folder: Path, written: str, on: str | None, at: datetime | None
    ) -> None:
        draft = read_one(folder, f"title: A\nkind: article\ndate: {written}")
        assert isinstance(draft, Draft)
        assert (draft.published_on, draft.published_at) == (on, at)

    def test_a_moment_to_publish_at_makes_it_scheduled(self, folder: Path) -> None:
        draft = read_one(folder, "title: A\nkind: article\npublish_at: 2027-01-04 07:00")
        assert isinstance(draft, Draft)
        assert (draft.state, draft.publish_at) == ("scheduled", datetime(2027, 1, 4, 12, 0, tzinfo=UTC))

    def test_drafts_come_oldest_first_and_those_without_a_year_after_them(self, folder: Path) -> None:
        dates = {"a": "2019-06-04", "b": "2017-09-08", "d": "June 1", "c": "2017-09-08"}
        for name, date in dates.items():
            write(folder, f"{name}.md", GOOD.replace("2019-06-04", date))
        assert [draft.slug for draft in read(folder) if isinstance(draft, Draft)] == ["b", "c", "a", "d"]

    def test_only_visible_markdown_files_below_the_folder_are_items(self, folder: Path) -> None:
        for name in ("README.md", "notes.txt", ".hidden.md", ".git/x.md", "inner/Ünder_one.markdown", "b.MD"):
            write(folder, name, GOOD)
        assert sorted(d.slug for d in read(folder) if isinstance(d, Draft)) == ["b", "under-one"]
        assert [d.slug for d in read(folder / "b.MD") if isinstance(d, Draft)] == ["b"]
        with pytest.raises(NotFound, match="There is no folder"):
            read(folder / "gone")

    def test_an_unknown_field_is_remarked_with_its_line_and_does_not_keep_the_item_out(self, folder: Path) -> None:
        draft = read_one(folder, "title: A\nkind: article\nsubtitel: B\nimage: https://a.example/b.png")
        assert isinstance(draft, Draft)
        assert [remark.where for remark in draft.remarks] == ["a.md line 4 (subtitel)", "a.md line 5 (image)"]
        assert draft.remarks[0].remedy == "Is subtitle meant?"


class TestFaults:
    @pytest.mark.parametrize(
        ("front", "where", "why"),
        [
            ("kind: x", "line 1 (title)", "It is missing."),
            ("title: A", "line 1 (kind)", "It is missing."),
            ("title: A\nkind: x\ndate: 2019-02-30", "line 4 (date)", "no day of the calendar"),
            ("title: A\nkind: x\ndate: 0000-01-01", "line 4 (date)", "no day of the calendar"),
            ("title: A\nkind: x\ndate: soon", "line 4 (date)", "is no date"),
            ("title: A\nkind: x\ndate: 2019-06-04 25:00", "line 4 (date)", "is no date"),
            ("title: A\nkind: x\ndate: J 4", "line 4 (date)", "is no date"),
            ("title: A\nkind: x\ndate: [2019-06-04]", "line 4 (date)", "is a list"),
            ("title: {a: b}\nkind: x", "line 2 (title)", "is a list or a map"),
            ("title: A\nkind: x\nslug: ../etc", "line 4 (slug)", "cannot be part"),
            ("title: A\nkind: x\ntopics: [all]", "line 4 (topics)", "every topic"),
            ("title: A\nkind: x\ntopics: ['§']", "line 4 (topics)", "no name of a topic"),
            ("title: A\nkind: x\nauthors: [{nmae: B}]", "line 4 (authors)", "'nmae' is unknown"),
            ("title: A\nkind: x\nauthors: [{role: B}]", "line 4 (authors)", "It is missing."),
            ("title: A\nkind: x\nfeatured: perhaps", "line 4 (featured)", "neither yes nor no"),
            ("title: A\nkind: x\nstate: gone", "line 4 (state)", "is no state"),
            ("title: A\nkind: x\nlanguage: zz", "line 4 (language)", "is no language"),
            ("title: A\nkind: x\npdf: ../a.pdf", "line 4 (pdf)", "leads out of its folder"),
            ("title: A\nkind: x\npdf: /etc/passwd", "line 4 (pdf)", "leads out of its folder"),
            ("title: A\nkind: x\npdf: gone.pdf", "line 4 (pdf)", "No such file"),
            ("title: A\nkind: x\npdf: link.pdf", "line 4 (pdf)", "cannot be read"),
            ("title: A\nkind: x\npdf: a.png", "line 4 (pdf)", "another type"),
            ("title: A\nkind: x\nimage: http://a.example/b.png", "line 4 (image)", "cannot be read"),
            ("title: A\nkind: x\ntitle: B", "line 4 (title)", "given twice"),
            ("title: a: b", "line 2", "no YAML"),
            ("title: 'a", "line 2", "no YAML"),
            ("- a\n- b", "line 2", "holds no fields"),
            ("", "line 2", "holds no fields"),
            ("? [a]\n: b", "line 2", "is no text"),
            ("a: &a [x]\nb: *a", "line 3", "alias"),
            ("a: [[[[[[[[x]]]]]]]]", "line 2", "nested too deep"),
            ("a: " + "[" * 5000, "line 2", "nested too deep"),
            ("a: " + "x" * 20000, "line 1", "longer than"),
            ("a: \x01", "line 2", "no YAML"),
        ],
    )
    def test_a_fault_names_its_line_and_field(self, folder: Path, front: str, where: str, why: str) -> None:
        (folder / "link.pdf").symlink_to("/etc/passwd")
        write(folder, "a.png", PNG)
        problem = read_one(folder, front)
        assert isinstance(problem, Problem)
        assert problem.where == f"a.md {where}"
        assert why in problem.why

    def test_a_picture_without_words_is_kept_and_named(self, folder: Path) -> None:
        write(folder, "a.png", PNG)
        found = read_one(folder, "title: T\nkind: k\ndate: 2020-01-01\nimage: a.png")
        assert isinstance(found, Draft)
        assert [one.role for one in found.attachments] == ["image"]
        assert [(one.where, one.why) for one in found.remarks] == [
            ("a.md line 5 (image)", "It has no image_alt, so the picture is kept and not shown.")
        ]

    @pytest.mark.parametrize(
        ("text", "remarks"),
        [
            ("![A map](https://example.org/a.png)", []),
            ("![](https://example.org/a.png)", ["A picture is shown without words for those who do not see it."]),
            ("![A map](map.png)", ["A picture is left out: the address is not https."]),
            ("<img src='http://e.org/a'>\n<IMG src=b>", ["2 pictures are left out: the address is not https."]),
        ],
    )
    def test_what_is_wrong_with_the_pictures_of_a_text_is_told(
        self, folder: Path, text: str, remarks: list[str]
    ) -> None:
        write(folder, "a.md", GOOD + "\n" + text)
        (found,) = read(folder)
        assert isinstance(found, Draft)
        assert [one.why for one in found.remarks] == remarks
        assert {one.where for one in found.remarks} <= {"a.md line 6 (text)"}

    @pytest.mark.parametrize(
        ("data", "where", "why"),
        [
            (b"", "line 1", "does not begin"),
            (b"# A title\n", "line 1", "does not begin"),
            (b"---\ntitle: A\n", "line 1", "does not end"),
            (b"---\ntitle: A\nkind: \xff\n---\n", "line 3", "not UTF-8"),
            (b"---\ntitle: A\n---\n\n\0", "line 5", "NUL"),
            (GOOD.encode() + b"x" * markdown.LARGEST, "line 1", "larger than 2 MB"),
        ],
    )
    def test_a_file_that_is_no_text_is_refused(self, folder: Path, data: bytes, where: str, why: str) -> None:
        write(folder, "a.md", data)
        (problem,) = read(folder)
        assert isinstance(problem, Problem)
        assert problem.where == f"a.md {where}"
        assert why in problem.why

    def test_no_object_is_made_from_yaml(self, folder: Path) -> None:
        draft = read_one(folder, "title: !!python/object/apply:os.getcwd []\nkind: x")
        assert isinstance(draft, Problem)
        draft = read_one(folder, "title: !!python/name:os.getcwd x\nkind: x")
        assert isinstance(draft, Draft)
        assert draft.title == "x"

    def test_a_linked_file_is_not_read(self, folder: Path) -> None:
        write(folder.parent, "secret.md", GOOD)
        (folder / "a.md").symlink_to(folder.parent / "secret.md")
        (problem,) = read(folder)
        assert isinstance(problem, Problem)

    def test_one_bad_file_never_stops_the_rest_and_the_second_of_a_slug_is_refused(self, folder: Path) -> None:
        write(folder, "a.md", GOOD)
        write(folder, "b.md", "no front matter")
        write(folder, "c.md", GOOD.replace("kind:", "slug: a\nkind:"))
        draft, *problems = read(folder)
        assert isinstance(draft, Draft)
        assert [str(problem) for problem in problems] == [
            "b.md line 1: It does not begin with front matter. Begin with --- and title:, kind: and date:.",
            "c.md line 3 (slug): 'a' is already the slug of a.md. Give it another.",
        ]


class TestBringingIn:
    def import_(self, db: Database, folder: Path, **how: bool) -> intake.Report:
        with db.transaction() as conn:
            return intake.bring_in(conn, read(folder), now=NOW, zone=ZONE, **how)

    def test_a_folder_comes_in_and_again_is_harmless(self, either_db: Database, folder: Path) -> None:
        write(folder, "a.md", GOOD)
        write(folder, "b.md", GOOD.replace("2019-06-04", "June 4"))
        write(folder, "c.md", GOOD.replace("title:", "titel:"))
        write(folder, "d.md", GOOD.replace("kind:", "colour: red\nkind:"))
        first, second = self.import_(either_db, folder), self.import_(either_db, folder)
        assert (first.created, first.refused, first.news) == (3, 1, 2)
        assert [problem.where for problem in first.problems] == ["d.md line 3 (colour)", "c.md line 1 (title)"]
        assert (second.unchanged, second.created, second.changed, second.refused, second.news) == (3, 0, 0, 1, 0)
        with either_db.reading() as conn:
            assert [item.slug for item in items.latest(conn)] == ["d", "a"]

    def test_a_changed_file_changes_its_item(self, db: Database, folder: Path) -> None:
        write(folder, "a.md", GOOD)
        self.import_(db, folder)
        write(folder, "a.md", GOOD.replace("**it**", "it"))
        report = self.import_(db, folder)
        assert (report.changed, report.news) == (1, 0)

    def test_what_staff_wrote_stays_when_pictures_are_made_by_another_recipe(
        self, db: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(folder, "wso.pdf", PDF)
        write(folder, "badge.png", PNG)
        write(folder, "a.md", GOOD.replace("kind:", "pdf: wso.pdf\nimage: badge.png\nimage_alt: A badge\nkind:"))
        self.import_(db, folder)
        with db.transaction() as conn:
            items.revise(conn, "a", now=NOW, title="A better title")
            before = items.find(conn, "a")
        monkeypatch.setattr(pictures, "RECIPE", pictures.RECIPE + 1)
        shutil.rmtree(folder.parent / "media" / media.NOTES)
        assert self.import_(db, folder).unchanged == 1
        with db.reading() as conn:
            assert items.find(conn, "a") == before
        write(folder, "badge.png", samples.picture(color=(1, 2, 3)))
        assert self.import_(db, folder).changed == 1

    def test_a_dry_run_says_the_same_and_leaves_nothing(self, either_db: Database, folder: Path) -> None:
        write(folder, "a.md", GOOD)
        write(folder, "b.md", "bad")
        dry = self.import_(either_db, folder, dry_run=True)
        with either_db.transaction() as conn:
            assert items.latest(conn) == []
            assert news.counter(conn) == 0
        assert dry == self.import_(either_db, folder)

    def test_an_old_library_comes_in_without_news(self, db: Database, folder: Path) -> None:
        write(folder, "a.md", GOOD)
        report = self.import_(db, folder, known=True)
        assert (report.created, report.news) == (1, 0)

    def test_what_the_shelf_refuses_does_not_stop_the_rest(self, db: Database, folder: Path) -> None:
        write(folder, "a.md", GOOD)
        write(folder, "b.md", GOOD)
        self.import_(db, folder)
        write(folder, "a.md", GOOD.replace("kind:", "state: draft\ntopics: [new]\nkind:"))
        write(folder, "b.md", GOOD.replace("A title", "Another title"))
        report = self.import_(db, folder)
        assert (report.changed, report.refused) == (1, 1)
        assert report.problems[0].where == "a.md"
        assert "Withdraw it" in report.problems[0].remedy
        with db.reading() as conn:
            assert publications.topics(conn) == []
