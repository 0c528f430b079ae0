"""The hub: told of every change once, told again when it was away, and never told through a private door."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from digest import feeds, fetch, items
from digest.config import FeedsSection, Settings
from digest.db import Database
from digest.feeds import websub
from digest.items import Draft
from tests.conftest import NOW
from tests.digest.feed_samples import SETTINGS
from tests.standins.hostile_host import HostileHost, listening

WAY = fetch.also(["127.0.0.0/8"])
OK = b"HTTP/1.1 204 No Content\r\n\r\n"
ALL = [f"{slug}.{ending}" for slug in ("all", "hiring", "kind--fact-sheet") for ending in ("rss", "atom", "json")]


@contextmanager
def hub(*answers: bytes) -> Iterator[tuple[HostileHost, Settings]]:
    """A hub that gives these answers, the last one again and again; and settings that name it."""
    left = list(answers)

    def answer() -> Iterator[bytes]:
        yield left.pop(0) if len(left) > 1 else left[0]

    with listening("127.0.0.1", {"/": answer}) as host:
        section = FeedsSection(hub=f"http://127.0.0.1:{host.port}/")
        yield host, SETTINGS.model_copy(update={"feeds": section})


def told(host: HostileHost) -> list[str]:
    """The feeds that the hub was told of since it was last looked at."""
    forms = [parse_qs(request.partition(b"\r\n\r\n")[2].decode()) for request in host.asked]
    host.asked.clear()
    assert all(form["hub.mode"] == ["publish"] and form["hub.url"] == form["hub.topic"] for form in forms)
    return [form["hub.url"][0].removeprefix("https://news.example.org/feeds/") for form in forms]


def publish(db: Database, settings: Settings, folder: Path, slug: str) -> None:
    with db.transaction() as conn:
        draft = Draft(slug, "fact sheet", slug, published_on="2026-08-17", topics=("hiring",))
        items.put(conn, draft, now=NOW, zone="UTC")
    with db.reading() as conn:
        feeds.build(settings, conn, folder)


def test_each_change_is_told_once(db: Database, tmp_path: Path) -> None:
    with hub(OK) as (host, settings):
        publish(db, settings, tmp_path, "one")
        assert websub.announce(settings, tmp_path, now=NOW, way=WAY).taken == tuple(ALL)
        assert told(host) == ALL
        assert websub.announce(settings, tmp_path, now=NOW, way=WAY) == websub.Round()
        publish(db, settings, tmp_path, "two")
        websub.announce(settings, tmp_path, now=NOW, way=WAY)
        assert told(host) == ALL


def test_a_hub_that_is_away_is_asked_again_later_and_later(db: Database, tmp_path: Path) -> None:
    away = b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n"
    with hub(OK, away, away, b"", OK) as (host, settings):
        publish(db, settings, tmp_path, "one")
        now = NOW
        done = websub.announce(settings, tmp_path, now=now, way=WAY)
        assert (done.taken, "503" in done.why) == (("all.rss",), True)
        for wait in (60, 120, 240):
            host.asked.clear()
            assert websub.announce(settings, tmp_path, now=now + timedelta(seconds=wait - 1), way=WAY) == websub.Round()
            assert host.asked == []
            now += timedelta(seconds=wait)
            done = websub.announce(settings, tmp_path, now=now, way=WAY)
        assert (done.taken, done.why) == (tuple(ALL[1:]), "")
        assert json.loads((tmp_path / ".told").read_bytes())["failures"] == 0


def test_a_clock_that_was_set_back_keeps_nothing_waiting() -> None:
    waits = websub.Told("https://hub.example.org/", {}, 1, NOW + timedelta(days=365))
    assert websub.due(waits, {"all.rss": "1"}, NOW) == ["all.rss"]


def test_what_the_hub_refuses_is_not_told_again_until_it_changes(db: Database, tmp_path: Path) -> None:
    with hub(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", OK) as (host, settings):
        publish(db, settings, tmp_path, "one")
        done = websub.announce(settings, tmp_path, now=NOW, way=WAY)
        assert (done.refused, len(done.taken)) == (("all.rss",), 8)
        host.asked.clear()
        websub.announce(settings, tmp_path, now=NOW, way=WAY)
        assert host.asked == []


def test_another_hub_knows_nothing_yet(db: Database, tmp_path: Path) -> None:
    with hub(OK) as (_, settings), hub(OK) as (other, others):
        publish(db, settings, tmp_path, "one")
        websub.announce(settings, tmp_path, now=NOW, way=WAY)
        websub.announce(others, tmp_path, now=NOW, way=WAY)
        assert told(other) == ALL


def test_an_inner_address_is_refused_unless_it_is_named(db: Database, tmp_path: Path) -> None:
    with hub(OK) as (host, settings):
        publish(db, settings, tmp_path, "one")
        assert "not on the public Internet" in websub.announce(settings, tmp_path, now=NOW).why
        assert host.asked == []


def test_without_a_hub_and_while_another_process_tells_it_nothing_is_done(db: Database, tmp_path: Path) -> None:
    with hub(OK) as (host, settings):
        publish(db, settings, tmp_path, "one")
        assert websub.announce(SETTINGS, tmp_path, now=NOW, way=WAY) == websub.Round()
        with (tmp_path / ".told.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert websub.announce(settings, tmp_path, now=NOW, way=WAY) == websub.Round()
        assert host.asked == []


def test_no_build_clears_away_what_is_just_written_about_the_hub(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync
    kept_out = []

    def meanwhile(descriptor: int) -> None:
        if [*tmp_path.glob("..told.*")]:
            with (tmp_path / ".lock").open("w") as turn, contextlib.suppress(BlockingIOError):
                kept_out.append(True)
                fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
                kept_out.pop()
        fsync(descriptor)

    with hub(OK) as (_, settings):
        publish(db, settings, tmp_path, "one")
        monkeypatch.setattr(os, "fsync", meanwhile)
        websub.announce(settings, tmp_path, now=NOW, way=WAY)
    assert kept_out == [True]


@pytest.mark.parametrize("half", [b"", b"[]", b'{"hub": 1}', b"\xff"])
def test_a_damaged_memory_of_the_hub_is_begun_anew(db: Database, tmp_path: Path, half: bytes) -> None:
    with hub(OK) as (host, settings):
        publish(db, settings, tmp_path, "one")
        (tmp_path / ".told").write_bytes(half)
        websub.announce(settings, tmp_path, now=NOW, way=WAY)
        assert told(host) == ALL
