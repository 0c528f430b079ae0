"""Header lines as bytes: mailboxes, unstructured text, and lines that must stay whole.

Promises: no value can end its line early; encoded-words are legal (RFC 2047: at most 75 characters, lines of 76) and
never stand inside an address or a link; international domains become A-labels (IDNA 2008). One builder serves From,
To and Subject, since the standard library's folder costs 40 microseconds a header and breaks long links.
"""

from __future__ import annotations

import re
from textwrap import wrap

import idna

from digest.errors import BadInput
from digest.render.shapes import clean

LONGEST = 998  # bytes of a line, RFC 5322 s.2.1.1
WIDTH = 76
NAME_LIMIT = 120  # characters kept of a display name
TEXT_LIMIT = 200  # and of a subject

_ATOM = "[A-Za-z0-9'_-]+"
_ATOMS = re.compile(f"{_ATOM}(?: {_ATOM}){{0,7}}")
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_ADDRESS = re.compile(f"{_LOCAL.pattern}@{_DOMAIN.pattern}")

# RFC 2047 s.5 (3): what may stand for itself in an encoded-word of a phrase.
_Q = [chr(b) if chr(b).isascii() and (chr(b).isalnum() or chr(b) in "!*+-/") else f"={b:02X}" for b in range(256)]
_Q[ord(" ")] = "_"
_WORD = 75 - len("=?utf-8?q??=") - len("Subject: ")


def mailbox(name: str, address: str) -> bytes:
    """`name <address>` for From and To, folded when it is long. Raises BadInput for what is no plain address."""
    if not _ADDRESS.fullmatch(address):
        address = _ascii(address)
    if not name:
        return address.encode("ascii")
    phrase = name if len(name) < 40 and _ATOMS.fullmatch(name) else _phrase(clean(name)[:NAME_LIMIT].rstrip())
    if not phrase:
        return address.encode("ascii")
    fold = "\r\n " if len(phrase) + len(address) > WIDTH - 8 else " "
    return f"{phrase}{fold}<{address}>".encode("ascii")


def domain(host: str) -> str:
    """`host` as A-labels. Raises BadInput when it is none."""
    if _DOMAIN.fullmatch(host):
        return host
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise BadInput("domain", f"{host!r} is no domain name.", "Correct the address.") from error


def text(name: str, value: str) -> bytes:
    """A whole line of unstructured text, such as Subject; encoded and folded as needed."""
    value = clean(value)[:TEXT_LIMIT].rstrip()
    if value.isascii() and "=?" not in value and max(map(len, value.split()), default=0) < WIDTH - len(name) - 2:
        lines = wrap(f"{name}: {value}", WIDTH, break_long_words=False, break_on_hyphens=False)
        return ("\r\n ".join(lines) if value else f"{name}: ").encode("ascii") + b"\r\n"
    return f"{name}: {_words(value)}\r\n".encode("ascii")


def whole(name: str, value: str) -> bytes:
    """A line that is never folded or encoded. Raises BadInput when it holds more than visible ASCII, or too much."""
    line = f"{name}: {value}"
    if not line.isascii() or not line.isprintable() or len(line) > LONGEST:
        raise BadInput(name, f"{value[:80]!r} cannot stand in a header.", "Use a shorter address of plain characters.")
    return line.encode("ascii") + b"\r\n"


def _ascii(address: str) -> str:
    local, at, host = address.rpartition("@")
    if not at or not _LOCAL.fullmatch(local):
        raise BadInput("address", "It has a part before the @ that cannot be mailed to.", "Ask for another address.")
    return f"{local}@{domain(host)}"


def _phrase(name: str) -> str:
    if name.isascii() and "=?" not in name and len(name) < WIDTH - 6:
        return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' if name else ""
    return _words(name)


def _words(value: str) -> str:
    short = "".join(map(_Q.__getitem__, value.encode("utf-8")))
    if len(short) <= _WORD:
        return f"=?utf-8?q?{short}?="
    words, current = [], ""
    for character in value:
        encoded = "".join(map(_Q.__getitem__, character.encode("utf-8")))
        if len(current) + len(encoded) > _WORD:
            words.append(current)
            current = ""
        current += encoded
    words.append(current)
    return "\r\n ".join(f"=?utf-8?q?{word}?=" for word in words)
