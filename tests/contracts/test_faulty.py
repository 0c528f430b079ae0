"""The failing transport fails as its script says, and its record tells the truth about it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from digest.delivery.transports import base
from digest.delivery.transports.base import Answer
from digest.home import Home
from tests.contracts.test_transports import UID, Mail, answers, begin
from tests.standins import faulty, record_server
from tests.standins.faulty import Faulty, by_chance, by_subscriber


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "record"


@pytest.fixture
def server(file: Path) -> Iterator[tuple[str, int]]:
    with record_server.running(file) as port:
        yield ("127.0.0.1", port)


def kept(file: Path) -> list[int]:
    return sorted(mail.subscriber_id for mail in record_server.read(file))


def test_each_fate_gives_its_answer_and_only_what_was_handed_over_is_kept(server: tuple[str, int], file: Path) -> None:
    fates = ["accepted", "transient", "hard", "policy", "relay", "lost", "cut"]
    transport = Faulty(server, by_subscriber(dict(enumerate(fates))))
    begin(transport, Mail(UID), range(len(fates)))
    told = answers(transport, len(fates))
    transport.close()
    assert [told[position].answer for position in range(len(fates))] == [
        Answer.ACCEPTED, Answer.TRANSIENT, Answer.HARD, Answer.POLICY, Answer.RELAY, Answer.UNSURE, Answer.UNSURE,
    ]  # fmt: skip
    assert kept(file) == [fates.index("accepted"), fates.index("lost")]


def test_a_second_attempt_has_its_own_fate(server: tuple[str, int], file: Path) -> None:
    transport = Faulty(server, by_subscriber({3: ["transient", "accepted"]}))
    for expected in (Answer.TRANSIENT, Answer.ACCEPTED, Answer.ACCEPTED):
        begin(transport, Mail(UID), [3])
        assert answers(transport, 1)[0].answer is expected
    transport.close()
    assert kept(file) == [3, 3]


def test_chances_are_about_right_and_the_same_for_the_same_seed() -> None:
    script = by_chance({"hard": 0.1, "lost": 0.2}, seed=5)
    fates = [script(subscriber, 0) for subscriber in range(5000)]
    assert fates == [by_chance({"hard": 0.1, "lost": 0.2}, seed=5)(subscriber, 0) for subscriber in range(5000)]
    assert fates != [by_chance({"hard": 0.1, "lost": 0.2}, seed=6)(subscriber, 0) for subscriber in range(5000)]
    assert 400 < fates.count("hard") < 600
    assert 850 < fates.count("lost") < 1150


def test_a_server_that_does_not_listen_is_proof_that_nothing_was_accepted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = ("127.0.0.1", int(gone.getsockname()[1]))
    transport = Faulty(address)
    begin(transport, Mail(UID), [1, 2])
    assert {receipt.answer for receipt in answers(transport, 2).values()} == {Answer.TRANSIENT}
    transport.close()


def test_a_server_that_dies_before_it_answers_leaves_us_unsure(file: Path) -> None:
    command = [sys.executable, "-m", "tests.standins.record_server", str(file), "--wait", "60000-60000"]
    with subprocess.Popen(command, cwd=record_server.ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        transport = Faulty(("127.0.0.1", int(process.stdout.readline())), connections=2)
        begin(transport, Mail(UID), [1, 2])
        while kept(file) != [1, 2]:
            pass
        process.send_signal(signal.SIGKILL)
    assert {receipt.answer for receipt in answers(transport, 2).values()} == {Answer.UNSURE}
    transport.close()


def test_a_worker_process_gets_its_script_from_the_environment(
    server: tuple[str, int], file: Path, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = {"subscribers": {"7": ["hard"]}, "chances": {"lost": 0.0}, "connections": 3, "group": 2}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    monkeypatch.setenv("FAULTY_RECORD", f"127.0.0.1:{server[1]}")
    monkeypatch.setenv("FAULTY_PLAN", str(tmp_path / "plan.json"))
    transport = cast("faulty.Faulty", base.open_transport("tests.standins.faulty:faulty", home))
    assert (transport.connections, transport.group) == (3, 2)
    begin(transport, Mail(UID), [6, 7, 8])
    told = answers(transport, 3)
    transport.close()
    assert [told[position].answer for position in range(3)] == [Answer.ACCEPTED, Answer.HARD, Answer.ACCEPTED]
    assert kept(file) == [6, 8]
