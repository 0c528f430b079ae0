"""The benchmarks give the figures they promise, and none when the far end did not get what the ledger says."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from digest import cli
from digest.bench import console, delivering, feed, made_up, processes, routes, sinks
from digest.bench.console_home import Years
from digest.bench.sinks import Counts, Sink
from digest.config import TransportSection
from digest.errors import Refused
from digest.home import Home
from digest.staff import accounts
from tests.digest.web import serving

FIGURES = {"n", "wall_s", "rate", "cpu_us", "peak_mb"}
SHARES = {"ledger_cpu_us", "address_book_cpu_us", "transport_cpu_us", "ledger_share"}
N = 300


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the benchmarks make their own folders."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def bench(*words: object) -> Any:
    """What `digest bench` prints with --json."""
    result = CliRunner().invoke(cli.app, ["bench", *map(str, words), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def check(measured: Any, peers: set[str]) -> None:
    """The keys that others rely on, each with a figure."""
    assert measured["n"] == N
    assert set(measured["beside"]) == peers
    for figures in (measured, *measured["beside"].values()):
        assert figures.keys() >= FIGURES
        assert all(figures[name] > 0 for name in FIGURES)


def test_planning_is_measured_beside_another_writer(folder: Path) -> None:
    measured = bench("plan", "--n", N)
    check(measured, {"join and hash alone"})
    assert measured["parts"]["mails"] == N
    assert measured["parts"]["writer_turns"] >= 1
    assert list(folder.iterdir()) == []


def test_sending_to_a_mail_server_is_measured_beside_other_clients(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_TRANSPORT__SMTP__HOST", "198.51.100.1")
    measured = bench("smtp", "--n", N, "--connections", 3)
    check(measured, {"smtplib with prepared bytes", "aiosmtplib"})
    parts = measured["parts"]
    assert parts.keys() >= SHARES
    assert 46_000 < parts["bytes_each"] < 48_000
    assert 1 <= parts["connections"] <= 3
    assert list(folder.iterdir()) == []


def test_sending_to_a_provider_is_measured_beside_its_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_TRANSPORT__SENDGRID__BASE_URL", "http://198.51.100.1")
    monkeypatch.setenv("http_proxy", "http://198.51.100.1:3128")
    measured = bench("sendgrid", "--n", N)
    check(measured, {"sendgrid with helpers", "sendgrid with a dict"})
    parts = measured["parts"]
    assert parts.keys() >= SHARES
    assert parts["requests"] * parts["readers_per_request"] == pytest.approx(N, rel=0.01)
    assert list(folder.iterdir()) == []


def test_feeds_are_measured_beside_nginx(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("wrk") is None:
        pytest.skip("NOT TESTED: the measuring of feeds needs wrk. Debian: apt-get install wrk")
    monkeypatch.setattr(feed, "FEWEST", 1)
    monkeypatch.setenv("DIGEST_SITE__URL", "https://elsewhere.example.org")
    cores = os.sched_getaffinity(0)
    measured = bench("feed", "--n", 1)
    peers = {"nginx, 200", "nginx, 304"} if shutil.which("nginx") else set()
    assert set(measured["beside"]) == peers
    for figures in (measured, *measured["beside"].values()):
        assert all(figures[name] > 0 for name in FIGURES)
    assert 25_000 < measured["parts"]["bytes_each"] < 35_000
    assert measured["parts"]["by_tag_rate"] > 0
    assert list(folder.iterdir()) == []
    assert os.sched_getaffinity(0) == cores


def test_without_wrk_no_feed_is_measured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(Refused, match="apt-get install wrk"):
        feed.feed(1)


def test_every_page_of_the_console_is_measured_beside_the_plainest(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "TIMES", 1)
    monkeypatch.setattr(console, "YEARS", Years(editions=10, items=20, letters=2, drafts=2, deeds=50))
    measured = bench("console", "--n", N)
    check(measured, {"the page for signing in"})
    asked = {page["page"] for page in measured["pages"]}
    assert asked >= {"/staff", "/staff/items", "/staff/people/1", "/staff/schedule/weekly"}
    patterns = [route for route in routes.routes("GET") if route.least in accounts.ROLES]
    assert measured["parts"]["pages"] == len(asked) >= len(patterns)
    assert all(page["bytes"] > 10 and page["median_ms"] > 0 for page in measured["pages"])
    assert list(folder.iterdir()) == []


def test_a_page_with_a_parameter_that_nobody_named_is_not_left_out() -> None:
    route = routes.Route("GET", "/staff/poems/{number}", "viewer")
    assert route.addresses({"poems/{number}": ["3", "4"]}) == ["/staff/poems/3", "/staff/poems/4"]
    with pytest.raises(Refused, match=re.escape("name real things for 'poems/{number}'")):
        route.addresses({"letters/{number}": ["1"]})


def test_a_page_that_does_not_come_ends_the_benchmark(home: Home) -> None:
    class Server:
        def ask(self) -> dict[str, float]:
            return {"port": int(address.rpartition(":")[2]), "cpu_s": 0.0, "peak_mb": 1.0}

    told = pytest.raises(Refused, match="/staff/people/7 was answered with 303")
    with serving.serve(home) as address, closing(console.Asking(Server(), "nobody's")) as asking, told:
        asking.ask("/staff/people/7")


# --- the far end -----------------------------------------------------------------------------------------------


@pytest.fixture(params=["C", "Python"])
def compiled(request: pytest.FixtureRequest) -> bool:
    """Both far ends, the one in C where there is a compiler."""
    if request.param == "C" and shutil.which("cc") is None:
        pytest.skip("NOT TESTED IN C: there is no compiler.")
    return bool(request.param == "C")


@pytest.fixture
def server(tmp_path: Path, compiled: bool) -> Iterator[Sink]:
    with sinks.started("smtp", tmp_path, compiled=compiled) as sink:
        assert sink.how.startswith("C" if compiled else "Python")
        yield sink


@pytest.fixture
def provider(tmp_path: Path, compiled: bool) -> Iterator[Sink]:
    with sinks.started("http", tmp_path, compiled=compiled) as sink:
        yield sink


@contextmanager
def talk(sink: Sink, *turns: tuple[bytes, bytes]) -> Iterator[None]:
    """A dialogue: each turn is what is said, and what the last line of the answer begins with. It stays open."""
    with socket.create_connection(("127.0.0.1", sink.port), 10) as connection, connection.makefile("rb") as answers:
        assert answers.readline().startswith(b"220 ")
        for said, awaited in turns:
            connection.sendall(said)
            lines = [answers.readline()]
            while lines[-1] and not lines[-1].startswith(awaited):
                lines.append(answers.readline())
            assert lines[-1], lines
        yield


HELLO = (b"EHLO bench\r\n", b"250 8BITMIME")
ENVELOPE = b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"


def test_a_mail_server_takes_commands_sent_together_and_counts_each_message(server: Sink) -> None:
    body = b"Subject: x\r\n\r\n..\r\nlast\r\n"
    dot = (body + b".\r\n" + ENVELOPE, b"354")
    with talk(server, HELLO, (ENVELOPE, b"354"), dot, dot, (b".\r\n", b"250 2.0.0"), (b"QUIT\r\n", b"221")):
        pass
    assert server.counts() == Counts(messages=3, bytes=2 * len(body), connections=1, requests=0, faults=0)


def test_a_mail_server_sees_the_end_of_a_message_wherever_it_is_cut(server: Sink) -> None:
    body = b"y" * 300_000 + b"\r\n"
    for cut in range(1, 6):
        whole = body + b".\r\n"
        with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
            answers = connection.makefile("rb")
            answers.readline()
            connection.sendall(b"HELO bench\r\n" + ENVELOPE)
            assert [answers.readline()[:3] for _ in range(4)] == [b"250", b"250", b"250", b"354"]
            connection.sendall(whole[:-cut])
            server.counts()  # a turn of the other end, so that it reads in two
            connection.sendall(whole[-cut:])
            assert answers.readline().startswith(b"250 2.0.0 Ok: queued as ")
    assert (server.counts().messages, server.counts().bytes) == (5, 5 * len(body))


@pytest.mark.parametrize(
    "turn",
    [
        (b"DATA\r\n", b"503"),
        (b"RCPT TO:<b@example.org>\r\n", b"503"),
        (b"MAIL FROM:<a@example.org>\r\nMAIL FROM:<a@example.org>\r\n", b"503"),
        (b"TURN\r\n", b"502"),
        (ENVELOPE + b"body sent too early", b"354"),
        (ENVELOPE + b"x", b"354"),
    ],
    ids=["data first", "recipient first", "sender twice", "no such command", "body before 354", "one byte before it"],
)
def test_a_mail_server_counts_what_no_client_should_do(server: Sink, turn: tuple[bytes, bytes]) -> None:
    with talk(server, HELLO, turn):
        assert (server.counts().messages, server.counts().faults) == (0, 1)


def test_a_mail_server_counts_a_connection_that_ends_inside_a_message(server: Sink) -> None:
    with talk(server, HELLO, (ENVELOPE, b"354")):
        assert server.counts().faults == 0
    assert any(server.counts().faults == 1 for _ in range(1000))


def post(body: bytes, *, last: bool = False, path: bytes = b"/v3/mail/send") -> bytes:
    """A request as clients of the provider make it."""
    head = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % len(body)
    return head + (b"Connection: close\r\n" if last else b"") + b"\r\n" + body


def ask(connection: socket.socket) -> bytes:
    """One answer of the provider, which has no body."""
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        some = connection.recv(4096)
        assert some, answer
        answer += some
    return answer


def test_a_provider_keeps_connections_and_counts_the_mails_in_each_request(provider: Sink) -> None:
    one = b'{"custom_args": {"did": "1"}}'
    with socket.create_connection(("127.0.0.1", provider.port), 10) as connection:
        for body in (one, one * 3, one * 20_000, b""):
            connection.sendall(post(body))
            assert ask(connection).startswith(b"HTTP/1.1 202 Accepted\r\n")
        connection.sendall(post(one, last=True))
        assert b"X-Message-Id: " in ask(connection)
        assert connection.recv(1) == b""
    counts = provider.counts()
    assert (counts.messages, counts.requests, counts.connections, counts.faults) == (20_005, 5, 1, 0)


def test_a_provider_counts_a_mark_that_is_cut_in_two(provider: Sink) -> None:
    whole = post(b'{"did": 1}')
    at = whole.index(b'"did"')
    for cut in range(at, at + 6):
        with socket.create_connection(("127.0.0.1", provider.port), 10) as connection:
            connection.sendall(whole[:cut])
            provider.counts()
            connection.sendall(whole[cut:])
            ask(connection)
    assert provider.counts().messages == 6


def test_a_provider_knows_only_one_address(provider: Sink) -> None:
    with socket.create_connection(("127.0.0.1", provider.port), 10) as connection:
        connection.sendall(post(b"{}", path=b"/v3/marketing"))
        assert ask(connection).startswith(b"HTTP/1.1 404 ")
    assert provider.counts().faults == 1


def test_where_nothing_can_be_compiled_the_far_end_is_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with sinks.started("smtp", tmp_path) as sink:
        assert sink.how.startswith("Python")


# --- honesty ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("came", [Counts(9, 1, 1, 0, 0), Counts(11, 1, 1, 0, 0), Counts(10, 1, 1, 0, 1)])
def test_no_figures_when_the_far_end_did_not_get_what_the_ledger_says(came: Counts) -> None:
    delivering.agree(Counts(10, 1, 1, 0, 0), 10)
    with pytest.raises(Refused, match="far end"):
        delivering.agree(came, 10)


def test_an_edition_that_nobody_takes_gives_no_figures(tmp_path: Path) -> None:
    edition_id = made_up.make(tmp_path, made_up.TOGETHER, 20)
    with pytest.raises(Refused, match="20 readers"):
        delivering.deliver(tmp_path, edition_id, 20, TransportSection(kind="tests.digest.test_bench:nobody"))


def nobody(home: Any) -> Any:
    """A carrier that refuses everyone."""
    from digest.delivery.transports.base import Answer
    from tests.stage import Scripted  # at hand only here

    carrier = Scripted()
    carrier.answers = {number: [Answer.RELAY] for number in range(1, 21)}
    return carrier


def test_a_part_that_fails_ends_the_benchmark_with_its_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Refused, match="made_up"):
        processes.result("made_up", tmp_path, "{", 1)
    assert "JSONDecodeError" in capfd.readouterr().err
    with processes.running(processes.module("sink", "smtp", "99")) as part, pytest.raises(Refused, match="too early"):
        part.ask()


def test_the_settings_are_those_of_the_world_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SITE__URL", "https://elsewhere.example.org")
    monkeypatch.setenv("DIGEST_TRANSPORT__KIND", "sendgrid")
    monkeypatch.setenv("DIGEST_PACE__PER_SECOND", "1")
    settings = made_up.settings(TransportSection(kind="smtp"))
    assert (settings.site_url, settings.transport.kind, settings.pace.per_second) == (made_up.URL, "smtp", 0)
