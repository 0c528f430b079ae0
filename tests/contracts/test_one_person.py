"""One person's history, and what staff do on their behalf, on both databases."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from digest import config, keys
from digest.db import Database
from digest.errors import NotFound, Refused
from digest.home import Home
from subscribers import asking, consent, directory, histories, journal, limits, on_behalf, suppression
from subscribers.consent import Event, Origin, Proof
from tests import stage as stages
from tests.conftest import NOW, SETTINGS
from tests.stage import Stage


@pytest.fixture
def home(either_db: Database, tmp_path: Path) -> Home:
    """A home over this database, with the keys of the stage."""
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / config.FILE).write_text(SETTINGS, encoding="utf-8")
    keys.make(folder)
    return Home(folder, config.load(folder), stages.KEYS, either_db)


@pytest.fixture
def stage(either_db: Database) -> Stage:
    """Ann and bob, and three editions: ann has nothing in her topics of the second."""
    stage = Stage(either_db)
    stage.join("ann", "hiring=weekly;*=off")
    stage.join("bob")
    for topic in ("hiring", "crime", "hiring"):
        stage.later(days=7)
        stage.publish(f"item-{stage.now:%d}", topic)
        stage.send()
    return stage


def test_pages_of_a_history_together_are_all_of_it_and_nothing_twice(stage: Stage) -> None:
    ann = stage.ids["ann"]
    with stage.db.transaction() as conn:
        consent.record(conn, ann, "changed", digest_id=1, now=NOW + timedelta(days=16))
        pages: list[histories.History] = []
        below = None
        while not pages or below:
            pages.append(histories.page(conn, ann, below=below, limit=1))
            below = pages[-1].older
        whole = histories.page(conn, ann)
        nobody = histories.page(conn, 999)
    assert [mail.listed.edition.id for page in pages for mail in page.mails] == [3, 2, 1]
    assert [len(page.events) for page in pages] == [0, 1, 1]
    assert tuple(event for page in pages for event in page.events) == whole.events
    assert [(mail.state, mail.code, mail.titles, mail.items) for mail in whole.mails] == [
        ("accepted", None, ("Fact sheet item-28",), 1),
        ("skipped", "no topics", (), 1),
        ("accepted", None, ("Fact sheet item-14",), 1),
    ]
    assert (nobody.mails, nobody.events, nobody.notes, nobody.older) == ((), (), (), None)


def test_what_is_planned_is_told_with_when_it_is_due(stage: Stage) -> None:
    stage.publish("more", "hiring")
    stage.cycle()
    with stage.db.reading() as conn:
        first = histories.page(conn, stage.ids["ann"]).mails[0]
        assert histories.outcomes(conn, stage.ids["ann"]) == {"accepted": 2, "skipped": 1, "planned": 1}
    assert (first.state, first.at) == ("planned", stage.now)


def test_of_who_is_erased_there_are_counts_and_the_list_has_who_did_it(stage: Stage, home: Home) -> None:
    ann = stage.ids["ann"]
    with stage.db.transaction() as conn:
        assert on_behalf.erase(conn, home, ann, by="Dana Ruiz", now=stage.now)
        assert not on_behalf.erase(conn, home, ann, by="Dana Ruiz", now=stage.now)
        with pytest.raises(NotFound):
            directory.one(conn, ann)
        assert histories.outcomes(conn, ann) == {"accepted": 2, "skipped": 1}
        (entry,) = suppression.page(conn)
    assert (entry.reason, entry.by, entry.email, entry.subscriber_id) == ("erased", "Dana Ruiz", None, None)


def test_who_comes_off_the_list_gets_nothing_until_they_confirm(stage: Stage, home: Home) -> None:
    with stage.db.transaction() as conn:
        assert on_behalf.bar(conn, home, "ann@example.org", by="Dana Ruiz", now=stage.now)
    stage.publish("more", "hiring")
    edition = stage.freeze()
    with stage.db.transaction() as conn:
        assert on_behalf.allow(conn, home, "ann@example.org", by="Dana Ruiz", why="A mistake.", now=stage.now)
        person = directory.one(conn, stage.ids["ann"])
        assert (person.state, person.reason) == ("left", None)
        with pytest.raises(Refused):
            on_behalf.allow(conn, home, "ann@example.org", by="Dana Ruiz", why="A mistake.", now=stage.now)
    stage.plan(edition)
    assert set(stage.rows(edition)) == {"bob"}
    assert asking.work_off(home, now=stage.now) == 1
    with stage.db.reading() as conn:
        assert [note.kind for note in histories.page(conn, stage.ids["ann"]).notes] == ["confirm"]


def test_what_is_refused_leaves_the_list_and_the_journal_as_they_were(stage: Stage, home: Home) -> None:
    with stage.db.transaction() as conn:
        on_behalf.bar(conn, home, "ann@example.org", by="Dana Ruiz", now=stage.now)
        for _ in range(home.settings.sign_up.per_network):
            limits.allow(conn, limits.of_network(home.keys, ""), [(10_000, limits.HOUR)], now=stage.now)
    before = journal.read(home.path)
    with pytest.raises(Refused, match="within the hour"), stage.db.transaction() as conn:
        on_behalf.allow(conn, home, "ann@example.org", by="Dana Ruiz", why="A mistake.", now=stage.now)
    assert journal.read(home.path) == before
    with stage.db.reading() as conn:
        assert directory.one(conn, stage.ids["ann"]).reason == "by-staff"


def test_that_somebody_is_off_the_list_is_the_last_word_of_the_journal(stage: Stage, home: Home) -> None:
    with stage.db.transaction() as conn:
        on_behalf.bar(conn, home, "ann@example.org", by="Dana Ruiz", now=stage.now)
        on_behalf.allow(conn, home, "ann@example.org", by="Dana Ruiz", why="A mistake.", now=stage.now)
    assert [line["what"] for line in journal.read(home.path)] == ["suppressed", "left", "lifted"]


def test_the_list_is_looked_through_from_the_latest_entry_on(either_db: Database) -> None:
    with either_db.transaction() as conn:
        for n in range(9):
            at = NOW + timedelta(days=n // 4)
            suppression.add_hash(conn, n.to_bytes(16), reason="left", now=at, by="reader")
        seen: list[int] = []
        place = None
        while found := suppression.page(conn, before=place, limit=2):
            seen += [int.from_bytes(one.mark) for one in found]
            place = (found[-1].at, found[-1].mark)
    assert seen == [8, 7, 6, 5, 4, 3, 2, 1, 0]


def test_the_latest_proof_of_each_digest_counts() -> None:
    def event(what: str, digest_id: int = 1, text: str = "") -> Event:
        return Event(what, digest_id, Origin(text), NOW)

    asked, confirmed, added = event("asked", text="a"), event("confirmed", text="b"), event("added", text="c")
    again = event("asked", text="d")
    assert consent.proofs([]) == []
    assert consent.proofs([asked]) == [Proof(1, asked, None)]
    assert consent.proofs([asked, confirmed, event("left")]) == [Proof(1, asked, confirmed)]
    assert consent.proofs([asked, added]) == [Proof(1, None, added)]
    assert consent.proofs([asked, confirmed, again]) == [Proof(1, again, confirmed)]
    assert len(consent.proofs([asked, event("imported", 2)])) == 2
