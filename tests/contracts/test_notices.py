"""Notices: one mail per occasion, before or after a kill, on both databases."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from digest import render, tables
from digest.db import Database
from digest.delivery import notices, owners
from digest.delivery.message import Recipient
from digest.delivery.notices import Letter
from digest.delivery.transports.base import Answer, Body, Receipt
from digest.delivery.transports.local import Outbox
from digest.editions import snapshot
from digest.tables import State
from tests.stage import SETTINGS, Scripted, Stage

KEY = bytes(32)


class Dies(Outbox):
    """A transport whose process is killed in the middle of a hand-over, before or after the mail was kept."""

    def __init__(self, *, repeatable: bool) -> None:
        super().__init__()
        self.repeatable = repeatable
        self.dead = False

    def deliver(self, variant: Body, recipient: Recipient) -> Receipt:
        """Keeps the mail, then dies once."""
        receipt = super().deliver(variant, recipient)
        if not self.dead:
            self.dead = True
            raise KeyboardInterrupt
        return receipt


@pytest.fixture
def stage(either_db: Database) -> Stage:
    """A digest without readers."""
    return Stage(either_db)


def queue(stage: Stage, occasion: str = "test 1", kind: str = "test") -> bool:
    plain = snapshot(SETTINGS, stage.digest, cadence="", edition=0, day=stage.now, since="")
    shell = render.Shell.from_json(plain)
    rendered = render.notice(shell, subject="Waiting for you", heading="Waiting", paragraphs=["An edition waits."])
    letter = Letter(occasion, kind, "dana@example.org", rendered)
    return bool(stage.db.run(partial(notices.queue, letter=letter, shell=shell, key=KEY, now=stage.now)))


def deliver(stage: Stage, transport: Scripted | Outbox, owner: str = "test") -> int:
    return notices.deliver_due(stage.db, transport, clock=lambda: stage.now, owner=owner, barred=stage.people.barred)


def only(stage: Stage) -> sa.Row[tuple[object, ...]]:
    with stage.db.reading() as conn:
        return conn.execute(sa.select(tables.notices)).one()


def gone_owner() -> str:
    return owners.me().rpartition("|")[0] + "|1"


def test_there_is_one_mail_for_one_occasion(stage: Stage) -> None:
    assert queue(stage)
    assert not queue(stage)
    assert queue(stage, "test 2")
    outbox = Outbox()
    assert deliver(stage, outbox) == 2
    assert deliver(stage, outbox) == 0
    assert len(outbox) == 2


def test_the_address_and_the_mail_are_wiped_when_it_is_done(stage: Stage) -> None:
    queue(stage)
    outbox = Outbox()
    deliver(stage, outbox)
    row = only(stage)
    assert (row.state, row.address, row.message) == (State.ACCEPTED, None, None)
    mail = outbox.get(row.uid, 0)
    assert mail is not None
    assert b"To: dana@example.org" in mail
    assert b"List-Unsubscribe" not in mail


@pytest.mark.parametrize("kind", ["test", "staff"])
def test_after_a_kill_it_goes_again_when_it_cannot_double(stage: Stage, kind: str) -> None:
    queue(stage, kind=kind)
    transport = Dies(repeatable=True)
    with pytest.raises(KeyboardInterrupt):
        deliver(stage, transport, gone_owner())
    assert only(stage).state == State.TRYING
    assert deliver(stage, transport) == 1
    assert only(stage).state == State.ACCEPTED
    assert len(transport) == 1


@pytest.mark.parametrize("kind", ["test", "staff"])
def test_after_a_kill_it_is_unsure_when_it_could_double(stage: Stage, kind: str) -> None:
    queue(stage, kind=kind)
    transport = Dies(repeatable=False)
    with pytest.raises(KeyboardInterrupt):
        deliver(stage, transport, gone_owner())
    assert deliver(stage, transport) == 0
    row = only(stage)
    assert (row.state, row.address, row.message) == (State.UNSURE, None, None)
    assert len(transport) == 1


def test_a_notice_under_way_in_a_living_process_is_left_alone(stage: Stage) -> None:
    queue(stage)
    with pytest.raises(KeyboardInterrupt):
        deliver(stage, Dies(repeatable=True), "another machine")
    assert deliver(stage, Outbox()) == 0
    assert only(stage).state == State.TRYING


def test_what_is_put_off_is_tried_again_later_and_at_last_fails(stage: Stage) -> None:
    queue(stage)
    transport = Scripted()
    transport.answers[0] = [Answer.TRANSIENT] * 5
    for minutes in (0, 1, 5, 15, 60):
        stage.now += timedelta(minutes=minutes)
        assert deliver(stage, transport) == 1
        assert deliver(stage, transport) == 0
    assert only(stage).state == State.FAILED


def test_the_next_due_notice_is_known(stage: Stage) -> None:
    with stage.db.reading() as conn:
        assert notices.next_due(conn) is None
    queue(stage)
    with stage.db.reading() as conn:
        assert notices.next_due(conn) == stage.now
