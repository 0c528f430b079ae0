"""Editions and notices through SendGrid: what the ledger says of each reader, and what the service was told of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from digest import db as databases
from digest import review, tables
from digest.db import Database
from digest.delivery import notices
from digest.delivery.message import Compiled, Recipient
from digest.delivery.transports.sendgrid.payload import UNTRACKED
from digest.tables import State
from tests.contracts import sendgrid_world
from tests.contracts.sendgrid_world import Hurried, World
from tests.contracts.test_notices import only, queue
from tests.stage import Stage
from tests.standins.sendgrid_server import as_read

NAMES = [f"reader{n}" for n in range(6)]
STRUCK = "reader4"  # in the second request
FIRST, SECOND = NAMES[:3], NAMES[3:]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with sendgrid_world.opened(tmp_path) as opened:
        yield opened


@pytest.fixture
def stage(db: Database) -> Stage:
    """Six readers, whom two requests are for."""
    made = Stage(db)
    for name in NAMES:
        made.join(name)
    made.publish("x", "a")
    return made


def transport(world: World, stage: Stage) -> Hurried:
    opened = world.open(group=3, whole=1.0)
    stage.transport = opened  # type: ignore[assignment]
    return opened


def struck(world: World, stage: Stage, *fates: str) -> Hurried:
    """A transport to a server where one reader has these fates, one for each time."""
    world.start(addresses={f"{STRUCK}@example.org": fates})
    return transport(world, stage)


def copies(world: World) -> list[str]:
    return sorted(kept.address.partition("@")[0] for kept in world.kept())


def replies(stage: Stage) -> dict[str, str]:
    names = {number: name for name, number in stage.ids.items()}
    with stage.db.reading() as conn:
        return {names[row.subscriber_id]: row.text for row in conn.execute(sa.select(tables.replies))}


def attempts(stage: Stage) -> set[int]:
    with stage.db.reading() as conn:
        return set(conn.scalars(sa.select(tables.deliveries.c.attempts)))


# --- rows


@pytest.mark.parametrize(("fate", "code"), [("400 to", "hard"), ("400 headers", "policy"), ("413", "policy")])
def test_who_is_refused_alone_has_failed_and_all_others_are_accepted(
    world: World, stage: Stage, fate: str, code: str
) -> None:
    struck(world, stage, fate)
    edition = stage.send()
    assert stage.rows(edition) == dict.fromkeys(NAMES, ("accepted", None)) | {STRUCK: ("failed", code)}
    assert edition.state == "sent"
    assert copies(world) == [name for name in NAMES if name != STRUCK]
    assert replies(stage)[STRUCK].startswith("413" if fate == "413" else "400 reader")
    assert set(stage.carries()) == ({STRUCK} if code == "policy" else set())
    stage.check_sums()
    stage.publish("y", "a")
    stage.later(days=7)
    assert (STRUCK in stage.rows(stage.cycle())) == (code == "policy")


@pytest.mark.parametrize(
    ("fate", "kept"), [("reset", True), ("timeout", True), ("garbled", True), ("503 kept", True), ("no-id", True),
                       ("503", False), ("cut", False), ("half", False), ("garbage", False)],
)  # fmt: skip
def test_a_request_in_doubt_leaves_its_readers_unsure_and_is_not_made_again(
    world: World, stage: Stage, fate: str, kept: bool
) -> None:
    hurried = struck(world, stage, fate, "ok")
    edition = stage.send()
    for _ in range(3):
        hurried.ahead += 3600
        stage.later(hours=1)
        stage.see_through(edition)
    assert stage.rows(edition) == dict.fromkeys(FIRST, ("accepted", None)) | dict.fromkeys(SECOND, ("unsure", None))
    assert stage.find(edition).state == "sent"
    assert copies(world) == (NAMES if kept else FIRST)
    assert set(replies(stage)) == set(SECOND)
    stage.check_sums()


def test_what_staff_find_out_about_the_unsure_is_final_and_only_what_did_not_come_is_sent_again(
    world: World, stage: Stage
) -> None:
    hurried = struck(world, stage, "cut", "ok")
    edition = stage.send()
    assert stage.settle(edition, arrived=False).settled == 0  # an answer may still come
    stage.later(minutes=16)
    assert stage.settle(edition, arrived=True, names=["reader3"]).settled == 1
    assert stage.settle(edition, arrived=False).settled == 2
    hurried.ahead += 1000
    rest = stage.freeze(owed=True)
    stage.plan(rest)
    stage.see_through(rest)
    assert stage.rows(rest) == dict.fromkeys(["reader4", "reader5"], ("accepted", None))
    assert copies(world) == [*FIRST, "reader4", "reader5"]
    stage.check_sums()


@pytest.mark.parametrize(
    ("fate", "said"),
    [
        ("401", "401 key The provided authorization grant is invalid"),
        ("401 credits", "401 credits Maximum credits exceeded"),
        ("402", "402 payment required"),
        ("403", "403 access forbidden Verify the sender in SendGrid"),
        ("302", "302 The service points elsewhere"),
        ("400 from", "400 Does not contain a valid address."),
    ],
)
def test_what_would_fail_for_everyone_stops_the_edition_which_goes_on_when_resumed(
    world: World, stage: Stage, fate: str, said: str
) -> None:
    struck(world, stage, fate, "ok")
    edition = stage.send()
    assert stage.rows(edition) == dict.fromkeys(FIRST, ("accepted", None)) | dict.fromkeys(SECOND, ("planned", None))
    assert edition.shown_state == "paused"
    assert said in edition.paused_why
    assert attempts(stage) == {0}
    with stage.db.transaction() as conn:
        review.resume(conn, edition.id)
    edition = stage.see_through(edition)
    assert edition.state == "sent"
    assert copies(world) == NAMES
    stage.check_sums()


def test_a_429_is_waited_for_until_the_moment_that_the_service_named_and_costs_no_try(
    world: World, stage: Stage
) -> None:
    world.start(addresses={f"{STRUCK}@example.org": ["429", "ok"]}, reset_in=120)
    hurried = transport(world, stage)
    edition = stage.send()
    assert stage.rows(edition) == dict.fromkeys(FIRST, ("accepted", None)) | dict.fromkeys(SECOND, ("planned", None))
    assert attempts(stage) == {0}
    hurried.ahead += 110
    stage.later(seconds=110)
    stage.see_through(edition)
    assert len(world.requests()) == 2
    hurried.ahead += 15
    stage.later(seconds=15)
    assert stage.see_through(edition).state == "sent"
    assert copies(world) == NAMES
    stage.check_sums()


def test_a_service_that_cannot_be_reached_is_waited_for_and_costs_no_try(world: World, stage: Stage) -> None:
    world.start(refuse=True)
    transport(world, stage)
    edition = stage.send()
    assert set(stage.rows(edition).values()) == {("planned", None)}
    assert world.server is not None
    world.server.listen()
    stage.later(minutes=1)
    assert stage.see_through(edition).state == "sent"
    assert attempts(stage) == {0}
    assert copies(world) == NAMES


def test_the_service_s_name_for_each_request_is_in_the_ledger(world: World, stage: Stage) -> None:
    world.start()
    transport(world, stage)
    stage.send()
    with stage.db.reading() as conn:
        rows = databases.tuples(conn.execute(sa.select(tables.requests.c.provider_id, tables.requests.c.recipients)))
    assert set(rows) == {(kept.request, 3) for kept in world.kept()}


# --- what the service is told


def filled_in(mail: Compiled, person: Recipient) -> tuple[str, str]:
    """Subject and digest of the texts, with this reader's own values in them."""
    content = [{"type": "text/plain", "value": mail.sheet.text}, {"type": "text/html", "value": mail.sheet.html}]
    values = {f"@@{name}@@": value for name, value in person.slots.items()}
    return as_read({"subject": mail.sheet.subject, "content": content}, {"substitutions": values})


def test_each_reader_s_mail_is_their_own_and_nothing_of_another_is_in_it(world: World, stage: Stage) -> None:
    world.start()
    transport(world, stage)
    edition = stage.send()
    with stage.db.reading() as conn:
        people = stage.people.resolve(conn, edition, list(stage.ids.values()))
    mail = stage.sender().mails.get(edition, 1)
    by_address = {kept.address: kept for kept in world.kept()}
    assert len(by_address) == len(people) == 6
    for person in people.values():
        assert isinstance(person, Recipient)
        kept = by_address[person.address]
        assert kept.visible == [person.address]
        assert kept.args == {"did": f"{edition.uid}-{person.subscriber_id}"}
        assert kept.headers["Message-ID"] == mail.message_id(person)
        assert kept.headers["List-Unsubscribe"] == f"<{person.slots['unsubscribe']}>"
        assert kept.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert "@example.org" not in re.sub(r"<[0-9a-f]+@example\.org>", "", repr(kept.headers))
        assert (kept.subject, kept.sha256) == filled_in(mail, person)
    for name in ("Message-ID", "List-Unsubscribe"):
        assert len({kept.headers[name] for kept in by_address.values()}) == 6


def test_tracking_is_switched_off_in_plain_words_in_editions_and_notices(world: World, stage: Stage) -> None:
    world.start()
    transport(world, stage)
    stage.send()
    queue(stage)
    notices.deliver_due(stage.db, world.single(), clock=lambda: stage.now, owner="test", barred=stage.people.barred)
    off = {name: dict(switches) for name, switches in UNTRACKED.items()}
    assert [kept.tracking for kept in world.kept()] == [off] * 7
    assert {value for switches in off.values() for value in switches.values()} == {False}
    assert set(off) == {"click_tracking", "open_tracking", "subscription_tracking", "ganalytics"}


def test_readers_of_different_mails_are_in_different_requests(world: World, stage: Stage) -> None:
    world.start()
    transport(world, stage)
    for n in range(2):
        stage.join(f"other{n}", "b=weekly")
    stage.publish("y", "b")
    edition = stage.send()
    assert {state for state, _ in stage.rows(edition).values()} == {"accepted"}
    assert sorted(request["size"] for request in world.requests()) == [2, 3, 3]
    d = tables.deliveries
    with stage.db.reading() as conn:
        variants = dict(databases.tuples(conn.execute(sa.select(d.c.subscriber_id, d.c.variant_n))))
        people = stage.people.resolve(conn, edition, list(variants))
    by_address = {kept.address: (kept.subject, kept.sha256) for kept in world.kept()}
    assert len(set(variants.values())) == 2
    for person in people.values():
        assert isinstance(person, Recipient)
        mail = stage.sender().mails.get(edition, variants[person.subscriber_id])
        assert by_address[person.address] == filled_in(mail, person)


# --- notices


@pytest.mark.parametrize(
    ("fate", "state", "code", "kept"),
    [
        ("ok", State.ACCEPTED, "202", True),
        ("400 to", State.FAILED, "400 reader", False),
        ("413", State.FAILED, "413", False),
        ("reset", State.UNSURE, "no answer", True),
        ("503", State.UNSURE, "503", False),
        ("429", State.PLANNED, "429", False),
        ("401", State.PLANNED, "401 key", False),
        ("302", State.PLANNED, "302", False),
    ],
)
def test_a_notice_has_the_same_answers(
    world: World, stage: Stage, fate: str, state: State, code: str, kept: bool
) -> None:
    world.start(requests=[fate, "ok"])
    queue(stage)
    single = world.single(whole=1.0)
    for _ in range(2):
        notices.deliver_due(stage.db, single, clock=lambda: stage.now, owner="test", barred=stage.people.barred)
    row = only(stage)
    assert (row.state, row.code) == (state, code)
    assert len(world.kept()) == kept
    stage.later(minutes=2)
    notices.deliver_due(stage.db, single, clock=lambda: stage.now, owner="test", barred=stage.people.barred)
    assert only(stage).state == (State.ACCEPTED if state is State.PLANNED else state)
    for mail in world.kept():
        assert (mail.visible, mail.subject) == (["dana@example.org"], "Waiting for you")
        assert "List-Unsubscribe" not in mail.headers
        assert mail.args == {"did": f"{row.uid}-0"}
