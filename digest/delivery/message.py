"""A variant compiled to byte parts and slots; joins one recipient's MIME message.

Promises: the same inputs give the same bytes (boundary, date and Message-ID come from the edition, never from the
clock); every line ends in CRLF, body lines have at most 76 columns, none starts with a dot; list headers and the
Message-ID stay whole at any length and are never encoded-words (RFC 2369, 8058). Per recipient only slots are
filled: an EmailMessage each would cost 700 times more. Refuses: a value that could break out of its header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from hashlib import blake2b
from html import escape
from typing import NamedTuple

from digest.delivery import headers
from digest.errors import BadInput
from digest.render import quoted
from digest.render.shapes import SLOT, Rendered, Shell, clean, slot

# What needs no escaping in HTML and, but for the bullets of a masked address, no encoding in quoted-printable.
_PLAIN = re.compile(r"(?!From )[A-Za-z0-9/:@,_-][A-Za-z0-9/:@,_. •-]{0,73}")
_LINK = re.compile(r"[a-z]+:[!#-;=?-~]+")


class Recipient(NamedTuple):
    """One person at the moment of hand-over. `slots` fills the variant's slots: unsubscribe and preferences (full
    addresses), masked (their address as pages may show it), asked (when they asked, in words)."""

    subscriber_id: int
    address: str
    name: str
    slots: Mapping[str, str]


@dataclass(frozen=True)
class Sheet:
    """What a provider that builds the message itself is given: texts with slots, and the headers that all share."""

    from_name: str
    from_address: str
    reply_to: str
    subject: str
    text: str
    html: str
    headers: Mapping[str, str]  # list headers and Auto-Submitted; not what differs from reader to reader


@dataclass(frozen=True)
class Compiled:
    """A variant ready to be joined; made by `compile`. The numbers say where in `template` what is filled in."""

    uid: str  # of the edition
    sender: str
    sheet: Sheet
    template: tuple[bytes, ...]
    to: int
    id: int
    link: int | None
    slots: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]  # name, places in the text, places in the HTML
    domain: str
    seed: blake2b  # keyed, fed with the uid

    @property
    def size(self) -> int:
        """Bytes that it takes, the texts for providers included (one for each character)."""
        return sum(map(len, self.template)) + len(self.sheet.text) + len(self.sheet.html)

    def message_id(self, recipient: Recipient) -> str:
        """The Message-ID with its brackets: always the same for this edition and subscriber."""
        return f"<{self._name(recipient.subscriber_id)}@{self.domain}>"

    def join(self, recipient: Recipient) -> bytes:
        """The whole message for one person. Raises BadInput for an address that no header can carry."""
        parts, values = list(self.template), recipient.slots
        parts[self.to] = headers.mailbox(recipient.name, recipient.address)
        parts[self.id] = self.message_id(recipient).encode("ascii")
        if self.link is not None:
            parts[self.link] = _link(values["unsubscribe"])
        for name, in_text, in_html in self.slots:
            plain, escaped = _filling(values[name])
            for place in in_text:
                parts[place] = plain
            for place in in_html:
                parts[place] = escaped
        return b"".join(parts)

    def _name(self, subscriber: int) -> str:
        state = self.seed.copy()
        part = b"%d" % subscriber
        state.update(b"\0\0\0%c%b" % (len(part), part))
        return state.hexdigest()


def compile(rendered: Rendered, shell: Shell, *, uid: str, variant: int, key: bytes, date: datetime) -> Compiled:
    """The byte parts of `rendered`, for the edition `uid`; `key` makes Message-IDs, `date` (aware) is the edition's."""
    boundary = "=_" + blake2b(f"{uid}/{variant}".encode(), digest_size=16).hexdigest()
    segments = [*_head(rendered, shell, date, boundary), f"--{boundary}\r\n".encode()]
    segments += [_part_head("plain"), *_body(rendered.text, "text "), f"\r\n--{boundary}\r\n".encode()]
    segments += [_part_head("html"), *_body(rendered.html, "html "), f"\r\n--{boundary}--\r\n".encode()]
    used = sorted(set(SLOT.findall(rendered.html + rendered.text)))
    seed = blake2b(key=key, digest_size=16)
    seed.update(len(uid.encode()).to_bytes(4, "big") + uid.encode())
    return Compiled(
        uid=uid,
        sender=headers.mailbox("", shell.from_address).decode("ascii"),
        sheet=_sheet(rendered, shell),
        template=tuple(b"" if isinstance(segment, str) else segment for segment in segments),
        to=segments.index("to"),
        id=segments.index("id"),
        link=segments.index("link") if "link" in segments else None,
        slots=tuple((name, _places(segments, f"text {name}"), _places(segments, f"html {name}")) for name in used),
        domain=headers.domain(shell.from_address.rpartition("@")[2]),
        seed=seed,
    )


def _places(segments: list[bytes | str], name: str) -> tuple[int, ...]:
    return tuple(place for place, segment in enumerate(segments) if segment == name)


def _head(rendered: Rendered, shell: Shell, date: datetime, boundary: str) -> Iterable[bytes | str]:
    """The header: bytes, and the names of what is filled in."""
    yield b"From: " + headers.mailbox(shell.from_name, shell.from_address) + b"\r\nTo: "
    yield "to"
    yield b"\r\n" + headers.text("Subject", rendered.subject)
    yield headers.whole("Date", format_datetime(date.astimezone(UTC))) + b"Message-ID: "
    yield "id"
    yield b"\r\n"
    if shell.reply_to:
        yield b"Reply-To: " + headers.mailbox("", shell.reply_to) + b"\r\n"
    if slot("unsubscribe") in rendered.html:
        yield b"List-Unsubscribe: <"
        yield "link"
        yield b">\r\n"
    yield b"".join(headers.whole(name, value) for name, value in _shared(rendered, shell).items())
    yield headers.whole("MIME-Version", "1.0")
    yield f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n\r\n'.encode("ascii")


def _sheet(rendered: Rendered, shell: Shell) -> Sheet:
    return Sheet(
        from_name=clean(shell.from_name),
        from_address=headers.mailbox("", shell.from_address).decode("ascii"),
        reply_to=headers.mailbox("", shell.reply_to).decode("ascii") if shell.reply_to else "",
        subject=clean(rendered.subject)[: headers.TEXT_LIMIT].rstrip(),
        text=rendered.text,
        html=rendered.html,
        headers=_shared(rendered, shell),
    )


def _shared(rendered: Rendered, shell: Shell) -> dict[str, str]:
    """Headers that all readers' mails have alike: those of a list only where one can leave it."""
    listed = _list_headers(shell) if slot("unsubscribe") in rendered.html else {}
    return listed | {"Auto-Submitted": "auto-generated"}


def _list_headers(shell: Shell) -> dict[str, str]:
    host = headers.domain(shell.host)
    phrase = clean(shell.digest_name)
    phrase = f'"{phrase}" ' if phrase.isascii() and not set(phrase) & set('"\\') and 0 < len(phrase) < 120 else ""
    fields = (f"edition-{shell.edition}", f"digest-{shell.digest_slug}", f"cadence-{shell.cadence}", _sender(host))
    lines = {
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": f"{phrase}<{shell.digest_slug}.{host}>",
        "List-Archive": f"<{shell.site_url}/editions/>",
        "List-Help": f"<{shell.site_url}/ask>",
        "Feedback-ID": ":".join(fields),
    }
    if shell.reply_to:
        lines["List-Owner"] = f"<mailto:{headers.mailbox('', shell.reply_to).decode('ascii')}>"
    return lines


def _sender(host: str) -> str:
    """The last field of Feedback-ID: 5 to 15 characters, the same in every mail of this site."""
    return "".join(filter(str.isalnum, host))[:15].ljust(5, "0")


def _part_head(subtype: str) -> bytes:
    return (
        f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    ).encode("ascii")


def _body(source: str, kind: str) -> Iterable[bytes | str]:
    """The body of a part: static bytes encoded once, and the names of what is filled in, kept on lines of its own."""
    pieces = SLOT.split(source)
    for at, piece in enumerate(pieces):
        last = at == len(pieces) - 1
        if at % 2:
            yield kind + piece
        else:
            soft = b"=\r\n" if at and not piece.startswith("\n") and not (last and not piece) else b""
            yield soft + (quoted.encode(piece) if last else quoted.opened(piece))


def _filling(value: str) -> tuple[bytes, bytes]:
    """`value` as it stands in the text part and in the HTML part."""
    if _PLAIN.fullmatch(value):
        plain = value.encode().replace(b"\xe2\x80\xa2", b"=E2=80=A2")
        if len(plain) < quoted.WIDTH:
            return plain, plain
    return _encoded(value)


@lru_cache(maxsize=1024)
def _encoded(value: str) -> tuple[bytes, bytes]:
    value = clean(value)
    plain, escaped = quoted.value(value), escape(value)
    return plain, plain if escaped == value else quoted.value(escaped)


def _link(value: str) -> bytes:
    if not _LINK.fullmatch(value) or len(value) > 970:
        raise BadInput("unsubscribe link", "It is no address that a header can carry.", "Check the site's address.")
    return value.encode("ascii")
