"""Runs through the command line: shown, skipped, moved, restored."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from digest.home import open_home
from digest.staff import activity
from tests.digest.cli.conftest import Digest

HOUR = timedelta(hours=1)


def first(digest: Digest) -> dict[str, Any]:
    """The next run as `show` has it."""
    found: dict[str, Any] = digest("schedule", "show", "weekly", "--json").document[0]
    return found


def local(at: str, later: timedelta) -> str:
    """A moment as somebody types it, in the zone of the example."""
    moment = datetime.fromisoformat(at) + later
    return f"{moment.astimezone(ZoneInfo('America/New_York')):%Y-%m-%dT%H}"


def test_a_run_is_moved_shown_and_restored(digest: Digest, example: Path) -> None:
    before = first(digest)
    said = digest("schedule", "move", "weekly", "--to", local(before["at"], HOUR), "--why", "A holiday.").out
    assert " happens on Mon, " in said
    assert ", 8:00 a.m. E" in said
    moved = first(digest)
    assert (moved["run"], moved["moved"], moved["at"] > before["at"]) == (before["run"], True, True)
    assert "A holiday." in digest("schedule", "show", "weekly").out
    assert digest("schedule", "restore", "weekly", before["run"]).out.endswith("is moved no more.\n")
    assert first(digest) == before
    assert "not moved" in digest("schedule", "restore", "weekly", before["run"]).line


def test_a_run_is_skipped_and_restored_and_all_of_it_is_on_record(digest: Digest, example: Path) -> None:
    before = first(digest)
    assert digest("schedule", "skip", "weekly", "--why", "A holiday.", "--json").document["run"] == before["run"]
    assert first(digest)["skipped"]
    assert digest("schedule", "restore", "weekly", before["run"]).out.endswith("is skipped no more.\n")
    assert not first(digest)["skipped"]
    with contextlib.closing(open_home(example)) as home, home.db.reading() as conn:
        back, skipped = activity.lines(conn, limit=2)
    assert (skipped.deed, skipped.after, skipped.staff_id) == ("skipped", {"why": "A holiday."}, None)
    assert (back.deed, back.thing) == ("took back the skipping of", skipped.thing)


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("2020-01-01T07", "to: This moment has passed."),
        ("2999-01-01T07", "to: It would change places with another run."),
        ("soon", "--to: 'soon' is no moment."),
    ],
)
def test_a_moment_that_does_not_fit_is_refused(digest: Digest, to: str, words: str) -> None:
    told = digest("schedule", "move", "weekly", "--to", to, "--why", "So.")
    assert (told.code, words in told.line) == (2, True), told.err


def test_without_a_reason_nothing_is_done(digest: Digest) -> None:
    assert "--why: It says nothing." in digest("schedule", "skip", "weekly", "--why", " ").line
