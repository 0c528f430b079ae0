"""The versions of what people agree to, on both databases: since when, and how many."""

from __future__ import annotations

from datetime import timedelta

from digest import languages
from digest.config import Settings, SignUpSection, Site
from digest.db import Database
from subscribers import consent, wording
from subscribers.consent import Origin, Version
from tests.conftest import NOW


def test_each_sentence_has_its_first_and_last_time_and_its_people(either_db: Database) -> None:
    def agree(person: int, text: str, days: int, *whats: str) -> None:
        origin = Origin(text=text, version=consent.version(text) if text.startswith("Yes") else "")
        for what in whats:
            consent.record(conn, person, what, digest_id=1, now=NOW + timedelta(days=days), origin=origin)

    with either_db.transaction() as conn:
        agree(1, "Yes, old", 0, "asked", "confirmed")
        agree(2, "Yes, new", 3, "asked", "confirmed")
        agree(1, "Yes, old", 1, "asked", "confirmed")
        agree(3, "Yes, old", 2, "asked")
        agree(4, "A list from the office", 4, "imported")
        agree(5, "Yes, never sent", 5, "left")
    with either_db.reading() as conn:
        found = consent.versions(conn)
    assert found == [
        Version(consent.version("Yes, new"), "Yes, new", NOW + timedelta(days=3), NOW + timedelta(days=3), 1),
        Version(consent.version("Yes, old"), "Yes, old", NOW, NOW + timedelta(days=1), 1),
    ]


def test_words_of_ones_own_are_for_their_language_alone() -> None:
    site = Site(name="News", organization="The Force")
    settings = Settings(site=site, sign_up=SignUpSection(consent={"en": "Yes, {organization}."}))
    english, spanish = languages.of("en"), languages.of("es")
    assert wording.sentence(english, settings) == "Yes, The Force."
    assert wording.sentence(spanish, settings) == wording.sentence(spanish, Settings(site=site))
    assert "The Force" in wording.sentence(spanish, settings)
    assert wording.sentence(english, settings, "") == wording.sentence(english, Settings(site=site))
