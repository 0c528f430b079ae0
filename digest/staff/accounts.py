"""Accounts of staff: who they are and what they may do.

Promises: a role may do all that the roles before it may; there is always an owner who can sign in; an account that
ended keeps its name in the record of deeds, and its address is free for a new one. Refuses: two accounts with one
address, and to end or demote the last owner.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import db, markup, rules
from digest.errors import BadInput, NotFound, Refused
from digest.tables import staff as t
from digest.tables import staff_links, staff_sessions

VIEWER, AUTHOR, EDITOR, OWNER = "viewer", "author", "editor", "owner"
ROLES = (VIEWER, AUTHOR, EDITOR, OWNER)  # each may do all that those before it may
LONGEST = 80  # characters of a name


@dataclass(frozen=True)
class Account:
    """One of the staff. `ended_at`: they work here no more."""

    id: int
    email: str
    name: str
    role: str
    has_password: bool
    has_second_factor: bool
    created_at: datetime
    seen_at: datetime | None
    ended_at: datetime | None

    def may(self, role: str) -> bool:
        """Whether this account may do what `role` may."""
        return ROLES.index(self.role) >= ROLES.index(role)


_COLUMNS = (
    t.c.id,
    t.c.email,
    t.c.name,
    t.c.role,
    t.c.password_hash.is_not(None).label("has_password"),
    t.c.factor_nonce.is_not(None).label("has_second_factor"),
    t.c.created_at,
    t.c.seen_at,
    t.c.ended_at,
)


def every(conn: Connection, *, ended: bool = False) -> list[Account]:
    """All accounts by name, those that ended only when asked for."""
    query = sa.select(*_COLUMNS).order_by(t.c.name, t.c.id)
    return [Account(*row) for row in conn.execute(query if ended else query.where(t.c.ended_at.is_(None)))]


def by_id(conn: Connection, staff_id: int) -> Account:
    """The account with this number, ended or not. Raises NotFound."""
    row = conn.execute(sa.select(*_COLUMNS).where(t.c.id == staff_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no account {staff_id} of staff.")
    return Account(*row)


def standing(conn: Connection, staff_id: int) -> Account:
    """The account with this number. Raises NotFound, or Refused when it has ended."""
    account = by_id(conn, staff_id)
    if account.ended_at is not None:
        raise Refused(f"The account of {account.name} has ended. Add them anew.")
    return account


def find(conn: Connection, email: str) -> Account:
    """The account with this address. Raises NotFound."""
    found = known(conn, email)
    if found is None:
        raise NotFound(f"{email[:80]} is not one of the staff. `digest staff list` shows who is.")
    return found


def called(conn: Connection, who: str) -> Account:
    """The account with this address, or with this name when only one has it. Raises NotFound."""
    named = [one for one in every(conn) if one.name.casefold() == who.strip().casefold()]
    return named[0] if len(named) == 1 and "@" not in who else find(conn, who)


def known(conn: Connection, email: str) -> Account | None:
    """The account with this address, if there is one."""
    query = sa.select(*_COLUMNS).where(t.c.email_key == _key(email), t.c.ended_at.is_(None))
    row = conn.execute(query).one_or_none()
    return Account(*row) if row else None


def add(conn: Connection, email: str, *, name: str, role: str, now: datetime) -> Account:
    """A new account, without a password until its first sign-in. Raises BadInput, or Refused when there is one."""
    address = rules.address("email", email)
    values = {"email": address, "email_key": _key(address), "name": _name(name), "role": _role(role)}
    made = db.insert_new(conn, t).values(created_at=now, **values).returning(t.c.id)
    number = conn.execute(made).scalar_one_or_none()
    if number is None:
        raise Refused(f"{address} is one of the staff already. `digest staff link {address}` lets them in again.")
    return by_id(conn, number)


def set_role(conn: Connection, staff_id: int, role: str) -> Account:
    """Gives somebody another role. Raises BadInput, or Refused for the last owner."""
    _role(role)
    before = standing(conn, staff_id)
    if before.role == role:
        return before
    if before.role == OWNER:
        _keep_an_owner(conn, staff_id)
    conn.execute(sa.update(t).where(t.c.id == staff_id).values(role=role))
    return by_id(conn, staff_id)


def change(conn: Connection, staff_id: int, *, name: str, email: str) -> Account:
    """Gives somebody another name and address. Raises BadInput, or Refused when the address is another's."""
    address = rules.address("email", email)
    other = known(conn, address)
    if other is not None and other.id != staff_id:
        raise Refused(f"{address} is the address of {other.name} here.")
    values = {"name": _name(name), "email": address, "email_key": _key(address)}
    conn.execute(sa.update(t).where(t.c.id == staff_id).values(**values))
    return by_id(conn, staff_id)


def first_owner(conn: Connection, email: str, *, now: datetime) -> Account | None:
    """The owner of a new home, who has not signed in yet; made when nobody works here. None when somebody does."""
    staff = every(conn, ended=True)
    if not staff:
        return add(conn, email, name="Owner", role=OWNER, now=now)
    only = staff[0]
    return only if len(staff) == 1 and only.role == OWNER and not only.has_password and not only.ended_at else None


def end(conn: Connection, staff_id: int, *, now: datetime) -> Account:
    """Ends an account: its sessions and links stop at once. Raises Refused for the last owner."""
    before = standing(conn, staff_id)
    if before.role == OWNER:
        _keep_an_owner(conn, staff_id)
    for table in (staff_sessions, staff_links):
        conn.execute(sa.delete(table).where(table.c.staff_id == staff_id))
    gone = {"ended_at": now, "email_key": None, "password_hash": None, "factor_nonce": None}
    conn.execute(sa.update(t).where(t.c.id == staff_id).values(**gone))
    return by_id(conn, staff_id)


def _keep_an_owner(conn: Connection, staff_id: int) -> None:
    """All owners are locked in one order, so that two who demote each other at once wait, and the second is refused."""
    owners = sa.select(t.c.id).where(t.c.role == OWNER, t.c.ended_at.is_(None)).order_by(t.c.id).with_for_update()
    if not any(owner != staff_id for owner in conn.scalars(owners).all()):
        raise Refused("This is the last owner. Make somebody else an owner first.")


def _role(role: str) -> str:
    if role not in ROLES:
        raise BadInput("role", f"{role[:40]!r} is no role.", f"Choose {', '.join(ROLES[:-1])} or {ROLES[-1]}.")
    return role


def _name(name: str) -> str:
    line = markup.line(name)
    if not line or len(line) > LONGEST:
        raise BadInput("name", f"A name has 1 to {LONGEST} characters.", "Write the name as colleagues know it.")
    return line


def _key(email: str) -> str:
    return email.strip().casefold()
