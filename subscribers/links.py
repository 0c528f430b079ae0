"""Signed links: what lets a person act on their own subscription without a password.

A link names a digest and a subscriber, never an address, and holds for one scope. "unsubscribe" never expires and is
read with every key the home ever had: mail is kept for years. "preferences" holds for 90 days under the key of today.
A link of the scope "once" names a row that says what it is for (`sent_links`).
Promises: one form only (any changed character is refused), comparison in constant time, at most 44 characters, since
header lines are short. Refuses by returning None: whatever stands in a link never raises.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from hmac import compare_digest

from digest import keys
from digest.keys import Keyring

UNSUBSCRIBE = "unsubscribe"
PREFERENCES = "preferences"
ONCE = "once"
LIFETIME = timedelta(days=90)  # of a preferences link, from the issue of the mail that holds it

_MAC = 16
_HEADS = {UNSUBSCRIBE: struct.Struct(">HI"), PREFERENCES: struct.Struct(">HIH")}  # key number, digest, expiry day
_PERSON = struct.Struct(">I")
_ONCE = struct.Struct(">HI")  # key number, row
_EPOCH = date(1970, 1, 1)
_LONGEST = 44
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True)
class Grant:
    """What a genuine link allows: acting in `scope` for one subscriber of one digest."""

    scope: str
    digest_id: int
    subscriber_id: int


def expiry(issued: datetime) -> date:
    """The last day (UTC) on which a preferences link issued at `issued` holds."""
    return (issued.astimezone(UTC) + LIFETIME).date()


class Issuer:
    """Issues the links of one digest quickly: the keys are derived once, a microsecond a link.

    `expires_day` is the last day of the preferences links (`expiry`). `key` is the number of the signing key, by
    default the current one: an edition frozen under an older key can go on with it for unsubscribe links.
    """

    def __init__(self, keyring: Keyring, digest_id: int, *, expires_day: date, key: int | None = None) -> None:
        number = key or keyring.current
        self.unsubscribe = _signer(keyring, UNSUBSCRIBE, number, _HEADS[UNSUBSCRIBE].pack(number, digest_id))
        current = keyring.current
        head = _HEADS[PREFERENCES].pack(current, digest_id, (expires_day - _EPOCH).days)
        self.preferences = _signer(keyring, PREFERENCES, current, head)


def _signer(keyring: Keyring, scope: str, number: int, head: bytes) -> Callable[[int], str]:
    """From a subscriber to their token: the hash state after key, length and head is copied for each."""
    start = blake2b(key=_key(keyring, scope, number), digest_size=_MAC)
    start.update((len(head) + _PERSON.size).to_bytes(4, "big") + head)  # as keys.mac keeps parts apart
    copy, pack, b64 = start.copy, _PERSON.pack, binascii.b2a_base64
    length = -(-(len(head) + _PERSON.size + _MAC) * 4 // 3)  # without the padding

    def token(subscriber_id: int) -> str:
        person = pack(subscriber_id)
        state = copy()
        state.update(person)
        return b64(head + person + state.digest(), newline=False)[:length].translate(_TO_URL).decode("ascii")

    return token


def issue(keyring: Keyring, scope: str, digest_id: int, subscriber_id: int, *, expires: date | None = None) -> str:
    """One token under the current key; "preferences" needs `expires`, its last day (UTC)."""
    fields = [keyring.current, digest_id]
    if scope == PREFERENCES:
        if expires is None:
            raise ValueError("a preferences link needs its last day")
        fields.append((expires - _EPOCH).days)
    payload = _HEADS[scope].pack(*fields) + _PERSON.pack(subscriber_id)
    return _encode(payload + keys.mac(_key(keyring, scope, keyring.current), payload))


def read(keyring: Keyring, token: str, scope: str, *, now: datetime) -> Grant | None:
    """What the token allows in this scope, or None: not genuine, not whole, of another scope, or too old."""
    raw = _decode(token)
    head = _HEADS[scope]
    if raw is None or len(raw) != head.size + _PERSON.size + _MAC:
        return None
    payload = raw[:-_MAC]
    number, digest_id, *last_day = head.unpack_from(payload)
    if number not in keyring.rotating:
        return None
    if not compare_digest(raw[-_MAC:], keys.mac(_key(keyring, scope, number), payload)):
        return None
    if last_day and (number != keyring.current or (now.astimezone(UTC).date() - _EPOCH).days > last_day[0]):
        return None
    return Grant(scope, digest_id, _PERSON.unpack_from(payload, head.size)[0])


def issue_once(keyring: Keyring, number: int) -> str:
    """The token of row `number`, under the current key."""
    payload = _ONCE.pack(keyring.current, number)
    return _encode(payload + keys.mac(_key(keyring, ONCE, keyring.current), payload))


def read_once(keyring: Keyring, token: str) -> int | None:
    """The row that a token names, or None when it is not genuine; the row says how long it holds."""
    raw = _decode(token)
    if raw is None or len(raw) != _ONCE.size + _MAC:
        return None
    payload = raw[:-_MAC]
    key, number = _ONCE.unpack(payload)
    if key not in keyring.rotating or not compare_digest(raw[-_MAC:], keys.mac(_key(keyring, ONCE, key), payload)):
        return None
    return int(number)


def mask(address: str) -> str:
    """An address as pages and mails may show it: `r•••••@example.org`; the length of the name is not told."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}•••••{at}{domain}" if at else "•••••"


def _key(keyring: Keyring, scope: str, number: int) -> bytes:
    return keyring.derive(f"link:{scope}", number)


def _encode(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).rstrip(b"=").translate(_TO_URL).decode("ascii")


def _decode(token: str) -> bytes | None:
    if not token.isascii() or len(token) > _LONGEST:
        return None
    text = token.encode("ascii").translate(_FROM_URL)
    try:
        raw = binascii.a2b_base64(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return None
    return raw if _encode(raw) == token else None  # spare bits and foreign characters: one form only
