"""How often somebody may ask: one address, one network, the whole site; counted in the database for all processes.

Promises: within any stretch of its length a limit lets no more through than it says; what is refused is not counted,
so that asking on does not lengthen the wait. Keys are keyed hashes: the table names nobody. Refuses nothing itself; it
tells from when on the next may come.
"""

from __future__ import annotations

import ipaddress
import itertools
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import db, keys
from digest.config import SignUpSection
from digest.keys import Keyring
from subscribers.suppression import Address
from subscribers.tables import limits as t

Limit = tuple[int, timedelta]  # so many within such a time
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

_ONE_HOUSE = {"googlemail.com": "gmail.com"}  # domains that lead to the same mailboxes


def allow(conn: Connection, key: bytes, at_most: Sequence[Limit], *, now: datetime) -> datetime | None:
    """Counts one more; or, when that would be too many, counts nothing and says when it will not be."""
    longest = max(length for _, length in at_most)
    row = {"moments": [], "until": now + longest}
    conn.execute(db.insert_new(conn, t).values(key=key, **row))
    moments = conn.execute(sa.select(t.c.moments).where(t.c.key == key).with_for_update()).scalar_one()
    second = int(now.timestamp())
    recent = [moment for moment in _unfolded(moments) if second - longest.total_seconds() < moment <= second]
    waits = [wait for limit in at_most if (wait := _wait(recent, limit, second))]
    if waits:
        return datetime.fromtimestamp(max(waits), UTC)
    conn.execute(sa.update(t).where(t.c.key == key).values(moments=_folded([*recent, second]), until=now + longest))
    return None


def clear(conn: Connection, key: bytes) -> None:
    """Counts from nothing again."""
    conn.execute(sa.delete(t).where(t.c.key == key))


def at_form(conn: Connection, keyring: Keyring, settings: SignUpSection, ip: str, *, now: datetime) -> datetime | None:
    """`allow` for whoever fills in a form: from their network, and of all together."""
    per = ((of_network(keyring, ip), settings.per_network), (of_site(keyring), settings.per_site))
    for key, most in per:
        if later := allow(conn, key, [(most, HOUR)], now=now):
            return later
    return None


def _folded(moments: Iterable[int]) -> list[int | list[int]]:
    """A second is kept as itself; one that comes several times as [second, how often], so that a storm stays short."""
    counted = [(second, len(list(same))) for second, same in itertools.groupby(moments)]
    return [second if times == 1 else [second, times] for second, times in counted]


def _unfolded(kept: Iterable[int | list[int]]) -> Iterator[int]:
    for one in kept:
        second, times = (one, 1) if isinstance(one, int) else one
        yield from itertools.repeat(second, times)


def _wait(recent: Sequence[int], limit: Limit, second: int) -> int:
    """The second from which this limit lets one more through; 0 when it does now."""
    most, length = limit
    inside = [moment for moment in recent if moment > second - length.total_seconds()]
    return inside[-most] + int(length.total_seconds()) if len(inside) >= most else 0


def forget(conn: Connection, *, now: datetime) -> int:
    """Deletes what limits nobody any more."""
    return conn.execute(sa.delete(t).where(t.c.until <= now)).rowcount


# --- keys ------------------------------------------------------------------------------------------------------


def of_address(keyring: Keyring, address: Address) -> bytes:
    """The key of a mailbox in whatever spelling: case, dots, plus tags and letters that look alike make no other."""
    local, _, domain = address.key.rpartition("@")
    plain = unicodedata.normalize("NFKC", local).casefold().partition("+")[0].replace(".", "")
    return _key(keyring, "address", f"{plain}@{_ONE_HOUSE.get(domain, domain)}")


def of_asker(keyring: Keyring, address: Address) -> bytes:
    """The key of a mailbox that questions come from: asking costs nobody their confirmation."""
    return _key(keyring, "asker", address.key)


def of_data(keyring: Keyring, address: Address) -> bytes:
    """The key of a mailbox to which links to its own data go."""
    return _key(keyring, "data", address.key)


def of_returned(keyring: Keyring, address: Address) -> bytes:
    """The key of a mailbox from which mail came back."""
    return _key(keyring, "returned", address.key)


def of_sign_in(keyring: Keyring, email: str, ip: str = "") -> bytes:
    """The key of tries to sign in as one of the staff, from one network or from anywhere."""
    return _key(keyring, "sign-in", f"{email.strip().casefold()} {network(ip) if ip else ''}")


def of_tests(keyring: Keyring, staff_id: int) -> bytes:
    """The key of the tests that one of the staff sends to themselves."""
    return _key(keyring, "test", str(staff_id))


def of_door(keyring: Keyring, ip: str) -> bytes:
    """The key of all tries to sign in from one network."""
    return _key(keyring, "door", network(ip))


def of_network(keyring: Keyring, ip: str) -> bytes:
    """The key of the network that an address of the internet is in: IPv4 /24, IPv6 /56; of what is none, its own."""
    return _key(keyring, "network", network(ip))


def of_site(keyring: Keyring) -> bytes:
    """The key of all together."""
    return _key(keyring, "site", "")


def network(ip: str) -> str:
    """192.0.2.0/24 for 192.0.2.7; IPv4 inside IPv6 counts as IPv4."""
    try:
        found = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    return str(ipaddress.ip_network(f"{found}/{24 if found.version == 4 else 56}", strict=False))


def _key(keyring: Keyring, kind: str, text: str) -> bytes:
    return keys.mac(keyring.derive_fixed("limits"), kind.encode(), text.encode())
