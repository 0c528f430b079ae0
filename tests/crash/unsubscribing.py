"""Runs in which the site is struck while it answers an unsubscribe request: done and answered, or asked again."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections.abc import Iterator

from digest import keys
from subscribers import links
from tests.crash.forkserver import Process
from tests.crash.invariants import Ended
from tests.crash.plans import stage
from tests.crash.points import STRUCK, VARIABLE, Strike
from tests.crash.runs import PATIENCE, Missed, Run
from tests.crash.witness import left_readers, look_aside

DIGEST = 1
FIRST, SECOND = "reader7@example.org", "reader8@example.org"


class Unsubscribing(Run):
    """One reader opts out and is answered; the site is struck at the second one's request; then the edition goes."""

    def crash(self) -> None:
        side = self.case.dice.choice(("open", "ready", "done"))
        again = self.case.dice.random() < 0.5
        strike = Strike(f"k12/{side}", 2, self.case.action)
        with self._site(strike) as (process, port):
            if not self._opts_out(port, FIRST):
                raise Missed("the first request was not answered")
            answered = self._opts_out(port, SECOND)
            process.wait(PATIENCE)
        struck = self.folder / "struck"
        if not struck.exists():
            raise Missed(f"{strike} was not passed; the site ended with {process.code}")
        assert process.code is not None
        seconds = time.time() - struck.stat().st_mtime
        self.ended.append(Ended(self.case.action, process.code, seconds, look_aside(self._world)))
        gone = left_readers(self._world)
        self.opted_out |= {FIRST} | ({SECOND} if answered or SECOND in gone else set())
        if again and not answered:
            with self._site(None) as (process, port):
                if not self._opts_out(port, SECOND):
                    raise Missed("the request was not answered when it was repeated")
                self.opted_out.add(SECOND)
        if stage(self.case) == "frozen":
            self.never_planned |= self.opted_out

    @contextlib.contextmanager
    def _site(self, strike: Strike | None) -> Iterator[tuple[Process, int]]:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = int(probe.getsockname()[1])
        more = {VARIABLE: str(strike), STRUCK: str(self.folder / "struck")} if strike else {}
        command = ["serve", "--no-scheduler", "--port", str(port)]
        process = self.forks.start(command, self.environment(self._receiving.port, **more), self.log)
        try:
            _await_listening(port, process)
            yield process, port
        finally:
            process.end()

    def _opts_out(self, port: int, address: str) -> bool:
        """Whether the site said that it is done."""
        number = int(address.removeprefix("reader").partition("@")[0])
        token = links.issue(keys.load(self._world.home), links.UNSUBSCRIBE, DIGEST, number)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request("POST", f"/u/{token}", body=b"List-Unsubscribe=One-Click")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _await_listening(port: int, process: Process) -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.01)
    raise Missed(f"the site did not start; it ended with {process.code}")
