"""What a mail server answers: bytes to replies, and replies to answers of the contract. Pure.

Promises: a reply is three digits, with one code on all its lines (RFC 5321 s.4.2); anything else, and anything endless,
is a fault and never a reply. A reply is judged by its code and its enhanced code (RFC 3463, RFC 5248) at the stage
where it was given, never by its words. Texts are one line without controls and reordering characters. Refuses: to make
a person's fault of what a server says about the sender, the message, or itself.
"""

from __future__ import annotations

import re
from contextlib import suppress
from enum import Enum
from typing import NamedTuple

from digest.delivery.transports.base import Answer, Receipt
from digest.render.shapes import clean

LONGEST_LINE = 4096  # bytes; RFC 5321 s.4.5.3.1.5 allows 512
MOST_LINES = 100
TEXT = 500

_ONE_LINE = {b"%d " % code: code for code in range(200, 600)}
_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])([^\r\n]*))?")
_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?: |$)")
_NAMED = re.compile(r"(?i:.*\bqueued as |.*\bid=|(?:2\.\d+\.\d+ )?ok: )<?(?=\S*\d)([!-~]{1,64}?)[>;,.]*(?: |$)")


class Stage(Enum):
    """What a reply answers, as texts name it."""

    __hash__ = object.__hash__  # by identity: that of the name costs a microsecond a mail

    GREETING = "the greeting"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    TLS = "the start of encryption"
    AUTH = "AUTH"
    RSET = "RSET"
    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"
    DOT = "the mail"
    LONE_DOT = "a dot that ends nothing"
    QUIT = "QUIT"


class Reply(NamedTuple):
    """One reply: its code, and what stood behind it on each line."""

    code: int
    lines: tuple[bytes, ...]

    @property
    def enhanced(self) -> str:
        """The enhanced code, such as "5.1.1"; empty when there is none or it contradicts the code (RFC 2034 s.4)."""
        found = _ENHANCED.match(self.lines[0].decode("ascii", "replace")) if self.lines else None
        return found[0].strip() if found and found[1] == str(self.code)[0] else ""

    @property
    def short(self) -> str:
        """Both codes, as receipts keep them."""
        return f"{self.code} {self.enhanced}".strip()

    @property
    def text(self) -> str:
        """The words alone, in one clean line of at most 500 characters."""
        lines = (line.decode("utf-8", "replace") for line in self.lines)
        return clean(" ".join(_ENHANCED.sub("", line, count=1) if _ENHANCED.match(line) else line for line in lines))[
            :TEXT
        ]


class ReplyReader:
    """Takes bytes as they come, and gives the replies that are whole.

    `rest` is what came after the last of them; `fault` says why the server cannot be understood any more.
    """

    def __init__(self) -> None:
        self.rest = b""
        self.fault = ""
        self._code = 0
        self._lines: list[bytes] = []

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that end in `data`. After a fault nothing more is read."""
        whole = self.rest + data if self.rest else data
        lines = whole.split(b"\r\n")
        self.rest = lines.pop()
        if not self._lines and whole.count(b"\n") == whole.count(b"\r") == len(lines) and len(whole) <= LONGEST_LINE:
            with suppress(KeyError):  # as nearly always: replies of one line
                return [Reply(_ONE_LINE[line[:4]], (line[4:],)) for line in lines]
        replies: list[Reply] = []
        for line in lines:
            if not self._take(line, replies):
                return replies
        if len(self.rest) > LONGEST_LINE:
            self.fault = "It sent a line without an end."
        return replies

    @property
    def unfinished(self) -> bool:
        """Whether more has come than whole replies."""
        return bool(self.rest or self._lines or self.fault)

    def _take(self, line: bytes, replies: list[Reply]) -> bool:
        found = _LINE.fullmatch(line)
        if found is None or len(line) > LONGEST_LINE or (self._lines and int(found[1]) != self._code):
            self.fault = f"It sent what is no SMTP reply: {clean(line[:80].decode('utf-8', 'replace'))}"
            return False
        self._code = int(found[1])
        self._lines.append(found[3] or b"")
        if len(self._lines) > MOST_LINES:
            self.fault = "It sent a reply without an end."
            return False
        if found[2] != b"-":
            replies.append(Reply(self._code, tuple(self._lines)))
            self._lines = []
        return True


def accepted(reply: Reply) -> Receipt:
    """The receipt for a 2xx reply to the end of a mail, with the server's name for it where it says one."""
    text = reply.lines[0].decode("ascii", "replace")
    named = _NAMED.match(text)
    return Receipt(Answer.ACCEPTED, str(reply.code), text[:TEXT] if text.isprintable() else "", named and named[1])


def judge(stage: Stage, reply: Reply) -> Receipt:
    """What a refusal (4xx, 5xx) at `stage` means."""
    decide = _of_one if stage in (Stage.RCPT, Stage.DATA, Stage.DOT) else _of_all
    answer = decide(stage, reply.code, tuple(map(int, reply.enhanced.split(".")[1:])))
    text = reply.text
    if answer in (Answer.AWAY, Answer.RELAY):
        text = f"At {stage.value} it said: {text}"[:TEXT]
    return Receipt(answer, reply.short, text)


_ADDRESS_GONE = {(1, 1), (1, 2), (1, 3), (1, 6), (1, 10), (2, 1)}
_ABOUT_SENDER = {(1, 7), (1, 8)}  # RFC 3463 s.3.2: the sender's address is what is wrong
_CREDENTIALS = {530, 534, 535, 538}
_SYNTAX = range(500, 505)


def _of_all(stage: Stage, code: int, detail: tuple[int, ...]) -> Answer:
    """Refused before anybody was named: it would be said to everyone, except that this mail is too big."""
    if stage is Stage.MAIL and code >= 500 and (code == 552 or detail == (3, 4)):
        return Answer.POLICY
    return Answer.RELAY if code >= 500 else Answer.AWAY


def _of_one(stage: Stage, code: int, detail: tuple[int, ...]) -> Answer:
    if code in _CREDENTIALS:
        return Answer.RELAY
    if code < 500 or (stage is Stage.RCPT and detail == (5, 3)):  # too many recipients, RFC 5321 s.4.5.3.1.10
        return Answer.TRANSIENT
    if not detail or detail == (0, 0):
        return _without_detail(stage, code)
    if detail == (2, 2):
        return Answer.FULL
    if detail in _ADDRESS_GONE:
        return Answer.HARD
    if stage is not Stage.RCPT or detail[0] in (3, 5, 6, 7) or detail in _ABOUT_SENDER or detail == (2, 3):
        return Answer.POLICY
    return Answer.HARD if detail[0] == 1 else Answer.DOUBTFUL


def _without_detail(stage: Stage, code: int) -> Answer:
    if stage is not Stage.RCPT or code in _SYNTAX or code in (554, 555):
        return Answer.POLICY
    return Answer.TRANSIENT if code == 552 else Answer.DOUBTFUL


def away(code: str, text: str) -> Receipt:
    """Nobody can be handed over just now, and why."""
    return Receipt(Answer.AWAY, code, clean(text)[:TEXT])


def relay_wide(code: str, text: str) -> Receipt:
    """Nobody will be taken before a person changes something, and what."""
    return Receipt(Answer.RELAY, code, clean(text)[:TEXT])


class Unavailable(Exception):
    """No mail can be handed over on this connection; `receipt` says whether waiting helps (AWAY) or not (RELAY)."""

    def __init__(self, receipt: Receipt) -> None:
        self.receipt = receipt
        super().__init__(receipt.text)
