"""The example library: whole, without a fault, and free of anything that reaches a real place."""

from __future__ import annotations

import re
import shutil
import tomllib
from datetime import UTC, datetime
from pathlib import Path

from digest import config, publications
from digest.db import Database
from digest.drafts import Draft
from digest.home import Home
from digest.intake import markdown
from subscribers import sheets, transfer

EXAMPLES = Path(__file__).parents[2] / "examples"
NOW = datetime(2026, 9, 7, 11, 0, tzinfo=UTC)

TITLES = [  # newest first, as on the first publisher's page
    ("2023-08-17", "Backgrounder: Jurisdictions Permitting LPR Hiring"),
    ("2021-04-22", "Comparison of the Obama, Trump, and Biden Administration Immigration Enforcement Priorities"),
    ("2019-06-04", "Fact Sheet: Warrant Service Officer (WSO) Program"),
    ("2018-06-29", "Profiles: Immigrants in Law Enforcement Contributing to Public Safety"),
    ("2018-06-26", "Fact Sheet: Immigrants and Crime"),
    ("2017-12-12", "Fact Sheet: Immigrant Youth and MS-13"),
    (
        "2017-09-08",
        "Background on Local Law Enforcement's Role in Immigration Enforcement - § 287(g) Agreements",
    ),
    ("2017-09-08", "Background on 'Sanctuary Jurisdictions' - 8 U.S.C. § 1373"),
    ("2017-06-16", "Ability to Hire LPRs Would Help Local Law Enforcement"),
    ("2017-02-27", "EXECUTIVE SUMMARY: The Legal Questions Around Immigration Detainers"),
]


def drafts(media: Path | None = None) -> list[Draft]:
    found = list(markdown.read(EXAMPLES / "items", zone="America/New_York", media=media))
    assert all(isinstance(one, Draft) and not one.remarks for one in found), found
    return [one for one in found if isinstance(one, Draft)]


def test_the_ten_items_are_read_without_a_fault_in_the_order_of_their_page() -> None:
    assert [(one.published_on, one.title) for one in reversed(drafts())] == TITLES


def test_every_topic_of_an_item_has_a_name_and_every_topic_has_an_item() -> None:
    topics = tomllib.loads((EXAMPLES / "topics.toml").read_text(encoding="utf-8"))
    assert all(set(topic) == {"name", "description"} and all(topic.values()) for topic in topics.values())
    assert {topic for one in drafts() for topic in one.topics} == set(topics)


def test_each_text_is_of_a_length_to_read_with_an_excerpt_of_its_own() -> None:
    for one in drafts():
        assert 150 <= len((one.markdown or "").split()) <= 400, one.slug
        assert 80 <= len(one.excerpt) <= 280, one.slug


def test_two_items_carry_a_pdf_with_their_title_inside(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    carried = [(one, pdf) for one in drafts(tmp_path / "media") for pdf in one.attachments]
    assert len(carried) == 2
    for one, pdf in carried:
        data = (tmp_path / "media" / pdf.path).read_bytes()
        assert one.title.encode("cp1252") in data
        assert (pdf.pages, pdf.media_type) == (1, "application/pdf")


def test_nothing_in_the_library_leads_to_a_real_place() -> None:
    texts = [
        path.read_text(encoding="utf-8") for path in EXAMPLES.rglob("*") if path.suffix in (".md", ".csv", ".toml")
    ]
    hosts = {host for text in texts for host in re.findall(r"(?:https?://|[\w.+-]+@)([\w.-]+)", text)}
    assert hosts == {"example.org", "127.0.0.1"}


def test_the_settings_are_understood_and_sending_is_allowed(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / config.FILE, tmp_path)
    settings = config.load(tmp_path)
    assert config.sending_faults(settings) == []
    assert len(settings.site.calls_to_action) == 3


def test_the_six_people_can_be_brought_in_with_their_own_choices(home: Home) -> None:
    db: Database = home.db
    with db.transaction() as conn:
        publications.create(
            conn, "weekly", "Weekly", now=NOW, zone="UTC", from_name="Example", from_address="news@example.org"
        )
    reading = sheets.Reading(EXAMPLES / "people.csv")
    report = transfer.import_people(db, home.keys, reading, digest="weekly", consent="Example people", now=NOW)
    assert (report.created, report.problems, reading.warnings) == (6, (), ())
    with db.reading() as conn:
        header, *rows = transfer.export(conn)
    column = {name: [row[header.index(name)] for row in rows] for name in header}
    assert "*=off;hiring=weekly" in column["topics"]
    assert len(set(column["topics"])) == len(set(column["zone"])) == len(set(column["hour"])) == 6
