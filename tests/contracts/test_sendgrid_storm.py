"""An edition to three thousand through a service that does everything wrong: its record and the ledger must agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import sqlalchemy as sa

from digest import tables
from digest.db import Database
from digest.delivery import ledger
from digest.delivery.ledger import Totals
from digest.delivery.transports.sendgrid.gate import REST
from digest.editions import Edition
from subscribers import members, suppression
from subscribers.newcomers import Choices, Newcomer
from tests.contracts import sendgrid_world
from tests.contracts.sendgrid_world import World
from tests.stage import KEYS, Stage
from tests.standins.sendgrid_server import Kept

READERS = 3_000
GROUP = 20
ROUNDS = 300  # at most

CHANCES = dict.fromkeys(
    ("400 to", "429", "500", "503", "reset", "cut", "timeout", "drip", "garbage"), 0.05
)  # of each request; "drip" comes too late


def crowd(stage: Stage) -> None:
    """Readers, all of one digest and one hour, added together."""
    choices = Choices({"*": "weekly"}, 7)
    people = [Newcomer(suppression.address(f"reader{n}@example.org"), choices) for n in range(READERS)]
    with stage.db.transaction() as conn:
        added = members.add_all(conn, KEYS, people, digest_id=stage.digest.id, now=stage.now)
    stage.ids |= {f"reader{n}": one.subscriber_id for n, one in enumerate(added) if one.subscriber_id is not None}


def totals(stage: Stage, edition: Edition) -> Totals:
    with stage.db.reading() as conn:
        return ledger.totals(conn, edition.id)


def in_state(stage: Stage, edition: Edition, state: str) -> set[str]:
    return {name for name, (now, _) in stage.rows(edition).items() if now == state}


def copies(kept: Iterable[Kept]) -> Counter[str]:
    return Counter(mail.address.partition("@")[0] for mail in kept)


def weather(world: World, stage: Stage, edition: Edition) -> None:
    """Passes of the clock, a minute apart, until nothing remains; the sums are right after each."""
    transport = world.open(group=GROUP, connections=6, whole=0.4)
    stage.transport = transport  # type: ignore[assignment]
    for _ in range(ROUNDS):
        stage.deliver(edition)
        stage.check_sums()
        if not totals(stage, edition).remaining:
            break
        assert stage.find(edition).paused_at is None
        transport.ahead += REST + 1
        stage.later(seconds=REST + 1)
    assert stage.close(edition)
    transport.close()


def test_the_ledger_agrees_with_what_the_service_accepted(db: Database, tmp_path: Path) -> None:
    stage = Stage(db)
    crowd(stage)
    stage.publish("x", "a")
    edition = stage.cycle()
    with sendgrid_world.opened(tmp_path) as world:
        world.start(chances=CHANCES, seed=7, drip_ms=20)
        weather(world, stage, edition)
        check(world, stage, edition)
        decide(world, stage, edition)


def check(world: World, stage: Stage, edition: Edition) -> None:
    """Nobody lost, nobody twice, no acceptance without a copy, and each copy without an acceptance is unsure."""
    sums = totals(stage, edition)
    assert sums.planned == READERS == sums.accepted + sums.skipped + sums.failed + sums.unsure
    assert stage.find(edition).state == "sent"
    accepted, unsure = in_state(stage, edition, "accepted"), in_state(stage, edition, "unsure")
    failed = in_state(stage, edition, "failed")
    kept = copies(world.kept())
    assert set(kept.values()) == {1}
    assert accepted <= kept.keys()
    assert kept.keys() - accepted <= unsure
    assert not failed & kept.keys()
    assert len({mail.did for mail in world.kept()}) == len(kept)
    assert {code for _, code in stage.rows(edition).values() if code} == {"hard"}
    assert set(world.fates()) == {*CHANCES, "ok"}
    assert unsure & kept.keys()
    assert unsure - kept.keys()
    assert len(accepted) > READERS / 3
    assert len(failed) == world.fates().count("400 to")
    d = tables.deliveries
    with stage.db.reading() as conn:
        assert set(conn.scalars(sa.select(d.c.attempts))) == {0}
        named = conn.scalar(sa.select(sa.func.sum(tables.requests.c.recipients)))
        single = conn.scalar(sa.select(sa.func.count()).where(d.c.provider_id.is_not(None)))
        assert (named or 0) + (single or 0) == len(accepted)


def decide(world: World, stage: Stage, edition: Edition) -> None:
    """Half of the unsure are looked up; all others are owed, and only they can get a second copy."""
    unsure = sorted(in_state(stage, edition, "unsure"))
    first = copies(world.kept())
    looked_up = unsure[::2]
    stage.later(minutes=20)
    stage.settle(edition, arrived=True, names=[name for name in looked_up if name in first])
    stage.settle(edition, arrived=False)
    owed = set(unsure) - {name for name in looked_up if name in first}
    rest = stage.freeze(owed=True)
    stage.plan(rest)
    world.stop()
    world.start()
    weather(world, stage, rest)
    assert in_state(stage, rest, "accepted") == owed
    after = copies(world.kept())
    accepted = in_state(stage, edition, "accepted") | in_state(stage, rest, "accepted")
    assert accepted == after.keys()
    assert {name for name, count in after.items() if count == 2} == owed & first.keys() <= set(unsure[1::2])
    assert max(after.values()) == 2
    assert accepted | in_state(stage, edition, "failed") == set(stage.ids)
    stage.check_sums()
