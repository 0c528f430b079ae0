"""Passwords of staff: hashed by argon2id (RFC 9106), judged by length and by what everybody would try first.

Promises: checking takes the same time whether or not there is an account; a hash made with older parameters is made
anew when its owner next signs in. Refuses: short passwords, and those made of the account's own name or address. Asks
for no signs of certain kinds: that makes passwords worse (NIST SP 800-63B, section 3.1.1.2).
"""

from __future__ import annotations

from functools import cache

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection

from digest.errors import BadInput
from digest.staff.accounts import Account
from digest.tables import staff as t

SHORTEST, LONGEST = 12, 200  # characters
# 19 MiB, twice over, one lane: some 25 ms, and twenty at once still fit into a small machine.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_COMMON = (
    "password",
    "passwort",
    "contraseña",
    "123456789",
    "qwerty",
    "letmein",
    "welcome",
    "iloveyou",
    "administrator",
)


def set(conn: Connection, account: Account, password: str) -> None:
    """Gives an account this password. Raises BadInput when it is too easy."""
    conn.execute(sa.update(t).where(t.c.id == account.id).values(password_hash=hashed(checked(password, account))))


def hashed(password: str) -> str:
    """The password as it is kept."""
    return HASHER.hash(password)


def checked(password: str, account: Account) -> str:
    """The password, if it is none that others would guess. Raises BadInput."""
    if len(password) < SHORTEST:
        raise BadInput("password", f"It has fewer than {SHORTEST} characters.", "Take several words, for example.")
    if len(password) > LONGEST:
        raise BadInput("password", f"It has more than {LONGEST} characters.", "Shorten it.")
    plain = password.casefold()
    own = [part for part in (*account.name.split(), *account.email.split("@")) if len(part) > 3]
    rest = plain
    for guess in (*map(str.casefold, own), *_COMMON):
        rest = rest.replace(guess, "")
    if len(rest) < SHORTEST // 2 or len({*plain}) < 5:
        raise BadInput("password", "It is one that others would try.", "Take several words that belong to nobody.")
    return password


def forget(conn: Connection, account: Account) -> None:
    """Takes the account's password away: a new one is chosen at once by whoever was let in without it."""
    conn.execute(sa.update(t).where(t.c.id == account.id).values(password_hash=None))


def stored(conn: Connection, account: Account) -> str | None:
    """The hash of the account's password, when it has one."""
    found: str | None = conn.scalar(sa.select(t.c.password_hash).where(t.c.id == account.id))
    return found


def match(conn: Connection, account: Account | None, password: str) -> str | None:
    """The hash that is kept, when it is the account's password; without an account it only takes as long."""
    kept = stored(conn, account) if account else None
    try:
        HASHER.verify(kept or _nobodys(), password[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return None
    return kept


def renew(conn: Connection, account: Account, password: str) -> None:
    """Hashes a password that matched anew, when its hash was made with older parameters."""
    kept = stored(conn, account)
    if kept and HASHER.check_needs_rehash(kept):
        conn.execute(sa.update(t).where(t.c.id == account.id).values(password_hash=hashed(password)))


@cache
def _nobodys() -> str:
    return hashed("nobody has this password")
