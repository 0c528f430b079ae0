"""The disk of a running send fills, or breaks: nobody is forgotten, nobody has it twice, and the reason is told."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import BytesHeaderParser
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from digest import review
from digest.db import Database
from digest.tables import State
from tests.faults import den, ground, runs, truth
from tests.faults.conftest import Mailbox
from tests.faults.den import Den
from tests.faults.ground import EDITION, Ground
from tests.faults.runs import PACE

WAITS = "the database cannot be written; sending waits for it"
STOPPING = {"FAULTS_STOP": "1"}
FULL = "The database cannot be used: the disk is full. Make room, then try again; what was begun goes on"


def on(disk: Den, original: Ground) -> Ground:
    """A copy of the home on the small disk, safely written there."""
    home = disk.place / "home"
    shutil.copytree(original.home, disk.outside(home))
    subprocess.run(["sync", "--file-system", str(disk.outside(home))], check=True)
    return original.at(home)


def seen(disk: Den, here: Ground) -> truth.Seen:
    """The ledger on the small disk."""
    return truth.look_at_copy(disk.outside(here.home / "digest.db"))


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Den]:
    """A disk that is soon full."""
    with den.small(tmp_path / "disk", megabytes=48 if ground.FULL else 12) as disk:
        yield disk


def test_a_run_waits_for_room_on_a_full_disk_and_goes_on_by_itself(
    tmp_path: Path, sqlite_ground: Ground, mailbox: Mailbox, tiny: Den
) -> None:
    here = on(tiny, sqlite_ground)
    with runs.start(here, tmp_path, environment=mailbox.environment, inside=tiny.inside) as run:
        run.until_under_way(mailbox)
        with run.standing_still():
            filling = tiny.fill()
            assert mailbox.total < here.readers
        run.until_it_says(WAITS)
        assert "database or disk is full" in run.last_line
        assert "is sending" in runs.ask(here, tmp_path, "editions", "show", str(EDITION), inside=tiny.inside)
        filling.unlink()
        run.end()
    truth.check_end(seen(tiny, here), mailbox.copies(), here.addresses)


def test_a_run_that_is_ended_on_a_full_disk_says_why_and_the_next_one_sends_the_rest(
    tmp_path: Path, sqlite_ground: Ground, mailbox: Mailbox, tiny: Den
) -> None:
    here = on(tiny, sqlite_ground)
    begin = partial(runs.start, here, tmp_path, inside=tiny.inside, environment=mailbox.environment | STOPPING)
    with begin() as run:
        run.until_under_way(mailbox)
        with run.standing_still():
            filling = tiny.fill()
            assert mailbox.total < here.readers
        run.until_it_says(WAITS)
        run.terminate()
        run.end(1)
        assert run.last_line.startswith(FULL)
    with begin() as run:
        run.end(1)
        assert run.last_line.startswith(FULL)
    truth.check(seen(tiny, here), mailbox.copies(), here.addresses)
    filling.unlink()
    with begin() as run:
        run.end()
    truth.check_end(seen(tiny, here), mailbox.copies(), here.addresses, unsure=PACE)


@pytest.mark.postgres
def test_an_edition_pauses_when_the_disk_of_the_mailbox_is_full_and_goes_on_when_staff_say_so(
    tmp_path: Path, on_postgres: Ground, tiny: Den
) -> None:
    here = on(tiny, on_postgres)
    box = tiny.outside(here.home / "mail" / "new")
    with runs.start(here, tmp_path, environment={}, inside=tiny.inside) as run:
        run.until(lambda: len(list(box.glob("*"))) >= runs.BEGUN, "the run is under way")
        with run.standing_still():
            filling = tiny.fill()
            assert len(list(box.glob("*"))) < here.readers
        run.end(1)  # its last step writes feeds
        assert run.last_line.startswith("The disk is full. Make room")
    paused = truth.look(here.url)
    assert (paused.state, paused.who(State.TRYING)) == ("paused", set())
    assert "The mailbox cannot be written: No space left on device." in paused.paused_why
    truth.check(paused, in_mailbox(box), here.addresses)
    shown = runs.ask(here, tmp_path, "editions", "show", str(EDITION), inside=tiny.inside)
    assert f"No space left on device. `digest editions resume {EDITION}` goes on." in shown
    filling.unlink()
    with transaction(here.url) as conn:
        review.resume(conn, EDITION)
    # One pass: what told staff that it stopped found no room either, and is tried again after a minute.
    with runs.start(here, tmp_path, "run", environment={}, inside=tiny.inside, pace=0) as run:
        run.end()
    truth.check_end(truth.look(here.url), in_mailbox(box), here.addresses)


def in_mailbox(folder: Path) -> Counter[str]:
    """How many mails lie there, by address."""
    return Counter(str(BytesHeaderParser().parsebytes(path.read_bytes())["To"]) for path in folder.glob("*"))


@contextmanager
def transaction(url: str) -> Iterator[sa.Connection]:
    db = Database(url)
    try:
        with db.transaction() as conn:
            yield conn
    finally:
        db.close()


def test_a_disk_that_breaks_and_becomes_read_only_leaves_nothing_but_a_window_unsure(
    tmp_path: Path, sqlite_ground: Ground, mailbox: Mailbox
) -> None:
    """What was not synced before is gone with the disk's journal, as after a power loss."""
    with den.breakable(tmp_path / "disk", megabytes=32) as disk:
        here = on(disk, sqlite_ground)
        begin = partial(runs.start, here, tmp_path, inside=disk.inside, environment=mailbox.environment | STOPPING)
        with begin() as run:
            run.until_under_way(mailbox)
            with run.standing_still():
                disk.break_down()
                assert mailbox.total < here.readers
            run.until_it_says(WAITS)
            run.terminate()
            run.end(1)
            assert run.last_line.startswith("The database cannot be used: the disk does not read or write.")
        with begin() as run:
            run.end(1)
            assert run.last_line.endswith(
                "is on a disk that cannot be written. Look after the disk, or name another place."
            )
        disk.mend()
        truth.check(seen(disk, here), mailbox.copies(), here.addresses)
        with begin() as run:
            run.end()
        truth.check_end(seen(disk, here), mailbox.copies(), here.addresses, unsure=PACE)


def test_an_error_of_the_database_names_no_values(on_either: Ground) -> None:
    """They would stand in the log: addresses, names, links."""
    statement = sa.text("INSERT INTO there_is_no_such_table VALUES (:address)")
    with pytest.raises(sa.exc.DBAPIError) as caught, transaction(on_either.url) as conn:
        conn.execute(statement, {"address": "reader1@example.org"})
    assert "there_is_no_such_table" in str(caught.value)
    assert "@example.org" not in str(caught.value)
