"""Five thousand mails through a server that does everything wrong: its record and the outcomes must agree."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from digest.delivery.transports.base import Answer
from digest.delivery.transports.smtp.bulk import Smtp
from digest.delivery.transports.smtp.relay import Timeouts
from tests.contracts import smtp_world
from tests.contracts.smtp_world import FAST, World, address
from tests.contracts.test_transports import UID, Mail, begin
from tests.standins.smtp_script import OFFERS, Script

READERS = 5000
WINDOW = 200
AGAIN = (Answer.TRANSIENT, Answer.AWAY)
LIMITS: Timeouts = replace(FAST, dot=1.0, give_up=0.5, pause=0.005, longest_pause=0.05, look=0.01)

STORM = Script(
    OFFERS,
    chances={
        "greylisted": 0.05, "closing rcpt": 0.02, "closing data": 0.02, "closing dot": 0.02, "lost": 0.02, "cut": 0.02,
        "half": 0.01, "garbage": 0.01, "silent": 0.001, "dropped": 0.02, "let in": 0.02, "hard": 0.02, "full": 0.01,
        "doubtful": 0.01, "policy": 0.01, "early": 0.01, "data:451 4.3.0 Later": 0.01, "dot:354 Go on": 0.005,
        "rcpt:garbage": 0.005, "data:250 Ok": 0.005, "dot:250-Ok\r\n550 No": 0.005,
    },
    connection_chances={
        "greeting:421 4.3.2 Busy": 0.05, "greeting:garbage": 0.01, "ehlo:451 4.3.0 Later": 0.02,
        "mail:421 4.3.2 Going": 0.02, "mail:451 4.3.0 Later": 0.02, "drip": 0.005,
    },
    limit=20,
    close_after=50,
)  # fmt: skip


@pytest.mark.parametrize("pipelining", [True, False], ids=["pipelining", "no pipelining"])
def test_outcomes_agree_with_what_the_server_kept(tmp_path: Path, pipelining: bool) -> None:
    readers = READERS if pipelining else READERS // 5
    script = replace(STORM, offers=OFFERS if pipelining else OFFERS[1:], one_by_one=not pipelining)
    with smtp_world.opened(tmp_path) as world:
        world.start(script)
        transport = Smtp(replace(world.relay(), connections=24, timeouts=LIMITS))
        told = send(transport, readers)
        transport.close()
        check(world, told, readers)


def send(transport: Smtp, readers: int) -> dict[int, list[Answer]]:
    """As a sender does: a window under way, and those that were put off begun again."""
    told: dict[int, list[Answer]] = {reader: [] for reader in range(readers)}
    waiting, under_way, position = list(range(readers)), dict[int, int](), 0
    end = time.monotonic() + 100
    while (waiting or under_way) and time.monotonic() < end:
        while waiting and len(under_way) < WINDOW:
            begin(transport, Mail(UID), [reader := waiting.pop(0)], first=position)
            under_way[position] = reader
            position += 1
        for number, receipt in transport.outcomes(1.0):
            reader = under_way.pop(number)
            told[reader].append(receipt.answer)
            if receipt.answer in AGAIN:
                waiting.append(reader)
    assert not waiting
    assert not under_way
    return told


def check(world: World, told: dict[int, list[Answer]], readers: int) -> None:
    """Nobody lost, nobody twice, no acceptance without a copy, and every copy without an acceptance is unsure."""
    last = {reader: answers[-1] for reader, answers in told.items()}
    names = {address(reader): reader for reader in range(readers)}
    copies = Counter(names[kept.address] for kept in world.kept())
    assert set(copies.values()) == {1}
    accepted = {reader for reader, answer in last.items() if answer is Answer.ACCEPTED}
    unsure = {reader for reader, answer in last.items() if answer is Answer.UNSURE}
    assert accepted <= copies.keys()
    assert copies.keys() - accepted <= unsure
    assert all(set(answers[:-1]) <= set(AGAIN) for answers in told.values())
    assert not {Answer.RELAY, *AGAIN} & set(last.values())
    kinds = Counter(last.values())
    for answer in (Answer.ACCEPTED, Answer.UNSURE, Answer.HARD, Answer.FULL, Answer.DOUBTFUL, Answer.POLICY):
        assert kinds[answer] > 0
    assert kinds[Answer.UNSURE] < readers * 0.2


def test_a_storm_of_421_loses_nobody_and_does_not_hammer_the_server(tmp_path: Path) -> None:
    """Every second connection is refused, and every fiftieth mail ends one."""
    pause = 0.1
    faults = ["greeting:421 4.3.2 Busy" if number % 2 else "ok" for number in range(400)]
    script = Script(OFFERS, chances={"closing rcpt": 0.02}, connections=faults, limit=5)
    with smtp_world.opened(tmp_path) as world:
        world.start(script)
        limits = replace(FAST, pause=pause, longest_pause=0.4, give_up=10, look=0.01)
        transport = Smtp(replace(world.relay(), connections=8, timeouts=limits))
        told = send(transport, 600)
        transport.close()
        assert {answers[-1] for answers in told.values()} == {Answer.ACCEPTED}
        assert Counter(kept.address for kept in world.kept()).most_common(1)[0][1] == 1
        assert hurried(world.connections(), pause, refused=lambda number: number % 2 == 1) < 0.2


def hurried(moments: list[float], pause: float, *, refused: Callable[[int], bool]) -> float:
    """After what share of the refused connections more than one came within the pause, those side by side apart.

    A busy machine lets a few connections come late, and so together; a client that does not wait comes so each time.
    """
    after = [
        sum(0.02 < later - moment < pause - 0.02 for later in moments[at + 1 :])
        for at, moment in enumerate(moments)
        if refused(at)
    ]
    return sum(count > 1 for count in after) / max(1, len(after))
