"""A change of settings and its line in the record come together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection

from digest import config, settable
from digest.db import Database
from digest.home import Home
from digest.staff import accounts, activity, arranging
from digest.staff.arranging import Wish
from tests.conftest import NOW


class Failing(Database):
    """A database whose commit fails, as on a full disk."""

    @contextmanager
    def transaction(self, *, bulk: bool = False) -> Iterator[Connection]:
        with super().transaction(bulk=bulk) as conn:
            yield conn
            raise OSError(28, "No space left on device")


def test_a_change_whose_record_cannot_be_kept_is_taken_back(home: Home) -> None:
    with home.db.transaction() as conn:
        dana = accounts.add(conn, "dana@example.org", name="Dana", role=accounts.OWNER, now=NOW)
    before = (home.path / config.FILE).read_bytes()
    seen = settable.mark(settable.texts(home.settings, ["site.name"]))
    wish = Wish("Names", {"site.name": "Other"}, seen)
    failing = Home(home.path, home.settings, home.keys, Failing(str(home.db.url)), home.seen)
    with pytest.raises(OSError, match="No space left"):
        arranging.change(failing, dana, wish, now=NOW)
    failing.db.close()
    assert (home.path / config.FILE).read_bytes() == before
    with home.db.reading() as conn:
        assert activity.lines(conn) == []
    assert arranging.change(home, dana, wish, now=NOW)
    assert home.settings.site.name == "Other"
    with home.db.reading() as conn:
        (line,) = activity.lines(conn)
    assert (line.deed, line.thing, line.after) == ("changed", "the settings: Names", {"name": "Other"})
