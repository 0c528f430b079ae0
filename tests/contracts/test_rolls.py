"""The record of an edition, on both databases: everybody once, however few are read at a time."""

from __future__ import annotations

import itertools

import pytest

from digest.db import Database
from digest.delivery.transports.base import Answer
from subscribers import rolls
from tests.stage import Stage


def test_everybody_is_in_it_once(either_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(either_db)
    for name in ("ann", "bob", "cyd"):
        stage.join(name, domain="gmail.com" if name == "ann" else "example.org")
    for name in ("dan", "eve"):
        stage.join(name, hour=9)  # another batch
    stage.join("fay", "detainers=weekly")
    stage.publish("policy", "hiring")
    stage.transport.answers = {stage.ids["bob"]: [Answer.FULL]}
    edition = stage.freeze(by_hand=False)
    stage.plan(edition)
    stage.deliver(edition)
    once = list(itertools.chain.from_iterable(rolls.of_edition(either_db, edition.id)))
    for at_once in (1, 2, 3):
        monkeypatch.setattr(rolls, "AT_ONCE", at_once)
        parts = list(rolls.of_edition(either_db, edition.id))
        assert max(map(len, parts)) <= at_once
        assert list(itertools.chain.from_iterable(parts)) == once
    head, *lines = once
    assert head == rolls.COLUMNS
    assert sorted((line[0].partition("@")[0], *line[1:4]) for line in lines) == [
        ("ann", "Gmail", "accepted", ""),
        ("bob", "All others", "failed", "the mailbox is full"),
        ("cyd", "All others", "accepted", ""),
        ("dan", "All others", "still to go", ""),
        ("eve", "All others", "still to go", ""),
        ("fay", "All others", "skipped", "nothing new in their topics"),
    ]
