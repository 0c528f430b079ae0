"""Quoted-printable as we send it (RFC 2045 s.6.7): CRLF, 76 columns, safe for SMTP and mbox alike.

Promises: no line starts with a dot or "From ", so nothing is ever dot-stuffed or mangled; what `opened` returns may
be followed by further encoded parts, so static text is encoded once and slots are joined in.
"""

from __future__ import annotations

import re
from binascii import b2a_qp

WIDTH = 76

_RISKY = re.compile(rb"^(?:\.|From ).*$", re.MULTILINE)


def encode(text: str) -> bytes:
    """`text` in quoted-printable; any kind of line end becomes CRLF."""
    data = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace")
    lines = b2a_qp(data, istext=True)
    if lines.startswith((b".", b"From ")) or b"\n." in lines or b"\nFrom " in lines:
        lines = _RISKY.sub(_guard, lines)
    return lines.replace(b"\n", b"\r\n")


def opened(text: str) -> bytes:
    """`text` encoded so that more encoded bytes may follow at once: it ends in a line end, or is empty."""
    start = encode(text + "x")[:-1]
    return start if not start or start.endswith(b"\n") else start + b"=\r\n"


def value(text: str) -> bytes:
    """A slot's `text` encoded for the place after `opened`, leaving room for a soft line break behind it."""
    return encode(text + "x")[:-1]


def bound(text: str) -> int:
    """The most bytes that `text` can take inside a longer text, wherever the lines break."""
    encoded = encode(text)
    solid = len(encoded) - 3 * encoded.count(b"=\r\n")
    return solid + 3 * (solid // 70 + 1)


def _guard(found: re.Match[bytes]) -> bytes:
    line = found[0]
    rest = line[1:]
    head = b"=%02X" % line[0]
    if len(line) + 2 <= WIDTH:
        return head + rest
    return head + b"=\n" + _RISKY.sub(_guard, rest)
