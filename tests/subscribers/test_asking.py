"""People ask for mail, confirm it and are told: only who confirmed gets any, once, and nothing tells who is known."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from digest.config import SignUpSection
from digest.db import Database
from digest.delivery import notices as queue
from digest.delivery.transports.local import Outbox
from digest.errors import BadInput
from digest.home import Home
from digest.tables import metadata
from subscribers import asking, consent, limits, links, members, preferences, records, suppression
from subscribers.asking import SETTINGS as FRESH_LINK
from subscribers.asking import SIGN_UP, Ask
from subscribers.consent import Origin
from subscribers.newcomers import Choices
from tests.stage import KEYS, SETTINGS, Stage

SENTENCE = "By pressing the button you ask us to e-mail you what you chose above."
ORIGIN = Origin(SENTENCE, "/subscribe", version=consent.version(SENTENCE), ip="192.0.2.7", agent="A browser")
CHOICES = Choices({"hiring": "weekly", "*": "off"}, language="en")


class Desk(Stage):
    """A digest, and the form of its site."""

    def __init__(self, db: Database, folder: Path) -> None:
        super().__init__(db, ("instant", "weekly"))
        self.home = Home(folder, SETTINGS, KEYS, db)
        self.seen: set[str] = set()

    def ask(self, email: str = "zoe@example.org", kind: str = SIGN_UP, origin: Origin = ORIGIN) -> bool:
        """Somebody asks; whether it was taken."""
        wanted = Ask(kind, self.digest.id, email, CHOICES, origin)
        with self.db.transaction() as conn:
            return asking.ask(conn, KEYS, self.home.settings.sign_up, wanted, now=self.now) is None

    def mails(self) -> list[str]:
        """What the clock makes of it and sends: the texts of new mails."""
        asking.work_off(self.home, now=self.now)
        outbox = Outbox()
        queue.deliver_due(self.db, outbox, clock=lambda: self.now, owner="test", barred=self.people.barred)
        with self.db.reading() as conn:
            uids = conn.scalars(sa.select(metadata.tables["notices"].c.uid)).all()
        return [mail.decode() for uid in sorted(uids) if (mail := outbox.get(uid, 0))]

    def asked(self, email: str = "zoe@example.org") -> str:
        """Somebody asks; the secret part of the link that they get."""
        assert self.ask(email)
        (mail,) = self.mails()
        return token(mail)

    def confirm(self, secret: str) -> str | None:
        """Somebody presses the button; how the link stood."""
        with self.db.transaction() as conn:
            link = asking.confirm(conn, self.home, secret, ip="198.51.100.3", agent="Another", now=self.now)
            return link.stands(self.now) if link else None

    def state(self, email: str = "zoe@example.org") -> str:
        with self.db.reading() as conn:
            return records.find(conn, email).state


def token(mail: str) -> str:
    """The secret part of the confirmation link in a mail."""
    found = re.search(r"/c/([\w-]+)", mail.replace("=\r\n", ""))
    assert found, mail
    return found[1]


@pytest.fixture
def desk(either_db: Database, tmp_path: Path) -> Desk:
    return Desk(either_db, tmp_path)


# --- the way in ------------------------------------------------------------------------------------------------


def test_who_asks_and_confirms_gets_what_they_chose_and_the_proof_is_whole(desk: Desk) -> None:
    secret = desk.asked()
    assert desk.state() == "pending"
    desk.later(hours=1)
    assert desk.confirm(secret) == "open"
    with desk.db.reading() as conn:
        person = records.find(conn, "zoe@example.org")
        asked, confirmed = consent.of_subscriber(conn, person.subscriber_id)
    assert person.state == "active"
    assert person.subscriptions[0].preferences == {"hiring": "weekly", "*": "off"}
    assert (asked.what, asked.origin) == ("asked", ORIGIN)
    assert (confirmed.what, confirmed.origin.text, confirmed.origin.version) == ("confirmed", SENTENCE, ORIGIN.version)
    assert (confirmed.origin.ip, confirmed.origin.agent) == ("198.51.100.3", "Another")
    assert confirmed.origin.consented_at == asked.at.isoformat()
    assert re.fullmatch(r"<[0-9a-f]+@\S+>", confirmed.origin.message_id)
    desk.publish("one", "hiring")
    desk.ids["zoe"] = person.subscriber_id
    assert desk.lists(desk.send()) == {"zoe": ["one"]}


def test_who_did_not_confirm_gets_nothing(desk: Desk) -> None:
    desk.join("ann")
    desk.asked()
    desk.publish("one", "hiring")
    assert desk.lists(desk.send()) == {"ann": ["one"]}


def test_a_confirmation_says_what_was_asked_and_advertises_nothing(desk: Desk) -> None:
    desk.ask()
    (mail,) = desk.mails()
    text = " ".join(mail.replace("=\r\n", "").replace("=C2=A0", " ").split())
    assert "Subject: Is this address yours? One step left" in text
    assert "asked us to send hiring, once a week to this address on September 7, 2026 at 7:00 a.m." in text
    assert "It works until September 14, 2026." in text
    assert "List-Unsubscribe" not in text
    assert "Read this digest" not in text


def test_a_link_works_once_and_for_seven_days(desk: Desk) -> None:
    first = desk.asked()
    assert desk.confirm(first) == "open"
    assert desk.confirm(first) == "used"
    second = desk.asked("bob@example.org")
    desk.later(days=7)
    assert desk.confirm(second) == "expired"
    assert desk.state("bob@example.org") == "pending"
    assert desk.confirm(second[:-1] + ("A" if second[-1] != "A" else "B")) is None
    assert desk.confirm("nonsense") is None


def test_an_old_link_never_revives_what_was_ended_later(desk: Desk) -> None:
    secret = desk.asked()
    with desk.db.transaction() as conn:
        person = records.find(conn, "zoe@example.org").subscriber_id
        members.leave(conn, desk.digest.id, person, now=desk.now, how="test")
    assert desk.confirm(secret) == "left"
    assert desk.state() == "left"


def test_a_newer_link_replaces_the_older(desk: Desk) -> None:
    first = desk.asked()
    desk.later(hours=2)
    second = desk.asked()
    assert desk.confirm(first) == "replaced"
    assert desk.confirm(second) == "open"


def test_who_left_comes_back_by_confirming_and_starts_anew(desk: Desk) -> None:
    desk.join("zoe", "*=instant")
    desk.publish("old", "hiring")
    desk.leave("zoe")
    secret = desk.asked()
    assert desk.state() == "left"
    assert desk.confirm(secret) == "open"
    desk.publish("new", "hiring")
    assert desk.lists(desk.send()) == {"zoe": ["new"]}


# --- who gets which answer -------------------------------------------------------------------------------------


def test_who_gets_the_mail_already_gets_a_link_to_their_settings_and_nothing_changes(desk: Desk) -> None:
    desk.join("zoe", "*=instant")
    desk.ask()
    (mail,) = desk.mails()
    assert "Subject: Your settings for Weekly digest" in mail
    secret = re.search(r"/p/([\w-]+)", mail.replace("=\r\n", ""))
    assert secret
    grant = links.read(KEYS, secret[1], links.PREFERENCES, now=desk.now)
    assert grant is not None
    assert grant.subscriber_id == desk.ids["zoe"]
    with desk.db.reading() as conn:
        assert records.find(conn, "zoe@example.org").subscriptions[0].preferences == {"*": "instant"}


@pytest.mark.parametrize("reason", suppression.REASONS)
def test_the_do_not_mail_list_is_passed_by_a_confirmation_only_for_lighter_reasons(desk: Desk, reason: str) -> None:
    with desk.db.transaction() as conn:
        suppression.add(conn, KEYS, "zoe@example.org", reason=reason, now=desk.now)
    assert desk.ask()
    mails = desk.mails()
    assert len(mails) == (reason in suppression.BY_OPT_IN)
    for mail in mails:
        assert desk.confirm(token(mail)) == "open"
        assert desk.state() == "active"


def test_a_fresh_link_goes_to_whom_it_may_help_alone(desk: Desk) -> None:
    desk.join("zoe")
    desk.join("bob")
    desk.leave("bob")
    for name in ("zoe", "bob", "nobody"):
        assert desk.ask(f"{name}@example.org", FRESH_LINK)
    (mail,) = desk.mails()
    assert "To: zoe@example.org" in mail


# --- how much is too much --------------------------------------------------------------------------------------

SPELLINGS = [
    "zoe.lee@gmail.com",
    "ZOE.LEE@gmail.com",
    "zoelee+a@gmail.com",
    "z.o.e.lee@googlemail.com",
    "zoelee@GMAIL.com",
]


def test_a_mailbox_gets_one_mail_an_hour_and_three_a_day_in_whatever_spelling(desk: Desk) -> None:
    sent = []
    for hour in range(25):
        for spelling in SPELLINGS:
            assert desk.ask(spelling)
        sent += [hour] * len(desk.mails())
        desk.later(hours=1)
    assert sent == [0, 1, 2, 24]


def test_a_network_and_the_site_take_so_many_an_hour_and_what_is_refused_is_not_counted(desk: Desk) -> None:
    few = SignUpSection(per_network=2, per_site=3)
    desk.home = Home(desk.home.path, SETTINGS.model_copy(update={"sign_up": few}), KEYS, desk.db)

    def from_(ip: str) -> bool:
        return desk.ask(origin=Origin(ip=ip))

    assert [from_("192.0.2.1"), from_("192.0.2.200"), from_("192.0.2.3")] == [True, True, False]
    assert [from_("2001:db8:0:1::1"), from_("2001:db8::1")] == [True, False]  # the site's third, and too many
    desk.later(minutes=59)
    assert not from_("192.0.2.1")
    desk.later(minutes=1)
    assert from_("192.0.2.1")


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("192.0.2.7", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:1:2ff::1", "2001:db8:1:200::/56"),
        ("unknown", "unknown"),
    ],
)
def test_networks(ip: str, network: str) -> None:
    assert limits.network(ip) == network


def test_what_the_settings_leave_out_is_refused_with_the_remedy() -> None:
    strict = SignUpSection(role_addresses=False, refused_domains=("mailinator.com",))
    for address in ("info@example.org", "ann@mailinator.com", "ann@eu.mailinator.com", "no address"):
        with pytest.raises(BadInput):
            asking.checked(address, strict)
    assert asking.checked("info@example.org", SignUpSection()).key == "info@example.org"
    assert asking.checked("Ann@Bücher.example", strict).email == "Ann@xn--bcher-kva.example"


# --- forgetting ------------------------------------------------------------------------------------------------


def counted(desk: Desk, *names: str) -> list[int]:
    with desk.db.reading() as conn:
        return [len(conn.execute(sa.select(metadata.tables[name])).all()) for name in names]


def test_who_never_confirms_is_forgotten_after_a_month(desk: Desk) -> None:
    desk.join("ann")
    desk.asked()
    known = ("subscribers", "subscriptions", "sent_links", "limits")
    assert counted(desk, *known, "consent_events") == [2, 2, 1, 3, 2]
    for days, left in ((30, [2, 2, 1, 0, 2]), (1, [1, 1, 0, 0, 1])):
        desk.later(days=days)
        with desk.db.transaction() as conn:
            asking.tidy(conn, desk.home.settings.sign_up, now=desk.now)
        assert counted(desk, *known, "consent_events") == left


def test_where_somebody_asked_from_is_wiped_after_a_time_and_the_proof_stays(desk: Desk) -> None:
    desk.confirm(desk.asked())
    desk.later(days=91)
    with desk.db.transaction() as conn:
        asking.tidy(conn, desk.home.settings.sign_up, now=desk.now)
        person = records.find(conn, "zoe@example.org").subscriber_id
        for event in consent.of_subscriber(conn, person):
            assert (event.origin.ip, event.origin.agent) == ("", "")
            assert event.origin.text == SENTENCE


def test_an_ask_that_the_digest_cannot_meet_any_more_holds_up_nobody(desk: Desk) -> None:
    wanted = Ask(SIGN_UP, desk.digest.id, "ann@example.org", Choices({"*": "hourly"}), ORIGIN)
    with desk.db.transaction() as conn:
        asking.ask(conn, KEYS, desk.home.settings.sign_up, wanted, now=desk.now)
    desk.ask()
    (mail,) = desk.mails()
    assert "To: zoe@example.org" in mail
    assert preferences.CADENCES[0] == "instant"


def test_what_fails_is_kept_and_holds_up_nobody(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.ask("first@example.org")
    desk.ask("second@example.org")
    deal = asking._deal

    def failing(conn: Connection, home: Home, wanted: Ask, now: datetime) -> None:
        if wanted.email.startswith("first"):
            raise RuntimeError("a fault of ours")
        deal(conn, home, wanted, now)

    monkeypatch.setattr(asking, "_deal", failing)
    with pytest.raises(RuntimeError):
        asking.work_off(desk.home, now=desk.now)
    monkeypatch.setattr(asking, "_deal", deal)
    assert len(desk.mails()) == 2


def test_what_is_not_offered_any_more_when_somebody_confirms_becomes_the_next_slower(desk: Desk) -> None:
    desk.set(cadences="instant,weekly,monthly")
    secret = desk.asked()
    desk.set(cadences="instant,monthly")
    assert desk.confirm(secret) == "open"
    with desk.db.reading() as conn:
        (one,) = records.find(conn, "zoe@example.org").subscriptions
    assert (one.state, one.preferences) == ("active", {"hiring": "monthly", "*": "off"})


def test_who_complained_since_does_not_come_back_by_an_older_link(desk: Desk) -> None:
    secret = desk.asked()
    with desk.db.transaction() as conn:
        suppression.add(conn, KEYS, "zoe@example.org", reason="complaint", now=desk.now)
    desk.confirm(secret)
    with desk.db.reading() as conn:
        assert records.find(conn, "zoe@example.org").subscriptions[0].state == "pending"


def test_who_was_given_up_because_mail_came_back_can_prove_the_address_anew_once_a_month(desk: Desk) -> None:
    desk.join("zoe")
    with desk.db.transaction() as conn:
        suppression.add(conn, KEYS, "zoe@example.org", reason="hard", now=desk.now)
    secret = desk.asked()
    desk.later(days=2)
    desk.ask()
    assert desk.mails() == []
    assert desk.confirm(secret) == "open"
    assert desk.state() == "active"
    desk.publish("one", "hiring")
    assert desk.lists(desk.send()) == {"zoe": ["one"]}
