"""What staff are told by mail: that an edition waits for them, or stopped; that a watched source needs them.

Promises: written in the transaction that causes it, one mail per occasion, to `[site] staff_to`. Refuses nothing;
where no address for staff is set, nothing is queued and the console and command line tell it all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from digest import editions, letters, publications, render
from digest.delivery import notices
from digest.editions import Edition
from digest.home import Home
from digest.intake import polling
from digest.intake.sources import Source
from digest.publications import Digest


def needs_approval(conn: Connection, home: Home, edition: Edition, *, now: datetime) -> bool:
    """Tells staff that an edition or a letter waits for approval, and why."""
    digest = publications.by_id(conn, edition.digest_id)
    name = f"“{letters.of(conn, edition.id).manuscript.subject}”" if edition.is_letter else digest.name
    return _tell(
        conn,
        home,
        digest,
        occasion=f"review {edition.uid} {edition.content_hash}",
        subject=f"Waiting for you: {name}",
        paragraphs=[
            f"{name}, edition {edition.id}, waits for a person. {edition.reason}",
            f"To look at it, and to let it go out or not: {home.settings.site.url}/staff/editions/{edition.id}",
            f"On the command line: digest editions show {edition.id}, then approve or cancel.",
        ],
        now=now,
    )


def stopped(home: Home, conn: Connection, edition: Edition, now: datetime) -> bool:
    """Tells staff that an edition paused by itself, and why."""
    digest = publications.by_id(conn, edition.digest_id)
    return _tell(
        conn,
        home,
        digest,
        occasion=f"paused {edition.uid} {edition.paused_at}",
        subject=f"Stopped: {digest.name}",
        paragraphs=[
            f"{digest.name}, edition {edition.id}, stopped by itself and keeps its place. {edition.paused_why}",
            f"When that is mended: digest editions resume {edition.id}",
        ],
        now=now,
    )


def source_ails(home: Home, conn: Connection, source: Source, now: datetime) -> bool:
    """Tells staff that a source is asked no more, or fails again and again: once each time that it begins to."""
    standing, gone = source.standing, source.standing.state == polling.STOPPED
    read = standing.read_at.astimezone(ZoneInfo(home.settings.site.time_zone))
    return _tell(
        conn,
        home,
        publications.by_id(conn, source.digest_id),
        occasion=f"source {source.id} {standing.state} {standing.failing_since or now}",
        subject=f"{'No longer watched' if gone else 'Cannot be read'}: {source.name}",
        paragraphs=[
            f"{source.name} ({standing.address}) {'is not asked any more' if gone else 'cannot be read'}. "
            f"{standing.last_error}",
            f"It was last read on {read:%B} {read.day}, {read.year}. What came from it stays."
            + ("" if gone else " It is tried again once a day."),
            f"To try it now: digest sources check {source.id}. To give it up: digest sources remove {source.id}.",
        ],
        now=now,
    )


def _tell(
    conn: Connection, home: Home, digest: Digest, *, occasion: str, subject: str, paragraphs: list[str], now: datetime
) -> bool:
    to = home.settings.site.staff_to
    if not to:
        return False
    plain = editions.snapshot(home.settings, digest, cadence="", edition=0, day=now, since="")
    shell = render.Shell.from_json(plain)
    rendered = render.notice(shell, subject=subject, heading=subject, paragraphs=paragraphs)
    letter = notices.Letter(occasion, "staff", to, rendered)
    return bool(notices.queue(conn, letter, shell, key=home.keys.derive_fixed("message-id"), now=now))


def test_mail(
    conn: Connection,
    home: Home,
    rendered: render.Rendered,
    shell: render.Shell,
    address: str,
    *,
    occasion: str,
    slots: Mapping[str, str],
    now: datetime,
) -> bool:
    """Queues a mail that is only looked at, to one person, marked as a test; `slots` lead nowhere."""
    marked = replace(rendered, subject=f"[Test] {rendered.subject}")
    letter = notices.Letter(_test(occasion), "test", address, marked)
    key = home.keys.derive_fixed("message-id")
    return bool(notices.queue(conn, letter, shell, key=key, now=now, slots=dict(slots)))


def fate_of_test(conn: Connection, occasion: str) -> notices.Fate | None:
    """What became of a test so far, if there was one."""
    return notices.fate(conn, _test(occasion))


def _test(occasion: str) -> str:
    return f"test {occasion}"
