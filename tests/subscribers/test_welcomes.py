"""The first mail of who is new: the latest edition as far as it is theirs, once for each joining, not to who left."""

from __future__ import annotations

import email
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
import sqlalchemy as sa

from digest import publications, tables
from digest.db import Database
from digest.delivery import notices
from digest.delivery.transports.local import Outbox
from digest.home import Home
from digest.tables import State
from subscribers import members, suppression, welcomes
from tests.stage import KEYS, SETTINGS, Stage

ALL = "*=weekly"


class Newsroom(Stage):
    """A digest that welcomes with its latest edition; one went out."""

    def __init__(self, db: Database, folder: Path) -> None:
        super().__init__(db, ("daily", "weekly"))
        self.home = Home(folder, SETTINGS, KEYS, db)
        self.outbox = Outbox()
        self.set(welcome="last", languages="en, es")
        self.join("ann", ALL)
        self.publish("one", "hiring")
        self.publish("two", "detainers")
        self.send()
        self.later(hours=1)

    def greet(self, name: str) -> bool:
        """Queues the welcome, if there is one."""
        with self.db.transaction() as conn:
            return welcomes.queue(conn, self.home, self.digest.id, self.ids[name], now=self.now)

    def add(self, name: str, topics: str = ALL) -> bool:
        """A new reader, greeted as the faces do."""
        self.join(name, topics)
        return self.greet(name)

    def post(self) -> list[EmailMessage]:
        """Hands over what is queued; the mails of this time."""
        notices.deliver_due(self.db, self.outbox, clock=lambda: self.now, owner="test", barred=self.people.barred)
        with self.db.reading() as conn:
            uids = conn.scalars(sa.select(tables.notices.c.uid).order_by(tables.notices.c.id)).all()
        mails = [mail for uid in uids if (mail := self.outbox.get(uid, 0))]
        self.outbox = Outbox()
        return [email.message_from_bytes(mail, policy=default) for mail in mails]

    def notice(self) -> sa.Row[tuple[object, ...]]:
        """The only one."""
        with self.db.reading() as conn:
            return conn.execute(sa.select(tables.notices)).one()


def text(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


@pytest.fixture
def stage(either_db: Database, tmp_path: Path) -> Newsroom:
    return Newsroom(either_db, tmp_path)


def test_who_is_new_gets_the_latest_edition_in_their_topics_with_the_way_out(stage: Newsroom) -> None:
    assert stage.add("bob", "hiring=weekly;*=off")
    (mail,) = stage.post()
    assert mail["To"] == "bob@example.org"
    assert mail["Subject"] == "Welcome to Weekly digest"
    assert "/u/" in mail["List-Unsubscribe"]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "Fact sheet one" in text(mail)
    assert "Fact sheet two" not in text(mail)
    assert "this is what we last sent in your topics, on September 7" in " ".join(text(mail).split())


def test_nothing_of_a_welcome_comes_again_and_nothing_that_waits_is_in_it(stage: Newsroom) -> None:
    stage.publish("three", "hiring")
    assert stage.add("bob")
    (mail,) = stage.post()
    assert "three" not in text(mail)
    stage.publish("four", "hiring")
    assert stage.lists(stage.send())["bob"] == ["four"]


def test_there_is_none_unless_the_digest_wants_it(stage: Newsroom) -> None:
    stage.set(welcome="nothing")
    assert not stage.add("bob")


def test_there_is_one_for_each_joining(stage: Newsroom) -> None:
    assert stage.add("bob")
    assert not stage.greet("bob")
    assert len(stage.post()) == 1
    stage.later(hours=1)
    assert not stage.greet("bob")
    stage.leave("bob")
    stage.later(hours=1)
    stage.rejoin("bob")
    assert stage.greet("bob")
    assert len(stage.post()) == 1


@pytest.mark.parametrize("end", ["left", "paused", "suppressed"])
def test_who_may_not_be_mailed_any_more_gets_none(stage: Newsroom, end: str) -> None:
    stage.add("bob")
    if end == "left":
        stage.leave("bob")
    elif end == "paused":
        stage.pause("bob")
    else:
        with stage.db.transaction() as conn:
            suppression.add(conn, KEYS, "bob@example.org", reason="by-staff", now=stage.now, by="test")
    assert stage.post() == []
    row = stage.notice()
    assert (row.state, row.code, row.address, row.message) == (State.SKIPPED, end, None, None)


def test_what_was_withdrawn_is_left_out_and_an_earlier_edition_taken_if_nothing_is_left(stage: Newsroom) -> None:
    stage.publish("three", "hiring")
    stage.send()
    stage.withdraw("three")
    stage.add("bob")
    (mail,) = stage.post()
    assert "three" not in text(mail)
    assert "Fact sheet one" in text(mail)


def test_an_item_is_told_as_it_is_now(stage: Newsroom) -> None:
    stage.update("one")
    stage.add("bob")
    (mail,) = stage.post()
    assert "As of 2026-09-07" in text(mail)


def test_there_is_none_when_nothing_that_went_out_is_theirs(stage: Newsroom) -> None:
    assert not stage.add("bob", "courts=weekly;*=off")
    assert not stage.add("cy", "*=daily")  # no daily edition went out yet


def test_an_edition_that_staff_stopped_welcomes_nobody(stage: Newsroom) -> None:
    stage.publish("three", "courts")
    edition = stage.cycle()
    with stage.db.transaction() as conn:
        conn.execute(sa.update(tables.editions).where(tables.editions.c.id == edition.id).values(paused_at=stage.now))
    assert not stage.add("bob", "courts=weekly;*=off")


def test_a_welcome_speaks_the_language_of_its_reader(stage: Newsroom) -> None:
    stage.join("eva", ALL)
    with stage.db.transaction() as conn:
        members.change(conn, stage.digest.id, stage.ids["eva"], language="es")
    assert stage.greet("eva")
    (mail,) = stage.post()
    assert mail["Subject"] == "Le damos la bienvenida a Weekly digest"
    assert "el 7 de septiembre de 2026" in " ".join(text(mail).split())


def test_there_is_none_while_the_settings_are_not_fit_for_sending(stage: Newsroom) -> None:
    nowhere = SETTINGS.model_copy(update={"site": SETTINGS.site.model_copy(update={"address": ""})})
    stage.home = Home(stage.home.path, nowhere, KEYS, stage.db)
    assert not stage.add("bob")


def test_the_setting_is_held_to_what_it_may_be(stage: Newsroom) -> None:
    with stage.db.reading() as conn:
        assert publications.find(conn, "weekly").welcome == "last"
    with pytest.raises(Exception, match="is no welcome"):
        stage.set(welcome="perhaps")
