"""The processes that stay, started as a shell would: they serve, send, and leave nothing behind when they end."""

from __future__ import annotations

import email.utils
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from digest import settings_file
from digest.cli import processes
from tests.digest.cli.conftest import Digest

ROOT = Path(__file__).parents[3]
COMMAND = (sys.executable, "-m", "digest.cli")

Start = Callable[..., "subprocess.Popen[str]"]


def until(true: Callable[[], object], seconds: float = 25.0) -> bool:
    """Looks again until it is true, or until the time is over."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()] + [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        if task.name != str(pid)
        for child in (task / "children").read_text().split()
    ]


def mails(home: Path) -> int:
    return len(list((home / "mail" / "new").glob("*")))


def is_gone(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def is_up(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def start(example: Path) -> Iterator[Start]:
    """Starts commands on the example's home, and ends at last what a test left running."""
    started: list[subprocess.Popen[str]] = []
    # What a shell starts in the background ignores Ctrl-C, and so would everything started from there.
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)

    def run(*command: object) -> subprocess.Popen[str]:
        environment = os.environ | {"DIGEST_HOME": str(example), "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            [*map(str, command)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=example,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        for pid in [] if process.poll() is not None else children(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.kill()
        process.communicate()
    signal.signal(signal.SIGINT, ignored)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_the_site_and_its_worker_end_together(start: Start, digest: Digest, example: Path, end: signal.Signals) -> None:
    port = free_port()
    site = start(*COMMAND, "serve", "--port", port)
    assert until(lambda: is_up(port))
    assert "Path to Public Safety" in httpx.get(f"http://127.0.0.1:{port}/").text
    (worker,) = children(site.pid)
    if end is signal.SIGTERM:  # the worker sends what was asked for in another process
        digest("send", "weekly")
        assert until(lambda: mails(example) == 6)
    site.send_signal(end)
    out, err = site.communicate(timeout=25)
    assert (site.returncode, "Traceback" in err) == (0, False), err
    assert out.startswith(f"The site is at http://127.0.0.1:{port}/ . Stop it with Ctrl-C.\n")
    assert is_gone(worker)


def test_a_worker_begins_again_with_what_is_set_and_still_ends_when_it_is_told_to(
    start: Start, digest: Digest, example: Path
) -> None:
    sooner = "import scheduler, datetime; scheduler.IDLE = datetime.timedelta(seconds=0.1); "
    worker = start(sys.executable, "-c", f"{sooner}from digest.cli import main; main()", "worker")
    digest("send", "weekly")
    assert until(lambda: mails(example) == 6)  # it is at work
    for change in ({"transport.kind": "smtp", "transport.smtp.username": "digest"}, {"transport.kind": "maildir"}):
        with settings_file.held(example) as held:
            held.write(held.changed(change)[0])
        assert worker.stderr is not None
        assert any("begins again" in line or "nothing is sent" in line for line in worker.stderr)
    worker.send_signal(signal.SIGTERM)
    _, err = worker.communicate(timeout=25)
    assert (worker.returncode, "Traceback" in err) == (0, False), err


def test_a_worker_that_dies_is_started_again_and_ends_with_a_killed_site(start: Start) -> None:
    port = free_port()
    sooner = "import digest.cli.processes as p; p.AGAIN = 0.1; from digest.cli import main; main()"
    site = start(sys.executable, "-c", sooner, "serve", "--port", port)
    assert until(lambda: is_up(port) and children(site.pid))
    (first,) = children(site.pid)
    os.kill(first, signal.SIGKILL)
    assert until(lambda: set(children(site.pid)) - {first})
    (second,) = set(children(site.pid)) - {first}
    site.kill()
    site.wait()
    assert site.stderr is not None
    assert "The sending stopped by itself; it is started again" in site.stderr.readline()
    assert until(lambda: is_gone(second))


def test_a_taken_port_moves_the_site_and_its_links(start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = taken.getsockname()[1]
        site = start(*COMMAND, "serve", "--port", wanted, "--no-scheduler")
        assert site.stdout is not None
        line = site.stdout.readline()
    used = int(line.removeprefix(f"Port {wanted} is taken; the site uses ").rstrip(".\n"))
    assert until(lambda: is_up(used))
    assert children(site.pid) == []
    assert f"http://127.0.0.1:{used}/items/" in httpx.get(f"http://127.0.0.1:{used}/feeds/all.rss").text
    site.terminate()
    out, _ = site.communicate(timeout=25)
    assert (site.returncode, out) == (0, f"The site is at http://127.0.0.1:{used}/ . Stop it with Ctrl-C.\n")


@pytest.mark.parametrize("command", [("-m", "digest.cli", "scheduler"), (str(ROOT / "scheduler.py"),)])
def test_the_clock_alone_sends_what_is_due(
    start: Start, digest: Digest, example: Path, command: tuple[str, ...]
) -> None:
    digest("send", "weekly")
    clock = start(sys.executable, *command)
    assert until(lambda: mails(example) == 6)
    clock.terminate()
    _, err = clock.communicate(timeout=25)
    assert (clock.returncode, "Traceback" in err) == (0, False), err
    assert digest("editions", "show", 1, "--json").document["accepted"] == 6


def test_a_reader_who_goes_away_is_no_fault(start: Start) -> None:
    lister = start(*COMMAND, "items", "list")
    assert lister.stdout is not None
    lister.stdout.close()
    assert lister.stderr is not None
    assert lister.stderr.read() == ""
    assert lister.wait() in (0, 1)


def test_ctrl_c_ends_a_command_with_one_sentence(start: Start, example: Path) -> None:
    lock = example / "digest.db.turnstile"
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        adding = start(*COMMAND, "people", "add", "ann@example.org")
        assert until(lambda: any(file.resolve() == lock for file in Path(f"/proc/{adding.pid}/fd").iterdir()))
        adding.send_signal(signal.SIGINT)
        out, err = adding.communicate(timeout=25)
    assert (adding.returncode, out) == (1, "")
    assert err == "Stopped. What was begun is safe, and goes on with the next `digest run`.\n"


def test_up_serves_a_site_that_can_write(start: Start, main: Digest, tmp_path: Path) -> None:
    port = free_port()
    home = tmp_path / "made"
    up = start(*COMMAND, "--home", home, "up", "--port", port)
    assert until(lambda: is_up(port))
    mail = email.message_from_bytes((home / "example.eml").read_bytes())
    link = re.search(rf"<(http://127.0.0.1:{port}/u/[^>]+)>", mail["List-Unsubscribe"])
    assert link
    assert httpx.post(link[1], data={"List-Unsubscribe": "One-Click"}).status_code == 200
    reader = email.utils.parseaddr(mail["To"])[1]
    shown = main("--home", home, "people", "show", reader, "--json").document
    assert shown["state"] == "left"
    up.terminate()
    _, err = up.communicate(timeout=25)
    assert up.returncode == 0, err


# --- before anything is served ---------------------------------------------------------------------------------


def test_a_home_that_is_none_is_told_before_a_port_is_taken(main: Digest, tmp_path: Path) -> None:
    told = main("--home", tmp_path / "none", "serve")
    assert told.code == 1
    assert "Make the home first" in told.line
    assert main("--home", tmp_path / "none", "worker").code == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--port", "0"), "it must be 1 or more"),
        (("--port", "70000"), "it must be 65535 or less"),
        (("--host", "192.0.2.1"), "'192.0.2.1' is no address of this machine."),
        (("--host", "no host"), "'no host' is no address of this machine."),
    ],
)
def test_a_place_that_cannot_be_served_is_wrong_use(digest: Digest, arguments: tuple[str, ...], words: str) -> None:
    told = digest("serve", *arguments)
    assert told.code == 2
    assert words in told.line


def test_the_site_is_named_as_a_browser_finds_it() -> None:
    assert processes.address("0.0.0.0", 80) == "http://127.0.0.1:80"  # noqa: S104
    assert processes.address("::1", 8080) == "http://[::1]:8080"
