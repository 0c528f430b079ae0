"""Letters: a text of its own to the active readers of a digest, or to some of them, by the same road as editions.

Promises: a letter is checked as a finished mail before it is frozen, and only what was checked (`Ready`) can be; it
is frozen at once with identity and addresses, and starts then or later; where a second person approves, it waits in
review, bound to its text and to whom it is for, and is frozen by the approval; it belongs to no series, moves no mark
and carries nothing. Refuses: what must be fixed before a mail may go out, a letter to those of an edition that still
goes out, and within an hour the same text again, unless it is for those whom the first did not surely reach or is
asked for expressly.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b
from typing import Any, NewType

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import config, editions, items, news, preflight, publications, render, review, second_person, tables
from digest.config import Settings
from digest.editions import ENDED, FROZEN, REVIEW, Edition
from digest.errors import NotFound, Refused
from digest.intake.letter import Manuscript
from digest.markup import Clean
from digest.publications import Digest
from digest.second_person import Colleague
from digest.tables import letters as t
from digest.tables import micros

TWINS = timedelta(hours=1)  # within which the same text is taken for a slip


@dataclass(frozen=True)
class Segment:
    """Which of a digest's active readers a letter is for; whatever is empty asks for nothing."""

    topics: tuple[str, ...] = ()  # who chose one of them at any cadence
    language: str = ""
    joined_since: datetime | None = None
    received: int | None = None  # the edition that was accepted for them
    received_item: str = ""  # the slug of an item that was in a mail accepted for them
    not_reached: int | None = None  # the edition that did not surely reach them

    def to_json(self) -> dict[str, Any]:
        """As plain values, for a JSON column."""
        since = micros(self.joined_since) if self.joined_since else None
        return {**vars(self), "topics": list(self.topics), "joined_since": since}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Segment:
        """The segment that `to_json` described."""
        since = plain["joined_since"]
        moment = None if since is None else tables.EPOCH + timedelta(microseconds=since)
        return cls(**{**plain, "topics": tuple(plain["topics"]), "joined_since": moment})


@dataclass(frozen=True)
class Letter:
    """What makes an edition a letter."""

    manuscript: Manuscript
    segment: Segment


@dataclass(frozen=True)
class Order:
    """A letter to be sent; `again`: though the same text went out within the hour."""

    digest: Digest
    letter: Letter
    again: bool = False


class Twin(Refused):
    """The same text went out within the hour, as this edition."""

    def __init__(self, edition: int, when: str) -> None:
        self.edition, self.when = edition, when
        super().__init__(
            f"The same letter was sent as edition {edition} {when}. --not-reached {edition} sends it to those whom it "
            "did not surely reach, --again once more to everyone."
        )


@dataclass(frozen=True)
class Looked:
    """The mail of a letter in one language, and what was found in it."""

    shell: render.Shell
    rendered: render.Rendered
    findings: tuple[preflight.Finding, ...]


Ready = NewType("Ready", Order)  # one that was checked: only `check` makes it


def of(conn: Connection, edition_id: int) -> Letter:
    """The text and the segment of a letter. Raises NotFound when the edition is none."""
    row = conn.execute(sa.select(t).where(t.c.edition_id == edition_id)).one_or_none()
    if row is None:
        raise NotFound(f"Edition {edition_id} is no letter.")
    text = Manuscript(row.subject, row.preheader, Clean(row.body), row.markdown)
    return Letter(text, Segment.from_json(row.segment))


def rendered(shell: render.Shell, language: str, letter: Letter, topics: Sequence[str]) -> render.Rendered:
    """The mail of a letter in one language; `topics` are the names of its segment's. Its count is filled in later."""
    text = letter.manuscript
    return render.letter(shell, language, subject=text.subject, preheader=text.preheader, body=text.body, topics=topics)


def topic_names(conn: Connection, segment: Segment) -> list[str]:
    """What readers call the topics of a segment."""
    names = {topic.slug: topic.name for topic in publications.topics(conn)}
    return [names.get(slug, slug) for slug in segment.topics]


# --- checking --------------------------------------------------------------------------------------------------


def check(conn: Connection, settings: Settings, order: Order, *, now: datetime) -> Ready:
    """The letter, fit to go out. Raises Refused with what must be fixed, NotFound for what its segment names."""
    check_order(conn, settings, order, now=now)
    findings = look_over(conn, settings, order.digest, order.letter, order.digest.languages[0], now=now).findings
    faults = [
        f"{one.what} ({', '.join(filter(None, (one.where, one.figure)))})" for one in findings if one.level == "fix"
    ]
    if faults:
        raise Refused(" ".join(["The letter cannot go out like this.", *faults]))
    return Ready(order)


def check_order(conn: Connection, settings: Settings, order: Order, *, now: datetime) -> None:
    """Raises Refused, Twin or NotFound for what stands against a letter besides what `look_over` finds in it."""
    if faults := config.sending_faults(settings):
        raise Refused(" ".join(faults))
    _check_segment(conn, order.digest, order.letter.segment)
    _refuse_twin(conn, order, now)


def look_over(
    conn: Connection,
    settings: Settings,
    digest: Digest,
    letter: Letter,
    language: str,
    *,
    people: int = 1,
    now: datetime,
) -> Looked:
    """The letter as the mail that it would be for so many people, with all that is to be said about it."""
    shell = render.Shell.from_json(_snapshot(settings, digest, 0, now))
    mail = render.counted(rendered(shell, language, letter, topic_names(conn, letter.segment)), people, language)
    known = preflight.known_items(partial(items.is_shown, conn))
    return Looked(shell, mail, preflight.check(mail, shell, entries=(), known=known))


def _check_segment(conn: Connection, digest: Digest, segment: Segment) -> None:
    for slug in segment.topics:
        publications.topic(conn, slug)
    for number in filter(None, (segment.received, segment.not_reached)):
        edition = editions.find(conn, number)
        if edition.digest_id != digest.id:
            other = publications.by_id(conn, edition.digest_id).slug
            raise Refused(f"Edition {number} is of {other}. Name one of {digest.slug}, or write to {other}.")
        if edition.state not in ENDED:
            raise Refused(
                f"Edition {number} is {edition.shown_state}, so it is not known yet whom it reaches. "
                f"Wait until it has ended (`digest editions show {number}`)."
            )
    if segment.received_item:
        _check_item(conn, digest, segment.received_item)


def _check_item(conn: Connection, digest: Digest, slug: str) -> None:
    """Raises Refused while an edition with the item is on its way: who gets it last would not get the letter."""
    e, ve, log = tables.editions, tables.variant_entries, tables.publication_log
    of_item = sa.select(log.c.sequence).where(log.c.item_id == items.find(conn, slug).id)
    holding = sa.select(ve.c.edition_id).where(ve.c.sequence.in_(of_item))
    on_its_way = (e.c.digest_id == digest.id, e.c.state == editions.SENDING, e.c.id.in_(holding))
    number = conn.scalar(sa.select(sa.func.min(e.c.id)).where(*on_its_way))
    if number is not None:
        raise Refused(f"Edition {number} still goes out with {slug}, so it is not known yet whom it reaches. Wait.")


# --- sending ---------------------------------------------------------------------------------------------------


def send(
    conn: Connection,
    settings: Settings,
    ready: Ready,
    *,
    sender: Colleague | None,
    now: datetime,
    starts_at: datetime | None = None,
) -> Edition:
    """Makes the letter an edition that is due now, or at a later moment; nobody is counted yet.

    It is frozen; where a second person approves what is sent, it is in review. Raises Refused when the same text went
    out meanwhile (two at once wait for each other here), or when a letter that must be approved is in nobody's name.
    """
    reason = second_person.reason(settings, sender)
    number = _insert(conn, ready, sender=sender, reason=reason, now=now, starts_at=starts_at or now)
    return editions.find(conn, number) if reason else _freeze(conn, settings, number, now)


def approve(
    conn: Connection,
    number: int,
    settings: Settings,
    *,
    by: Colleague | str,
    now: datetime,
    seen: str | None = None,
    starts_at: datetime | None = None,
) -> tuple[Edition, bool]:
    """Freezes a letter exactly as it was proposed; True beside it when it is approved, as `review.approve` does.

    Raises Refused when it is not in review, when what it needs is not as it was, and to whoever is no second person.
    """
    news.counter(conn)  # before everything else, as the order of locks has it
    edition = review.in_review(editions.find(conn, number, lock=True))
    second_person.refuse_author(settings, edition.sender, by)
    if seen is not None and seen != edition.content_hash:
        return edition, False
    # The same text twice was asked about when it was proposed.
    check(conn, settings, Order(publications.by_id(conn, edition.digest_id), of(conn, number), again=True), now=now)
    review.approved(conn, edition, by=by, starts_at=starts_at)
    return _freeze(conn, settings, number, now), True


def _insert(
    conn: Connection, ready: Ready, *, sender: Colleague | None, reason: str, now: datetime, starts_at: datetime
) -> int:
    last, digest, letter = news.counter(conn), ready.digest, ready.letter
    editions.hold_digest(conn, digest.id)
    _refuse_twin(conn, ready, now)
    e, text = tables.editions, letter.manuscript
    values = {"kind": "letter", "digest_id": digest.id, "state": REVIEW, "reason": reason, "by_hand": True}
    asked = {"asked_by_id": sender.id, "asked_by": sender.name} if sender else {}
    marks = dict.fromkeys(("mark_from", "last", "mark_to"), last)
    times = {"created_at": now, "starts_at": starts_at}
    identity = {"uid": secrets.token_hex(16), "content_hash": _hash(letter)}
    insert = sa.insert(e).values(**identity, **values, **asked, **marks, **times)
    number = int(conn.execute(insert.returning(e.c.id)).scalar_one())
    parts = {"subject": text.subject, "preheader": text.preheader, "body": text.body, "markdown": text.markdown}
    conn.execute(sa.insert(t).values(edition_id=number, **parts, segment=letter.segment.to_json()))
    return number


def _freeze(conn: Connection, settings: Settings, number: int, now: datetime) -> Edition:
    """Fixes identity and addresses as they are now."""
    edition, e = editions.find(conn, number), tables.editions
    digest = publications.by_id(conn, edition.digest_id)
    fixed = {"state": FROZEN, "reason": "", "frozen_at": now}
    fixed["settings"] = _snapshot(settings, digest, number, edition.starts_at or now)
    marks = dict.fromkeys(("mark_from", "last", "mark_to"), news.counter(conn))
    conn.execute(sa.update(e).where(e.c.id == number).values(**fixed, **marks))
    return editions.find(conn, number)


def _snapshot(settings: Settings, digest: Digest, number: int, now: datetime) -> dict[str, Any]:
    return editions.snapshot(settings, digest, cadence=render.LETTER, edition=number, day=now, since="")


def _hash(letter: Letter) -> str:
    """What an approval is bound to: the text, and whom it is for."""
    text = letter.manuscript
    whole = [text.subject, text.preheader, text.body, letter.segment.to_json()]
    return blake2b(json.dumps(whole, sort_keys=True).encode(), digest_size=16).hexdigest()


def _refuse_twin(conn: Connection, order: Order, now: datetime) -> None:
    """A letter to those whom an edition did not surely reach doubles nothing, and may say the same."""
    if order.again or order.letter.segment.not_reached is not None:
        return
    e, text = tables.editions, order.letter.manuscript
    same = (t.c.subject == text.subject, t.c.preheader == text.preheader, t.c.body == text.body)
    twin = conn.execute(
        sa.select(e.c.id, e.c.starts_at, e.c.state)
        .join(t, t.c.edition_id == e.c.id)
        .where(e.c.digest_id == order.digest.id, e.c.kind == "letter", *same)
        .where(sa.or_(e.c.starts_at > now - TWINS, e.c.state == REVIEW), e.c.state != editions.SKIPPED)
        .order_by(e.c.id.desc())
        .limit(1)
    ).one_or_none()
    if twin is None:
        return
    if twin.state == REVIEW:
        raise Twin(twin.id, "and waits for approval")
    minutes = (now - twin.starts_at) // timedelta(minutes=1)
    ago = "just now" if minutes < 1 else f"{minutes} {'minute' if minutes == 1 else 'minutes'} ago"
    raise Twin(twin.id, "and waits for its moment" if twin.starts_at > now else ago)
