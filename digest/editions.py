"""One edition of a series: compile, propose, freeze.

Promises: an edition holds the publication log above its series' mark and never looks at dates; a series has at most
one open edition; frozen contents never change, except that a withdrawn item pauses the edition and asks. The mark is
not moved here but by the commit that completes the plan. Refuses: a run by hand that finds nothing to send. The
rules are those of docs/why/log-not-dates.md; what is pure in them stands in `sharing`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import accents, arrangements, items, news, publications, sharing, tables
from digest.arrangements import Arrangement
from digest.config import Settings
from digest.errors import NotFound, Refused
from digest.items import Entry
from digest.publications import Digest, Series
from digest.schedules import Schedule
from digest.second_person import Colleague
from digest.tables import edition_entries
from digest.tables import editions as t

DRAFT, REVIEW, FROZEN, SENDING = "draft", "review", "frozen", "sending"
SENT, CANCELLED, SKIPPED = "sent", "cancelled", "skipped"
ENDED = (SENT, CANCELLED, SKIPPED)


@dataclass(frozen=True, kw_only=True)
class Edition:
    """One issue of a series, or a letter. `id` is its permanent number; `number` counts within the series.

    What has a value here is so of an edition with which nothing was done yet.
    """

    id: int
    uid: str
    kind: str  # digest, carries, letter
    digest_id: int
    cadence: str | None  # a letter belongs to no series
    number: int | None = None
    state: str
    reason: str = ""
    mark_from: int
    last: int
    mark_to: int
    by_hand: bool
    content_hash: str = ""
    asked_by_id: int | None = None
    asked_by: str = ""
    approved_by: str | None = None
    created_at: datetime
    frozen_at: datetime | None = None
    starts_at: datetime | None = None
    paused_at: datetime | None = None
    paused_why: str = ""
    question: bool = False
    as_is: bool = False
    cancelling: str | None = None
    settings: Mapping[str, Any] | None = None
    plan_fence: int = 0
    plan_done_at: datetime | None = None
    closed_at: datetime | None = None

    @property
    def shown_state(self) -> str:
        """The state as people see it: pausing and canceling are flags in the table and states on a page."""
        if self.state in (FROZEN, SENDING) and self.paused_at:
            return "paused"
        return "cancelling" if self.cancelling and self.state not in ENDED else self.state

    @property
    def goes_at(self) -> datetime:
        """From when on its mails may go: what a mail is dated by, and what the life of its links counts from."""
        return max(filter(None, (self.frozen_at, self.starts_at)), default=self.created_at)

    @property
    def sender(self) -> Colleague | None:
        """Who of the staff sent it by hand; None when that was the clock, or the machine."""
        return None if self.asked_by_id is None else Colleague(self.asked_by_id, self.asked_by)

    @property
    def is_carries(self) -> bool:
        """Whether it is for owed entries alone."""
        return self.kind == "carries"

    @property
    def is_letter(self) -> bool:
        """Whether it is a text of its own instead of news; `digest.letters` has the text."""
        return self.kind == "letter"

    @property
    def series(self) -> str:
        """The cadence of its series. Raises ValueError for a letter, which has none."""
        if self.cadence is None:
            raise ValueError(f"edition {self.id} is in no series")
        return self.cadence


COLUMNS = [t.c[name] for name in Edition.__dataclass_fields__]
# For who reads many: what was frozen is the largest part of each.
WITHOUT_SETTINGS = [column for column in COLUMNS if column.name != "settings"]


LARGEST = 2**31 - 1  # number that a database can hold; whoever asks for another one asks for none
# Built once: senders read their edition in every commit.
_FIND = sa.select(*COLUMNS).where(t.c.id == sa.bindparam("number"))
_HOLD_SERIES = (
    sa.select(tables.series.c.mark)
    .where(tables.series.c.digest_id == sa.bindparam("digest"), tables.series.c.cadence == sa.bindparam("at"))
    .with_for_update()
)
_HOLD_DIGEST = (
    sa.select(tables.digests.c.id).where(tables.digests.c.id == sa.bindparam("digest")).with_for_update(key_share=True)
)
FLAGS = ("state", "paused_at", "question", "as_is", "cancelling", "plan_fence")
_FLAGS = sa.select(*(t.c[name] for name in FLAGS)).where(t.c.id == sa.bindparam("number")).with_for_update(read=True)
_FLAGS_LOCKED = _FLAGS.with_for_update()
_FIND_SHARED, _FIND_LOCKED = _FIND.with_for_update(read=True), _FIND.with_for_update()


def from_row(row: sa.Row[Any]) -> Edition:
    """The edition in a row of COLUMNS."""
    return Edition(**row._mapping)


def find(conn: Connection, number: int, *, lock: bool = False, share: bool = False) -> Edition:
    """The edition with this permanent number; `lock` or `share` hold it until the commit. Raises NotFound."""
    query = _FIND_LOCKED if lock else _FIND_SHARED if share else _FIND
    row = conn.execute(query, {"number": number}).one_or_none() if 0 < number <= LARGEST else None
    if row is None:
        raise NotFound(f"There is no edition {number}. `digest editions list` shows those there are.")
    return from_row(row)


def refreshed(conn: Connection, edition: Edition, *, lock: bool = False) -> Edition:
    """The edition with what may change while it goes out read anew, and held until the commit."""
    row = conn.execute(_FLAGS_LOCKED if lock else _FLAGS, {"number": edition.id}).one()
    now = tuple(row)
    return edition if now == tuple(getattr(edition, name) for name in FLAGS) else find(conn, edition.id)


def all_editions(conn: Connection, *, states: Collection[str] = ()) -> list[Edition]:
    """Every edition (in these states), oldest first."""
    select = sa.select(*COLUMNS).order_by(t.c.id)
    if states:
        select = select.where(t.c.state.in_(states))
    return [from_row(row) for row in conn.execute(select)]


def open_edition(conn: Connection, digest_id: int, cadence: str, *, lock: bool = True) -> Edition | None:
    """The series' one edition whose plan is not complete, if there is one; it is locked."""
    wanted = (
        sa.select(*COLUMNS)
        .where(t.c.digest_id == digest_id, t.c.cadence == cadence)
        .where(t.c.plan_done_at.is_(None), t.c.state.not_in((SKIPPED, CANCELLED)))
    )
    row = conn.execute(wanted.with_for_update() if lock else wanted).one_or_none()
    return from_row(row) if row else None


@dataclass(frozen=True)
class Run:
    """Why an edition is wanted: by the calendar or by hand, from when on, and whether a person must look first."""

    now: datetime
    starts_at: datetime
    by_hand: bool = False
    owed: bool = False
    carries: bool = False  # some active reader of the series is owed something
    ask: str = ""  # a reason why a person must approve it first
    sender: Colleague | None = None  # who of the staff sends it by hand


def compile(conn: Connection, settings: Settings, digest: Digest, series: Series, run: Run) -> Edition:
    """The edition of this run: frozen, in review, or skipped with its reason; an open one is adopted.

    A frozen edition that waits for its plan is returned as it is, and so is one in review that somebody sent by hand
    when the same is sent once more. Raises Refused when a run by hand finds nothing.
    """
    last = news.counter(conn)
    series = lock_series(conn, digest.id, series.cadence)
    found = open_edition(conn, digest.id, series.cadence)
    contents = collect(conn, digest.id, series, last)
    if found and found.state == REVIEW:
        if _is_asked_for(conn, found, run, contents):
            return found
        _end(conn, found.id, "It was not approved before the next run. Its items move on.", run.now)
        found = None
    if found and found.state == FROZEN and not (_may_grow(found) and contents):
        return found
    verdict = sharing.decide(
        news=len({entry.item_id for entry in contents}),
        carries=run.carries,
        fewest=1 if series.cadence == "instant" else series.fewest,  # an alert waits for nothing
        skipped_runs=series.skipped_runs,
        by_hand=run.by_hand,
        owed=run.owed,
    )
    if verdict.kind == "skipped" and (run.by_hand or run.owed):
        raise Refused(_nothing(verdict, digest))
    edition_id = found.id if found else _insert(conn, digest, series, run)
    if verdict.kind == "skipped":
        _count_skipped(conn, series, verdict)
        return _end(conn, edition_id, verdict.reason, run.now)
    propose(conn, edition_id, series, contents if verdict.kind == "digest" else [], last, run)
    _count_skipped(conn, series, verdict)
    if run.ask or series.needs_approval:
        return _to_review(conn, edition_id, run.ask or "This digest is approved before it goes out.")
    return freeze(conn, edition_id, settings, run.now)


def _is_asked_for(conn: Connection, found: Edition, run: Run, contents: Sequence[Entry]) -> bool:
    """Whether an edition in review was sent by hand with what is sent now: a second press is no second edition."""
    if not run.sender or not found.sender:
        return False
    arrangement = arrangements.of(conn, found.digest_id, found.series)
    pairs = _in_order(conn, [] if run.owed else contents, arrangement)
    return found.content_hash == contents_hash(pairs, arrangement)


def _may_grow(found: Edition) -> bool:
    """An edition for owed entries alone, not begun, takes what is new instead of making it wait for another run."""
    return found.is_carries and found.plan_fence == 0 and found.paused_at is None


def _nothing(verdict: sharing.Verdict, digest: Digest) -> str:
    if verdict.reason.startswith("Nothing is owed"):
        return f"Nothing is owed to anyone of {digest.slug}. There is nothing to send."
    return f"Nothing is new for {digest.slug} and nothing is owed. Publish an item first."


def lock_series(conn: Connection, digest_id: int, cadence: str) -> Series:
    """The series, locked until the transaction ends: freezing, planning and refiling meet here."""
    hold_series(conn, digest_id, cadence)
    return publications.one_series(conn, digest_id, cadence)


def hold_series(conn: Connection, digest_id: int, cadence: str) -> None:
    """Only the lock of `lock_series`."""
    conn.execute(_HOLD_SERIES, {"digest": digest_id, "at": cadence})


def hold(conn: Connection, edition: Edition) -> None:
    """What planning holds so that no reader changes meanwhile: the edition's series, or for a letter its digest."""
    if edition.cadence is None:
        hold_digest(conn, edition.digest_id)
    else:
        hold_series(conn, edition.digest_id, edition.cadence)


def hold_digest(conn: Connection, digest_id: int) -> None:
    """Holds the row that every change to the digest's people notes itself in (`publications.touch_people`)."""
    conn.execute(_HOLD_DIGEST, {"digest": digest_id})


def schedule(series: Series, zone: str) -> Schedule | None:
    """When the series runs; alerts have no calendar."""
    if series.cadence == "instant":
        return None
    return Schedule(series.cadence, series.hour, series.weekday, series.month_day, zone)


def collect(conn: Connection, digest_id: int, series: Series, last: int) -> list[Entry]:
    """The log above the series' mark up to `last`, without what is withdrawn or held back."""
    entries = news.entries(conn, above=series.mark, upto=last)
    held = held_back(conn, digest_id, series.cadence)
    published = published_ids(conn, {entry.item_id for entry in entries})
    return [entry for entry in entries if entry.item_id in published and entry.sequence not in held]


def waiting(conn: Connection, series: Series) -> list[Entry]:
    """What the next edition of the series would hold, as things stand."""
    return collect(conn, series.digest_id, series, news.latest(conn))


def held_back(conn: Connection, digest_id: int, cadence: str) -> set[int]:
    """The sequences that staff hold back in this series."""
    h = tables.held_back
    return set(conn.scalars(sa.select(h.c.sequence).where(h.c.digest_id == digest_id, h.c.cadence == cadence)))


def published_ids(conn: Connection, item_ids: Collection[int]) -> set[int]:
    """Those of the items that are published now."""
    i = tables.items
    return set(conn.scalars(sa.select(i.c.id).where(i.c.id.in_(list(item_ids)), i.c.state == "published")))


def propose(conn: Connection, edition_id: int, series: Series, contents: Sequence[Entry], last: int, run: Run) -> None:
    """Writes an edition's contents in reading order; none means that it is for owed entries alone."""
    arrangement = arrangements.of(conn, series.digest_id, series.cadence)
    pairs = _in_order(conn, contents, arrangement)
    rows = [
        {"edition_id": edition_id, "position": n, "sequence": s, "revision": r} for n, (s, r) in enumerate(pairs, 1)
    ]
    conn.execute(sa.delete(edition_entries).where(edition_entries.c.edition_id == edition_id))
    if rows:
        conn.execute(sa.insert(edition_entries), rows)
    conn.execute(
        sa.update(t)
        .where(t.c.id == edition_id)
        .values(
            kind="digest" if rows else "carries",
            mark_from=series.mark,
            last=last,
            mark_to=last if rows else series.mark,
            by_hand=run.by_hand,
            starts_at=run.starts_at,
            content_hash=contents_hash(pairs, arrangement),
            asked_by_id=run.sender.id if run.sender else None,
            asked_by=run.sender.name if run.sender else "",
            approved_by=None,
        )
    )


def propose_anew(
    conn: Connection, edition: Edition, series: Series, last: int, now: datetime, *, by: Colleague | None = None
) -> Edition:
    """Writes what an edition in review would hold by now; whoever looked at it must look again.

    `by` is who changed it, and so is no second person to approve it.
    """
    contents = collect(conn, edition.digest_id, series, last)
    starts = edition.starts_at or now
    run = Run(now=now, starts_at=starts, by_hand=edition.by_hand, sender=by or edition.sender)
    propose(conn, edition.id, series, contents, last, run)
    return find(conn, edition.id)


def _in_order(conn: Connection, contents: Sequence[Entry], arrangement: Arrangement) -> list[tuple[int, int]]:
    """The sequences of the contents in reading order, each with the revision that its item has now."""
    by_id = items.by_ids(conn, {entry.item_id for entry in contents})
    log = {entry.sequence: entry for entry in contents}
    order = sharing.reading_order(log, log, by_id, placed=arrangement.placed)
    return [(sequence, by_id[log[sequence].item_id].revision) for sequence in order]


def contents_hash(pairs: Iterable[tuple[int, int]], arrangement: Arrangement) -> str:
    """What an approval is bound to: the entries, their order, the exact revision of each item, and what staff wrote."""
    told = [list(pair) for pair in pairs]
    written = json.dumps([told, arrangement.openings] if arrangement.openings else told, sort_keys=True)
    return blake2b(written.encode(), digest_size=16).hexdigest()


def freeze(conn: Connection, edition_id: int, settings: Settings, now: datetime) -> Edition:
    """Fixes contents, settings and identity; the people are counted when the plan is made."""
    edition = find(conn, edition_id, lock=True)
    digest = publications.by_id(conn, edition.digest_id)
    number = edition.number or _next_number(conn, edition)
    conn.execute(
        sa.update(t)
        .where(t.c.id == edition_id)
        .values(
            state=FROZEN,
            reason="",
            number=number,
            frozen_at=now,
            settings=snapshot(
                settings,
                digest,
                cadence=edition.series,
                edition=edition.id,
                day=edition.starts_at or now,
                since=since(conn, edition.digest_id, edition.series, before=edition.id),
                series=publications.one_series(conn, edition.digest_id, edition.series),
                arrangement=arrangements.of(conn, edition.digest_id, edition.series),
            ),
        )
    )
    if not edition.is_carries:
        _series_update(conn, edition, skipped_runs=0)
    return find(conn, edition_id)


def snapshot(
    settings: Settings,
    digest: Digest,
    *,
    cadence: str,
    edition: int,
    day: datetime,
    since: str,
    series: Series | None = None,
    arrangement: Arrangement | None = None,
) -> dict[str, Any]:
    """Identity and addresses as they are now, in plain values: later changes never touch a frozen edition.

    `series` has the rules of its lists, and `arrangement` what staff chose; mails without entries have neither.
    """
    site, colors = settings.site, accents.of(settings.looks)
    return {
        "site_name": site.name,
        "organization": site.organization,
        "site_url": site.url,
        "address": site.address,
        "calls_to_action": [call.model_dump() for call in site.calls_to_action],
        "digest_slug": digest.slug,
        "digest_name": digest.name,
        "cadence": cadence,
        "edition": edition,
        "date": day.astimezone(ZoneInfo(digest.zone)).date().isoformat(),
        "since": since,
        "zone": digest.zone,
        "from_name": digest.from_name,
        "from_address": digest.from_address,
        "reply_to": digest.reply_to,
        "most": series.most if series else 0,
        "age_limit": series.age_limit if series else 0,
        "placed": list(arrangement.placed) if arrangement else [],
        "openings": arrangement.openings if arrangement else {},
        **({"accent": colors.day, "accent_dark": colors.night} if colors.is_own else {}),
    }


def since(conn: Connection, digest_id: int, cadence: str, *, before: int | None = None) -> str:
    """The local day (ISO) of the series' latest edition (before one), or nothing."""
    select = sa.select(t.c.settings).where(t.c.digest_id == digest_id, t.c.cadence == cadence)
    select = select.where(t.c.plan_done_at.is_not(None), t.c.kind == "digest")
    if before is not None:
        select = select.where(t.c.id < before)
    row = conn.execute(select.order_by(t.c.id.desc()).limit(1)).scalar_one_or_none()
    return str(row["date"]) if row else ""


def _next_number(conn: Connection, edition: Edition) -> int:
    s = tables.series
    return int(
        conn.execute(
            sa.update(s)
            .where(s.c.digest_id == edition.digest_id, s.c.cadence == edition.cadence)
            .values(next_number=s.c.next_number + 1)
            .returning(s.c.next_number - 1)
        ).scalar_one()
    )


def _series_update(conn: Connection, of: Edition | Series, **values: Any) -> None:
    s = tables.series
    conn.execute(sa.update(s).where(s.c.digest_id == of.digest_id, s.c.cadence == of.cadence).values(**values))


def _insert(conn: Connection, digest: Digest, series: Series, run: Run, *, state: str = DRAFT) -> int:
    result = conn.execute(
        sa.insert(t)
        .values(
            uid=secrets.token_hex(16),
            kind="digest",
            digest_id=digest.id,
            cadence=series.cadence,
            state=state,
            mark_from=series.mark,
            last=series.mark,
            mark_to=series.mark,
            created_at=run.now,
            starts_at=run.starts_at,
        )
        .returning(t.c.id)
    )
    return int(result.scalar_one())


def _count_skipped(conn: Connection, series: Series, verdict: sharing.Verdict) -> None:
    """A run for want of the fewest is one of those after which what is new goes out all the same."""
    if verdict.for_want:
        _series_update(conn, series, skipped_runs=series.skipped_runs + 1)


def _end(conn: Connection, edition_id: int, reason: str, now: datetime) -> Edition:
    conn.execute(sa.update(t).where(t.c.id == edition_id).values(state=SKIPPED, reason=reason, closed_at=now))
    return find(conn, edition_id)


def skip_run(conn: Connection, digest: Digest, series: Series, run: Run, reason: str) -> Edition:
    """A run that is not to happen: recorded as skipped, its entries wait. An open edition is left alone."""
    return _end(conn, _insert(conn, digest, series, run, state=SKIPPED), reason, run.now)


def _to_review(conn: Connection, edition_id: int, reason: str) -> Edition:
    conn.execute(sa.update(t).where(t.c.id == edition_id).values(state=REVIEW, reason=reason))
    return find(conn, edition_id)
