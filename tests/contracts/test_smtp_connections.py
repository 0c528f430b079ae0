"""Connections to a mail server: how many, when again, and what is said when none can be had."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from digest.delivery.transports.base import Answer, Receipt
from digest.delivery.transports.smtp.bulk import Smtp
from digest.delivery.transports.smtp.single import SmtpSingle
from tests.contracts import smtp_world
from tests.contracts.smtp_world import FAST, World, address, deliver
from tests.contracts.test_transports import UID, Mail, answers, begin
from tests.standins.smtp_script import OFFERS, Script

BUSY = "421 4.3.2 Too busy"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with smtp_world.opened(tmp_path) as opened:
        yield opened


def answer_of(receipts: dict[int, Receipt]) -> Receipt:
    """The one answer that all have."""
    (receipt,) = set(receipts.values())
    return receipt


def answer_of_kind(receipts: dict[int, Receipt]) -> Answer:
    (answer,) = {receipt.answer for receipt in receipts.values()}
    return answer


def nobody_listens() -> int:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return int(gone.getsockname()[1])


def gaps(world: World) -> list[float]:
    """Seconds between connections."""
    return [after - before for before, after in itertools.pairwise(world.connections())]


def test_when_nobody_listens_all_are_told_to_wait_and_why(world: World) -> None:
    transport = world.open(port=nobody_listens())
    began = time.monotonic()
    receipt = answer_of(deliver(transport, range(20)))
    assert (receipt.answer, receipt.code) == (Answer.AWAY, "no connection")
    assert "refused" in receipt.text
    assert time.monotonic() - began >= FAST.give_up


def test_who_comes_after_that_waits_for_one_try_alone(world: World) -> None:
    transport = world.open(port=nobody_listens(), limits={"give_up": 0.5})
    deliver(transport, [1])
    began = time.monotonic()
    assert answer_of(deliver(transport, range(20))).answer is Answer.AWAY
    assert time.monotonic() - began < 0.4


def test_the_mail_goes_when_the_server_is_back(world: World) -> None:
    transport = world.start(Script(connections=[f"greeting:{BUSY}"] * 4)).open(limits={"give_up": 0.1})
    while answer_of_kind(told := deliver(transport, range(3))) is not Answer.ACCEPTED:
        assert answer_of(told) == Receipt(Answer.AWAY, "421 4.3.2", "At the greeting it said: Too busy")
    assert len(world.kept()) == 3


@pytest.mark.parametrize("host", ["x" * 70 + ".example", "no such host"])
def test_a_name_that_cannot_be_looked_up_is_told(world: World, host: str) -> None:
    receipt = answer_of(deliver(world.open(host=host, limits={"give_up": 0.1}), range(3)))
    assert (receipt.answer, receipt.code) == (Answer.AWAY, "DNS")
    assert host in receipt.text
    assert deliver(SmtpSingle(world.relay(host=host)), [1])[1].answer is Answer.AWAY


def test_a_name_is_looked_up_and_each_of_its_addresses_tried(world: World) -> None:
    """localhost is ::1 first on most machines, where this server does not listen."""
    world.start()
    assert answer_of_kind(deliver(world.open(host="localhost"), range(3))) is Answer.ACCEPTED
    assert answer_of_kind(deliver(SmtpSingle(world.relay(host="localhost")), [4])) is Answer.ACCEPTED


@pytest.mark.parametrize("stage", ["greeting", "ehlo", "mail"])
def test_a_server_that_is_busy_for_everyone_is_tried_again_and_then_let_be(world: World, stage: str) -> None:
    reply = "451 4.3.0 Not now" if stage != "greeting" else BUSY
    world.start(Script(connection_chances={f"{stage}:{reply}": 1.0}))
    receipt = answer_of(deliver(world.open(), range(5)))
    assert (receipt.answer, receipt.code) == (Answer.AWAY, reply[:9])
    assert len(world.connections()) > 2


@pytest.mark.parametrize("stage", ["greeting", "ehlo", "mail"])
def test_a_server_that_refuses_everyone_is_not_tried_again(world: World, stage: str) -> None:
    world.start(Script(connection_chances={f"{stage}:554 5.7.1 We do not want you": 1.0}))
    receipt = answer_of(deliver(world.open(limits={"give_up": 60}), range(5)))
    assert (receipt.answer, receipt.code) == (Answer.RELAY, "554 5.7.1")
    assert "We do not want you" in receipt.text
    assert len(world.connections()) <= (5 if stage == "mail" else 1)
    assert deliver(SmtpSingle(world.relay()), [1])[1] == receipt


def test_a_mail_that_is_too_big_for_the_server_is_no_fault_of_the_others(world: World) -> None:
    world.start(Script(OFFERS, connections=["mail:552 5.3.4 Too big"]))
    told = deliver(world.open(connections=1), range(4))
    assert [told[one].answer for one in range(4)] == [Answer.POLICY, *[Answer.ACCEPTED] * 3]


@pytest.mark.parametrize("stage", ["greeting", "ehlo", "mail"])
def test_one_bad_connection_among_many_is_not_told(world: World, stage: str) -> None:
    faults = ["ok", f"{stage}:{BUSY}", "ok", f"{stage}:{BUSY}"]
    world.start(Script(connections=faults))
    assert answer_of_kind(deliver(world.open(connections=4), range(100))) is Answer.ACCEPTED
    assert len(world.kept()) == 100


def test_a_refusal_for_good_of_one_connection_is_not_told_while_another_lives(world: World) -> None:
    world.start(Script(connections=["ok", "greeting:554 5.7.1 Not you"]))
    assert answer_of_kind(deliver(world.open(connections=2), range(100))) is Answer.ACCEPTED


def test_after_a_failed_try_there_is_a_pause_that_grows(world: World) -> None:
    world.start(Script(connections=[f"greeting:{BUSY}"] * 4))
    limits = {"pause": 0.1, "longest_pause": 60, "give_up": 60, "look": 0.01}
    assert answer_of_kind(deliver(world.open(limits=limits), range(20))) is Answer.ACCEPTED
    first, second, third, fourth, *_ = gaps(world)
    assert first >= 0.099
    assert second >= 0.149
    assert third >= 0.299
    assert fourth >= 0.599


def test_a_limit_on_connections_is_lived_with(world: World) -> None:
    """Two are allowed, six are wanted: the rest goes over the two, and the server is not stormed."""
    world.start(Script(limit=2))
    transport = world.open(connections=6, limits={"pause": 30, "longest_pause": 60})
    assert answer_of_kind(deliver(transport, range(300))) is Answer.ACCEPTED
    assert len(world.connections()) == 6
    assert len(world.kept()) == 300


def test_a_server_that_closes_after_some_mails_is_come_back_to_at_once(world: World) -> None:
    world.start(Script(close_after=3))
    limits = {"pause": 30, "longest_pause": 60, "give_up": 60}
    began = time.monotonic()
    assert answer_of_kind(deliver(world.open(connections=2, limits=limits), range(60))) is Answer.ACCEPTED
    assert time.monotonic() - began < 15
    assert len(world.connections()) >= 20


def test_no_more_connections_than_are_needed_or_allowed(world: World) -> None:
    world.start()
    transport = world.open(connections=4)
    deliver(transport, [1])
    assert len(world.connections()) == 1
    deliver(transport, [2])
    assert len(world.connections()) == 1
    deliver(transport, range(3, 203))
    assert len(world.connections()) == 4


def test_an_idle_connection_is_ended_with_quit_and_the_next_mail_has_a_new_one(world: World) -> None:
    world.start()
    transport = world.open(connections=2, limits={"idle": 0.1})
    deliver(transport, [1])
    begin(transport, Mail(UID), [2])
    time_out = time.monotonic() + 0.2
    transport.hold(0)
    while time.monotonic() < time_out:
        assert list(transport.outcomes(0.05)) == []
    transport.hold(time.monotonic() + 60)
    assert answers(transport, 1)[0].answer is Answer.ACCEPTED
    assert len(world.connections()) == 2


def test_a_server_that_says_nothing_is_given_the_time_it_may_take(world: World) -> None:
    world.start(Script(connections=["silent"], connection_chances={"silent": 1.0}))
    receipt = answer_of(deliver(world.open(limits={"greeting": 0.3, "give_up": 0.1}), range(3)))
    assert (receipt.answer, receipt.code) == (Answer.AWAY, "timed out")
    assert "the greeting" in receipt.text
    assert deliver(SmtpSingle(world.relay(limits={"greeting": 0.2})), [1])[1].answer is Answer.AWAY


def test_a_slow_greeting_is_waited_for_beyond_the_time_of_giving_up(world: World) -> None:
    world.start(Script(connections=["drip"]))
    assert answer_of_kind(deliver(world.open(limits={"give_up": 0.02}), range(3))) is Answer.ACCEPTED


@pytest.mark.parametrize("mechanisms", ["PLAIN LOGIN", "LOGIN", "CRAM-MD5 PLAIN"])
@pytest.mark.parametrize("bulk", [True, False])
def test_a_password_is_given_to_a_server_on_this_machine(world: World, mechanisms: str, bulk: bool) -> None:
    world.start(Script(username="zoë", password="gehéim", mechanisms=mechanisms))
    relay = world.relay(username="zoë", password="gehéim")
    transport = Smtp(relay) if bulk else SmtpSingle(relay)
    assert answer_of_kind(deliver(transport, range(3))) is Answer.ACCEPTED
    transport.close()


@pytest.mark.parametrize(
    ("username", "mechanisms", "fault", "answer", "code"),
    [
        ("reader", "PLAIN", "ok", Answer.RELAY, "535 5.7.8"),
        ("reader", "LOGIN", "ok", Answer.RELAY, "535 5.7.8"),
        ("", "PLAIN", "ok", Answer.RELAY, "530 5.7.0"),
        ("reader", "CRAM-MD5", "ok", Answer.RELAY, "no AUTH"),
        ("reader", "PLAIN", "auth:454 4.7.0 Later", Answer.AWAY, "454 4.7.0"),
        ("reader", "PLAIN", "auth:534 5.7.9 Too weak", Answer.RELAY, "534 5.7.9"),
        ("reader", "PLAIN", "auth:250 Ok", Answer.AWAY, "250"),
    ],
)
def test_a_password_that_is_not_taken_stops_the_run(
    world: World, username: str, mechanisms: str, fault: str, answer: Answer, code: str
) -> None:
    world.start(Script(username="a", password="b", mechanisms=mechanisms, connection_chances={fault: 1.0}))
    relay = world.relay(username=username, password="secret", limits={"give_up": 0.2})
    transport = Smtp(relay)
    receipt = answer_of(deliver(transport, range(4)))
    transport.close()
    assert (receipt.answer, receipt.code) == (answer, code)
    assert "secret" not in receipt.text
    assert deliver(SmtpSingle(relay), [1])[1] == receipt


def test_when_the_server_dies_the_unanswered_are_unsure_and_the_rest_can_wait(tmp_path: Path) -> None:
    with smtp_world.opened(tmp_path) as world:
        transport = world.start(Script(addresses={address(5): "silent"})).open(connections=1)
        begin(transport, Mail(UID), range(10))
        told: dict[int, Receipt] = {}
        while len(told) < 5:
            told |= dict(transport.outcomes(5))
        list(transport.outcomes(0.1))
        world.stop()
        told |= answers(transport, 5)
    kinds = [told[position].answer for position in range(10)]
    assert kinds == [Answer.ACCEPTED] * 5 + [Answer.UNSURE] + [Answer.AWAY] * 4


def test_no_thread_is_started_and_any_thread_may_deliver(world: World) -> None:
    world.start()
    before = set(threading.enumerate())
    transport = world.open()
    told = [deliver(transport, range(5))]
    assert set(threading.enumerate()) == before
    other = threading.Thread(target=lambda: told.append(deliver(transport, range(5, 10))))
    other.start()
    other.join(30)
    assert [answer_of_kind(one) for one in told] == [Answer.ACCEPTED] * 2


def test_without_uvloop_the_standard_loop_does_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    world.start(Script(close_after=20, addresses={address(3): ["closing rcpt", "ok"], address(5): "lost"}))
    transport = world.open(connections=3)
    told = deliver(transport, range(60), Mail(UID, {7: b"x" * 3_000_000 + b"\r\n"}))
    assert told.pop(5).answer is Answer.UNSURE
    assert answer_of_kind(told) is Answer.ACCEPTED
    assert len(world.kept()) == 60
    transport.close()


def test_a_signal_is_handled_while_answers_are_waited_for(world: World) -> None:
    world.start(Script(addresses={address(1): "silent"}))
    transport = world.open()
    begin(transport, Mail(UID), [1])
    heard: list[float] = []

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append(time.monotonic())

    before = signal.signal(signal.SIGUSR1, hear)
    try:
        began = time.monotonic()
        with subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -USR1 {os.getpid()}"]):
            assert list(transport.outcomes(1.0)) == []
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert heard
    assert heard[0] - began < 0.9
