"""The tap sees how far a hand-over is, however the bytes are cut on their way, and lets every byte through."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.crash import tap
from tests.crash.tap import HALF, WHOLE, Reader

SMTP = (
    b"EHLO here\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nSubject: x\r\n\r\n.. dots\r\n.\r\n"
    b"MAIL FROM:<a@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA\r\n.\r\nQUIT\r\n"
)
HTTP = (
    b"POST /v3/mail/send HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789"
    b"GET /v3/scopes HTTP/1.1\r\nHost: x\r\n\r\n"
    b"POST /v3/mail/send HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc"
)
LINES = b"uid 1 aa\nuid 2 bb\n"

SPOKEN: list[tuple[Reader, bytes, list[tuple[bytes, str]]]] = [
    (
        tap.smtp,
        SMTP,
        [
            (SMTP[: SMTP.index(b"DATA")], HALF),
            (SMTP[: SMTP.index(b"MAIL", 30)], WHOLE),
            (SMTP[: SMTP.rindex(b"DATA")], HALF),
            (SMTP[: SMTP.index(b"QUIT")], WHOLE),
        ],
    ),
    (
        tap.http,
        HTTP,
        [
            (HTTP[: HTTP.index(b"56789")], HALF),
            (HTTP[: HTTP.index(b"GET")], WHOLE),
            (HTTP[: HTTP.index(b"bc")], HALF),
            (HTTP, WHOLE),
        ],
    ),
    (tap.lines, LINES, [(b"uid ", HALF), (b"uid 1 aa\n", WHOLE), (b"uid 1 aa\nuid ", HALF), (LINES, WHOLE)]),
]


def heard(reader: Reader, parts: list[bytes]) -> tuple[bytes, list[tuple[bytes, str]]]:
    """All that was let through, and what had been let through at each passing."""
    cutter = reader()
    passed, passings = b"", []
    piece, what = next(cutter)
    for part in parts:
        piece, what = cutter.send(part)
        while piece or what:
            passed += piece
            if what:
                passings.append((passed, what))
            piece, what = next(cutter)
    return passed, passings


@pytest.mark.parametrize(("reader", "said", "passings"), SPOKEN)
@given(cuts=st.lists(st.integers(0, 300)))
def test_it_names_the_passings_and_changes_nothing(
    reader: Reader, said: bytes, passings: list[tuple[bytes, str]], cuts: list[int]
) -> None:
    places = [0, *sorted(min(cut, len(said)) for cut in cuts), len(said)]
    parts = [said[a:b] for a, b in pairwise(places) if a != b]
    assert heard(reader, parts) == (said, passings)
