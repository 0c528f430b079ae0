"""The second factor of staff: six digits from an app that change each half minute (RFC 6238), and recovery codes.

Promises: a code works once; the shared secret is made from a key of the home, so that the database alone gives no
codes away; recovery codes are kept as keyed hashes and each works once. Accepts the code just before and just after,
since clocks differ. Refuses: to be switched on before a first code has been shown to work.
"""

from __future__ import annotations

import base64
import secrets
from datetime import datetime, timedelta

import pyotp
import segno
import sqlalchemy as sa
from sqlalchemy import Connection

from digest import keys
from digest.keys import Keyring
from digest.staff.accounts import Account
from digest.tables import staff as t
from digest.tables import staff_codes

STEP = timedelta(seconds=30)
CODES = 10  # recovery codes at a time


def propose() -> bytes:
    """A new secret's seed, to be confirmed by a first code."""
    return secrets.token_bytes(16)


def secret(keyring: Keyring, nonce: bytes) -> str:
    """The secret of a seed in base32, as it is typed into an app."""
    return base64.b32encode(keys.mac(keyring.derive_fixed("second-factor"), nonce) + nonce[:4]).decode()


def address(keyring: Keyring, nonce: bytes, account: Account, issuer: str) -> str:
    """The address that apps understand (otpauth, the Key Uri Format)."""
    return pyotp.TOTP(secret(keyring, nonce)).provisioning_uri(name=account.email, issuer_name=issuer)


def picture(uri: str) -> str:
    """The address as a picture to scan: SVG, black on white, whatever the page's colors."""
    return str(
        segno.make(uri, error="m").svg_inline(scale=5, border=3, light="#ffffff", dark="#000000", omitsize=False)
    )


def switch_on(conn: Connection, keyring: Keyring, account: Account, nonce: bytes, code: str, *, now: datetime) -> bool:
    """Whether the first code fits the seed; then it is the account's second factor."""
    step = _step(keyring, nonce, code, now)
    if step is None:
        return False
    conn.execute(sa.update(t).where(t.c.id == account.id).values(factor_nonce=nonce, factor_step=step))
    return True


def switch_off(conn: Connection, account: Account) -> None:
    """Without a second factor from now on; its recovery codes end."""
    conn.execute(sa.update(t).where(t.c.id == account.id).values(factor_nonce=None, factor_step=None))
    conn.execute(sa.delete(staff_codes).where(staff_codes.c.staff_id == account.id))


def match(conn: Connection, keyring: Keyring, account: Account, code: str, *, now: datetime) -> bool:
    """Whether the code of the app, or a recovery code, is good; it is used up with that."""
    row = conn.execute(sa.select(t.c.factor_nonce, t.c.factor_step).where(t.c.id == account.id).with_for_update()).one()
    if row.factor_nonce is None:
        return False
    step = _step(keyring, row.factor_nonce, code, now)
    if step is None:
        return _use_recovery(conn, keyring, account, code)
    if step <= (row.factor_step or 0):
        return False
    conn.execute(sa.update(t).where(t.c.id == account.id).values(factor_step=step))
    return True


def recovery_codes(conn: Connection, keyring: Keyring, account: Account) -> list[str]:
    """New recovery codes, shown once; older ones end."""
    made = [_readable(secrets.token_bytes(10)) for _ in range(CODES)]
    conn.execute(sa.delete(staff_codes).where(staff_codes.c.staff_id == account.id))
    rows = [{"staff_id": account.id, "hash": _hash(keyring, account, code)} for code in made]
    conn.execute(sa.insert(staff_codes), rows)
    return made


def recovery_left(conn: Connection, account: Account) -> int:
    """How many recovery codes still work."""
    query = sa.select(sa.func.count()).select_from(staff_codes).where(staff_codes.c.staff_id == account.id)
    return int(conn.scalar(query) or 0)


def _use_recovery(conn: Connection, keyring: Keyring, account: Account, code: str) -> bool:
    c = staff_codes.c
    used = sa.delete(staff_codes).where(c.staff_id == account.id, c.hash == _hash(keyring, account, code))
    return conn.execute(used).rowcount == 1


def _hash(keyring: Keyring, account: Account, code: str) -> bytes:
    plain = code.replace("-", "").replace(" ", "").casefold()
    return keys.mac(keyring.derive_fixed("recovery-code"), str(account.id).encode(), plain.encode())


def _readable(random: bytes) -> str:
    text = base64.b32encode(random).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def _step(keyring: Keyring, nonce: bytes, code: str, now: datetime) -> int | None:
    """The half minute whose code this is, if it is near."""
    plain = code.replace(" ", "")
    if not (plain.isascii() and plain.isdigit() and len(plain) == 6):
        return None
    totp = pyotp.TOTP(secret(keyring, nonce))
    current = int(now.timestamp()) // int(STEP.total_seconds())
    near = (current + 1, current, current - 1)
    return next((step for step in near if secrets.compare_digest(totp.generate_otp(step), plain)), None)
