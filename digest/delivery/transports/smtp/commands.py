"""The commands under way on one connection, and the replies that are awaited for them, in their order. Pure.

With PIPELINING (RFC 2920) MAIL, RCPT and DATA are one group, and nothing follows DATA in it; without, each command
waits for the reply to the one before it. Promises: a transaction that was left open is reset before the next begins.
"""

from __future__ import annotations

from collections import deque

from digest.delivery.transports.smtp.replies import Stage

_GROUP = (Stage.MAIL, Stage.RCPT, Stage.DATA)
_DATA = b"DATA\r\n"
_RSET = b"RSET\r\n"


class Commands:
    """What was asked of the server and is not answered."""

    def __init__(self, *, pipelining: bool) -> None:
        self.pipelining = pipelining
        self.left_open = False  # a transaction that RSET must end
        self._awaited: deque[Stage] = deque()
        self._unsent: deque[tuple[Stage, bytes]] = deque()  # without pipelining: the rest of the envelope

    def __bool__(self) -> bool:
        return bool(self._awaited)

    def __contains__(self, stage: Stage) -> bool:
        return stage in self._awaited

    @property
    def next(self) -> Stage:
        """What the next reply answers."""
        return self._awaited[0]

    def ask(self, stage: Stage) -> None:
        """One more reply is awaited."""
        self._awaited.append(stage)

    def answered(self) -> Stage:
        """A reply came: what it answers."""
        return self._awaited.popleft()

    def open(self, mail: bytes, rcpt: bytes) -> bytes:
        """What to write to begin a transaction: the whole group, or its first command."""
        reset, self.left_open = self.left_open, False
        if self.pipelining:
            if reset:
                self._awaited.append(Stage.RSET)
                mail = _RSET + mail
            self._awaited.extend(_GROUP)
            return b"%b%b%b" % (mail, rcpt, _DATA)
        if reset:
            self._unsent.append((Stage.RSET, _RSET))
        self._unsent.extend([(Stage.MAIL, mail), (Stage.RCPT, rcpt), (Stage.DATA, _DATA)])
        return self.follow()

    def follow(self) -> bytes:
        """The next command of the envelope, after the one before it was taken; empty when all are sent."""
        if not self._unsent:
            return b""
        stage, line = self._unsent.popleft()
        self._awaited.append(stage)
        return line

    def refused(self) -> bool:
        """The envelope was refused; False when more of it is out already and will be answered, too."""
        if not self._unsent:
            return False
        self._unsent.clear()
        self.left_open = True
        return True

    def clear(self) -> None:
        """Nothing is awaited any more."""
        self._awaited.clear()
        self._unsent.clear()
