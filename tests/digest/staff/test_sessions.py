"""New ids of sessions, on both databases: one request brings it, the old one fades, and copies are found out."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from digest.db import Database
from digest.staff import accounts, sessions
from digest.staff.sessions import Session
from tests.conftest import NOW


@pytest.fixture
def db(either_db: Database) -> Database:
    with either_db.transaction() as conn:
        accounts.add(conn, "dana@example.org", name="Dana", role=accounts.OWNER, now=NOW)
    return either_db


def sign_in(db: Database) -> str:
    return db.run(lambda conn: sessions.open(conn, 1, half=False, ip="192.0.2.1", agent="A", now=NOW))


def find(db: Database, token: str, now: datetime = NOW) -> Session | None:
    with db.reading() as conn:
        return sessions.find(conn, token, now=now)


def test_of_two_requests_at_once_one_brings_the_new_id_and_both_are_let_in(db: Database) -> None:
    token = sign_in(db)
    db.run(lambda conn: sessions.renew_all(conn, 1))
    both = [find(db, token), find(db, token)]
    new = [db.run(lambda conn, one=one: sessions.renew(conn, one, token, now=NOW)) for one in both]  # type: ignore[misc]
    assert new[0]
    assert new[1] is None
    for held in (token, new[0]):
        session = find(db, held)
        assert session is not None
        assert (session.id, session.renew) == (1, False)
    db.run(lambda conn: sessions.renew_all(conn, 1))  # another role again, at once
    again = find(db, token)
    assert again
    assert db.run(lambda conn: sessions.renew(conn, again, token, now=NOW)) is None  # not for who has the old id
    late = NOW + sessions.GRACE
    assert find(db, new[0], late)
    assert find(db, token, late) is None
    with db.reading() as conn:
        assert sessions.held_twice(conn, token, now=NOW) is None
        assert sessions.held_twice(conn, token, now=late) == 1
        assert sessions.held_twice(conn, "made up", now=late) is None
    assert db.run(lambda conn: sessions.end_copies(conn, token))
    assert find(db, new[0], late) is None


def test_a_new_id_keeps_the_end_that_the_session_has(db: Database) -> None:
    token = sign_in(db)
    db.run(lambda conn: sessions.renew_all(conn, 1))
    session = find(db, token)
    assert session
    new = db.run(lambda conn: sessions.renew(conn, session, token, now=NOW + timedelta(hours=1)))
    assert new
    assert find(db, new, NOW + sessions.IDLE) is None


def test_whoever_changes_how_they_sign_in_leaves_no_copy_behind(db: Database) -> None:
    tokens = [sign_in(db) for _ in range(2)]
    sessions_before = [find(db, token) for token in tokens]
    assert sessions_before[0]
    new = db.run(lambda conn: sessions.renew_now(conn, sessions_before[0]))  # type: ignore[arg-type]
    assert [find(db, token) is not None for token in (*tokens, new)] == [False, True, True]
