"""Looks at several hosts at once: which come in time, and what becomes of the others."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from digest.intake import look
from digest.intake.look import Look, Looks
from digest.intake.polling import Standing
from tests.conftest import NOW
from tests.sources_world import SETTINGS

STANDING = Standing("https://site.example/feed/", checked_at=NOW, read_at=NOW, next_check_at=NOW)
CAME = Look(why="It came.")


def looks(monkeypatch: pytest.MonkeyPatch, does: Callable[[], Look], seconds: float = look.LATEST) -> Looks:
    """A look under way at source 1, which does this."""
    monkeypatch.setattr(look, "LATEST", seconds)
    monkeypatch.setattr(look, "again", lambda settings, standing: does())
    return Looks(SETTINGS, {1: STANDING})


def test_what_came_while_nobody_heard_is_heard_however_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the mail of a pass takes hours."""
    others = {*threading.enumerate()}
    under_way = looks(monkeypatch, lambda: CAME, 0.0)
    for thread in {*threading.enumerate()} - others:
        thread.join()
    assert [*under_way.come(lambda: False)] == [(1, CAME)]
    assert [*under_way.come(lambda: False)] == []


def test_what_never_comes_is_told_in_the_end_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def waits() -> Look:
        over.wait(30)
        return CAME

    under_way = looks(monkeypatch, waits)
    assert [*under_way.come(lambda: False, within=0.0)] == []
    assert [*under_way.come(lambda: True)] == []
    under_way = looks(monkeypatch, waits, 0.0)
    assert [*under_way.come(lambda: False)] == [(1, Look(why="There was no answer within 0 seconds."))]
    over.set()


def test_a_fault_of_the_program_is_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks() -> Look:
        raise ZeroDivisionError

    assert [*looks(monkeypatch, breaks).come(lambda: False)] == [(1, Look(why=look.FAULT))]
