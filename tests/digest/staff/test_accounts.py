"""Two owners at once: one of them stays, on both databases."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from digest.db import Database
from digest.errors import Refused
from digest.staff import accounts
from tests.conftest import NOW


def test_two_owners_who_end_each_other_at_once_leave_one(either_db: Database) -> None:
    with either_db.transaction() as conn:
        pair = [
            accounts.add(conn, f"{name}@example.org", name=name, role=accounts.OWNER, now=NOW).id for name in ("a", "b")
        ]
    together, refused = threading.Barrier(2), []

    def end(staff_id: int) -> None:
        together.wait(10)
        try:
            either_db.run(partial(accounts.end, staff_id=staff_id, now=NOW))
        except Refused as error:
            refused.append(str(error))

    threads = [threading.Thread(target=end, args=(one,)) for one in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(refused) == 1
    with either_db.reading() as conn:
        assert len(accounts.every(conn)) == 1


def test_an_address_is_one_account_however_it_is_written_until_that_ends(either_db: Database) -> None:
    with either_db.transaction() as conn:
        first = accounts.add(conn, "Dana@example.org", name="Dana", role=accounts.VIEWER, now=NOW)
        with pytest.raises(Refused):
            accounts.add(conn, "dana@EXAMPLE.org", name="Other", role=accounts.VIEWER, now=NOW)
        accounts.end(conn, first.id, now=NOW)
        accounts.add(conn, "dana@example.org", name="Other", role=accounts.VIEWER, now=NOW)
        assert [one.name for one in accounts.every(conn, ended=True)] == ["Dana", "Other"]
