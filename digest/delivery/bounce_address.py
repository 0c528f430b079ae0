"""Envelope senders that name their delivery: `b-UID-PERSON-MAC@` the domain where bounces arrive.

Promises: a bounce identifies its delivery even with no usable body (variable envelope return paths), and only this
home can make such an address: the MAC is keyed BLAKE2b (RFC 7693), cut to 64 bits. Letters of either case read the
same, since mail systems change them; the local part has at most 64 characters (RFC 5321 s.4.5.3.1.1). Refuses by
returning None: whatever an address holds never raises.
"""

from __future__ import annotations

import re
from hmac import compare_digest

from digest import keys
from digest.keys import Keyring

PURPOSE = "envelope"
MOST = 1 << 48  # of subscriber ids, so that the local part stays within its 64 characters

_TOKEN = re.compile(r"b-([0-9a-f]{32})-(0|[1-9a-f][0-9a-f]{0,11})-([0-9a-f]{16})", re.ASCII)


class BounceAddresses:
    """Makes and reads the bounce addresses of one home. The key is one that is never rotated."""

    def __init__(self, keyring: Keyring, domain: str) -> None:
        self._key = keyring.derive_fixed(PURPOSE)
        self._domain = domain

    def address(self, uid: str, subscriber_id: int) -> str:
        """The envelope sender of one delivery. ValueError when `uid` is not 32 hexadecimal digits."""
        if len(uid) != 32 or not 0 <= subscriber_id < MOST:
            raise ValueError("a bounce address names an edition's uid of 32 digits and a subscriber below 2^48")
        return f"b-{uid}-{subscriber_id:x}-{self._mac(bytes.fromhex(uid), subscriber_id)}@{self._domain}"

    def read(self, address: str) -> tuple[str, int] | None:
        """The edition's uid and the subscriber that a genuine address names, else None. The domain is not looked at."""
        found = _TOKEN.fullmatch(address.rpartition("@")[0].lower() if "@" in address else address.lower())
        if found is None:
            return None
        uid, subscriber_id = found[1], int(found[2], 16)
        return (uid, subscriber_id) if compare_digest(found[3], self._mac(bytes.fromhex(uid), subscriber_id)) else None

    def _mac(self, uid: bytes, subscriber_id: int) -> str:
        return keys.mac(self._key, uid, subscriber_id.to_bytes(6, "big"))[:8].hex()
