"""What is asked of SendGrid, as JSON: a group of one variant's readers, or a mail that is whole already.

Promises: nobody sees another's address (one personalization each); Message-ID and unsubscribe link are each reader's
own; SendGrid's own tracking and unsubscribing are switched off in every request, whatever the account has on, since
they rewrite links; no address or name goes where it is kept for ever (custom arguments): those hold an opaque id.
What readers share is turned into JSON once for a variant. Pure. Refuses a reader whose address SendGrid cannot take.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from email import policy
from email.parser import BytesParser
from typing import Any, Protocol, runtime_checkable
from unicodedata import normalize
from urllib.parse import quote

import orjson

from digest.delivery import headers
from digest.delivery.message import Recipient, Sheet
from digest.delivery.transports.base import Answer, Body, Receipt, unfit
from digest.errors import BadInput
from digest.render.shapes import SLOT, clean, slot

LARGEST = 28_000_000  # bytes of a request; the service takes less than 30 MB
SUBSTITUTED = 10_000  # bytes of names and values in one personalization

# Mail Send API reference, "headers": these may not be set.
RESERVED = frozenset((
    "x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding",
    "to", "from", "subject", "reply-to", "cc", "bcc",
))  # fmt: skip
# Written by the service for itself, or named by properties of their own.
_NOT_KEPT = RESERVED | {"mime-version", "content-disposition", "date", "return-path", "sender"}

# Without these the account's own switches count, and may be on.
UNTRACKED = {
    "click_tracking": {"enable": False, "enable_text": False},
    "open_tracking": {"enable": False},
    "subscription_tracking": {"enable": False},
    "ganalytics": {"enable": False},
}

_LINK = re.compile(r"[a-z]+:[!#-;=?-~]+")  # visible, and nothing that ends it or the brackets around it
_CLASHING = str.maketrans("", "", "&<>\"'")

# Most readers' values need no change, for JSON, for a header or for HTML; one look at all of them together tells.
_PLAIN_ADDRESS = r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
_PLAIN_NAME = r"(?:[\w.'-]{1,39}(?: [\w.'-]{1,39}){0,2})?"  # within NAME_LIMIT
_PLAIN_PERSON = re.compile(rf"{_PLAIN_ADDRESS}\n{_PLAIN_NAME}")
_PLAIN_LINK = re.compile("[a-z]+:[!-~]+")
# The last three are those of the bullet in a masked address; what else they could spell needs no change either.
_PLAIN_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 /:?=%#,._~+@-\xe2\x80\xa2"
_PLAIN_LONGEST = 1_000  # letters of all values together, far below SUBSTITUTED bytes and the longest name or header


@runtime_checkable
class Sheeted(Protocol):
    """As much of a compiled variant as this needs."""

    @property
    def uid(self) -> str:
        """Names the edition."""

    @property
    def sheet(self) -> Sheet:
        """What a provider that builds the message itself is given."""

    def message_id(self, recipient: Recipient) -> str:
        """The Message-ID with its brackets."""


@dataclass(frozen=True)
class Form:
    """A variant's part of every request; made by `form`. A body is `head`, the personalizations, `tail`."""

    variant: Sheeted
    head: bytes
    tail: bytes
    pattern: str  # of a personalization, for address, name, number, Message-ID and the values of `names`
    names: tuple[str, ...]  # of slots; when `linked` the first is for the header List-Unsubscribe
    linked: bool  # whether one can leave the list

    def body(self, personalizations: Iterable[str]) -> bytes:
        """The request's body."""
        return b"".join((self.head, ",".join(personalizations).encode("utf-8"), self.tail))

    def personalizations(self, recipients: Iterable[Recipient]) -> tuple[list[str], Mapping[int, Receipt]]:
        """One for each recipient, in order, as JSON; and the answers, by place, for those for whom there is none."""
        made, refused = [], {}
        for place, recipient in enumerate(recipients):
            try:
                made.append(self._one(recipient))
            except BadInput as error:
                refused[place] = unfit(error)
            except _BadLink:
                refused[place] = _BAD_LINK
        return made, refused

    def _one(self, recipient: Recipient) -> str:
        number, address, name, slots = recipient
        values = [slots[slot] for slot in self.names]
        if not (_PLAIN_PERSON.fullmatch(f"{address}\n{name}") and self._are_plain(values)):
            address, name, values = self._mended(address, name, values)
        named = f',"name":"{name}"' if name else ""
        return self.pattern % (address, named, number, self.variant.message_id(recipient), *values)

    def _are_plain(self, values: Sequence[str]) -> bool:
        """Whether the values need no change, and the first is an address when it is for a header."""
        all_of_it = "".join(values)
        if len(all_of_it) > _PLAIN_LONGEST or "@@" in all_of_it or all_of_it.encode().translate(None, _PLAIN_BYTES):
            return False
        return not self.linked or _PLAIN_LINK.fullmatch(values[0]) is not None

    def _mended(self, address: str, name: str, values: Sequence[str]) -> tuple[str, str, list[str]]:
        """Address, name and values as they can be sent, the quotes around them left off. Raises BadInput, _BadLink."""
        mailbox = _mailbox(address, name)
        filled = list(map(_literal, values))
        if self.linked:
            filled[0] = values[0]
            if not _LINK.fullmatch(values[0]) or len(values[0]) > 970:
                raise _BadLink
        _check_size(self.names[self.linked :], filled[self.linked :])
        return _quoted(mailbox["email"]), _quoted(mailbox.get("name", "")), list(map(_quoted, filled))


class _BadLink(Exception):
    """An unsubscribe link that no header can carry: the site's address is at fault, so it is so for everyone."""


_BAD_LINK = Receipt(
    Answer.RELAY, "unsubscribe link", "The unsubscribe link cannot stand in a header. Check [site] url in the settings."
)


def form(variant: Body) -> Form:
    """The variant's part of every request. Raises TypeError for a mail that is whole: that is for `whole`."""
    if not isinstance(variant, Sheeted):
        raise TypeError("a mail that is whole goes through single()")
    sheet = variant.sheet
    shared: dict[str, Any] = {
        "from": _named(sheet.from_address, _ascii(sheet.from_name)),
        "subject": sheet.subject,
        "content": _content(sheet.text, sheet.html),
        "headers": {name: value for name, value in sheet.headers.items() if name.lower() not in RESERVED},
        "tracking_settings": UNTRACKED,
    }
    if sheet.reply_to:
        shared["reply_to"] = {"email": sheet.reply_to}
    used = sorted(set(SLOT.findall(sheet.html + sheet.text)))
    linked = slot("unsubscribe") in sheet.html
    return Form(
        variant=variant,
        head=orjson.dumps(shared)[:-1] + b',"personalizations":[',
        tail=b"]}",
        pattern=_pattern(variant.uid, used, linked),
        names=("unsubscribe", *used) if linked else tuple(used),
        linked=linked,
    )


def _pattern(uid: str, used: Sequence[str], linked: bool) -> str:
    link = ',"List-Unsubscribe":"<%s>"' if linked else ""
    filled = ",".join(f'"{slot(name)}":"%s"' for name in used)
    return (
        f'{{"to":[{{"email":"%s"%s}}],"custom_args":{{"did":"{_quoted(uid).replace("%", "%%")}-%d"}},'
        f'"headers":{{"Message-ID":"%s"{link}}}' + (f',"substitutions":{{{filled}}}}}' if used else "}")
    )


def whole(body: Body, recipient: Recipient) -> dict[str, Any]:
    """The request for one mail with nothing to fill in. Raises BadInput for what SendGrid cannot carry."""
    mail = BytesParser(policy=policy.default).parsebytes(body.join(recipient))
    parts = {part.get_content_type(): part for part in mail.walk() if not part.is_multipart()}
    if parts.keys() - {"text/plain", "text/html"}:
        raise BadInput("mail", "It has a part that is neither text nor HTML.", "Send it without attachments.")
    bodies = {kind: part.get_content().replace("\r\n", "\n") for kind, part in parts.items()}
    person = {
        "to": [_mailbox(recipient.address, _display_name(mail["To"]))],
        "custom_args": {"did": f"{body.uid}-{recipient.subscriber_id}"},
    }
    made = {
        "personalizations": [person],
        "from": _named(body.sender, _ascii(_display_name(mail["From"]))),
        "subject": clean(str(mail["Subject"] or "")),
        "content": _content(bodies.get("text/plain", ""), bodies.get("text/html", "")),
        "headers": {name: clean(str(value)) for name, value in mail.items() if name.lower() not in _NOT_KEPT},
        "tracking_settings": UNTRACKED,
    }
    if mail["Reply-To"] is not None:
        made["reply_to"] = {"email": mail["Reply-To"].addresses[0].addr_spec}
    return made


def _display_name(header: Any) -> str:
    """The name in an address header that may not be there."""
    return header.addresses[0].display_name if header is not None and header.addresses else ""


def _mailbox(address: str, name: str) -> dict[str, str]:
    """A recipient. Raises BadInput for an address that is not ASCII before its @: SendGrid has no SMTPUTF8."""
    # Mail Send limitations: a recipient's name must not contain ; or ,
    fit = clean(name.replace(",", " ").replace(";", " "))[: headers.NAME_LIMIT].rstrip()
    return _named(headers.mailbox("", address).decode("ascii"), fit)


def _named(address: str, name: str) -> dict[str, str]:
    return {"email": address, "name": name} if name else {"email": address}


def _ascii(name: str) -> str:
    """A sender's name in ASCII: "Unicode encoding is not supported for the from field" (Mail Send limitations).

    Accents are taken off letters; a name that cannot be written so is left out, since half of it would be another.
    """
    stripped = "".join(c for c in normalize("NFKD", clean(name)) if not "\u0300" <= c <= "\u036f")
    plain = stripped.translate({0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"', 0x2013: "-", 0x2014: "-"})
    return plain if plain.isascii() else ""


def _content(text: str, html: str) -> list[dict[str, str]]:
    """Both parts, the text first (RFC 2046 s.5.1.4, and the service insists); an empty one may not be sent."""
    parts = (("text/plain", text), ("text/html", html))
    return [{"type": kind, "value": value} for kind, value in parts if value]


def _literal(value: str) -> str:
    """`value` as it can stand in the text and in the HTML alike.

    SendGrid replaces a marker by the same letters in both parts and escapes nothing. What HTML would read as markup is
    left out; in a link it is percent-encoded, so that the link goes on working.
    """
    value = clean(value)
    return quote(value, safe="!#$%()*+,/:;=?@[]~") if _LINK.match(value) else value.translate(_CLASHING)


def _check_size(names: Sequence[str], values: Sequence[str]) -> None:
    size = sum(len(slot(name)) + len(value.encode("utf-8")) for name, value in zip(names, values, strict=True))
    if size > SUBSTITUTED:
        raise BadInput("reader", "What is filled in for them is longer than SendGrid takes.", "Shorten it.")


def _quoted(value: str) -> str:
    """`value` as it stands in JSON, without the quotes around it."""
    return orjson.dumps(value)[1:-1].decode("utf-8")
