"""Letters that are being written: kept as drafts until they are sent, and again when they are stopped in time.

Promises: what somebody typed is never written over unseen, since whoever saves says which revision they had before
them; one draft is one letter, however often it is sent off; a letter that is stopped before anybody was counted, or
changed while it waits for approval, ends as skipped and is a draft again, wherever it was written: what was approved
of it, or asked for, is void. Refuses: whatever `letters.check` refuses.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from digest import editions, letters, markup, publications, review, tables
from digest.config import Settings
from digest.editions import REVIEW, SKIPPED, Edition
from digest.errors import NotFound, Refused
from digest.intake import letter as manuscripts
from digest.letters import Letter, Order, Segment
from digest.second_person import Colleague
from digest.tables import letter_drafts as t

PER_PAGE = 20
STOPPED = "Stopped before anybody had it. It is a draft again."
CHANGED = "{} changed it before it was approved. It is a draft again, to be approved as it is then."


@dataclass(frozen=True)
class Text:
    """What somebody writes, and for whom; it may be unfinished."""

    digest_id: int
    subject: str = ""
    preheader: str = ""
    markdown: str = ""
    segment: Segment = field(default_factory=Segment)


@dataclass(frozen=True)
class Draft:
    """A draft as it was saved last; `edition_id` is the letter that it became."""

    id: int
    text: Text
    revision: int
    changed_at: datetime
    changed_by: str
    edition_id: int | None


class Overtaken(Refused):
    """Somebody else saved the draft meanwhile; `theirs` is how it is now."""

    def __init__(self, theirs: Draft) -> None:
        self.theirs = theirs
        super().__init__(f"{theirs.changed_by} changed this letter meanwhile. Look at both, then save yours.")


def create(conn: Connection, text: Text, *, by: str, now: datetime) -> Draft:
    """A new draft."""
    values = _values(text) | {"changed_at": now, "changed_by": by}
    return find(conn, conn.execute(sa.insert(t).values(values).returning(t.c.id)).scalar_one())


def save(conn: Connection, draft_id: int, text: Text, *, revision: int, by: str, now: datetime) -> Draft:
    """Keeps what is written; a letter that waits for approval is a draft again when that changes it.

    Raises Overtaken when somebody saved a later revision, Refused when it is sent.
    """
    waiting = waits(conn, draft_id)
    if waiting and find(conn, draft_id).text == text:
        return find(conn, draft_id)
    if waiting and editions.find(conn, waiting.id, lock=True).state == REVIEW:  # not approved in this moment
        _end(conn, waiting, CHANGED.format(by), now=now)
    draft = _open(find(conn, draft_id, lock=True))
    if draft.revision != revision:
        raise Overtaken(draft)
    values = _values(text) | {"changed_at": now, "changed_by": by, "revision": revision + 1}
    conn.execute(sa.update(t).where(t.c.id == draft_id).values(values))
    return find(conn, draft_id)


def discard(conn: Connection, draft_id: int) -> Draft:
    """Deletes a draft. Raises Refused when it is sent."""
    draft = _open(find(conn, draft_id, lock=True))
    conn.execute(sa.delete(t).where(t.c.id == draft_id))
    return draft


def find(conn: Connection, draft_id: int, *, lock: bool = False) -> Draft:
    """The draft with this number. Raises NotFound."""
    query = sa.select(t).where(t.c.id == draft_id)
    row = conn.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound("There is no such draft. It was deleted, or the address is incomplete.")
    return _draft(row)


def unsent(conn: Connection, *, below: int | None = None, limit: int = PER_PAGE) -> list[Draft]:
    """The drafts that were not sent, the newest first, or those before one with a number."""
    query = sa.select(t).where(t.c.edition_id.is_(None)).order_by(t.c.id.desc()).limit(limit)
    return [_draft(row) for row in conn.execute(query if below is None else query.where(t.c.id < below))]


def again(conn: Connection, number: int, *, not_reached: bool, by: str, now: datetime) -> Draft:
    """A draft with the text of a letter: for the same people, or for those whom it did not surely reach."""
    edition, letter = editions.find(conn, number), letters.of(conn, number)
    text = _text_of(edition, letter)
    return create(conn, replace(text, segment=Segment(not_reached=number)) if not_reached else text, by=by, now=now)


# --- sent, and taken back --------------------------------------------------------------------------------------


def letter_of(text: Text, *, site_url: str) -> Letter:
    """The finished letter. Raises BadInput with the field: subject, preheader or text."""
    written = manuscripts.written(text.subject, text.preheader, text.markdown, site_url=site_url)
    return Letter(written, text.segment)


def send(
    conn: Connection,
    settings: Settings,
    draft_id: int,
    *,
    revision: int,
    sender: Colleague | None = None,
    starts_at: datetime,
    again: bool = False,
    now: datetime,
) -> Edition:
    """Sends the letter, as `letters.send` does; a draft that is sent already gives the letter that it is.

    Raises Overtaken, BadInput, and what `letters.check` raises.
    """
    draft = find(conn, draft_id, lock=True)
    if draft.edition_id is not None:
        return editions.find(conn, draft.edition_id)
    if draft.revision != revision:
        raise Overtaken(draft)
    digest = publications.by_id(conn, draft.text.digest_id)
    order = Order(digest, letter_of(draft.text, site_url=settings.site.url), again)
    ready = letters.check(conn, settings, order, now=now)
    edition = letters.send(conn, settings, ready, sender=sender, now=now, starts_at=starts_at)
    conn.execute(sa.update(t).where(t.c.id == draft_id).values(edition_id=edition.id))
    return edition


def take_back(conn: Connection, number: int, *, by: str, now: datetime) -> Draft:
    """Ends a letter of which nobody was counted yet; it is a draft again. Raises Refused when it is too late."""
    edition = editions.find(conn, number, lock=True)
    if edition.state != REVIEW:
        review.undoable(conn, number)
    draft_id = _end(conn, edition, STOPPED, now=now)
    if draft_id is not None:
        return find(conn, draft_id)
    return create(conn, _text_of(edition, letters.of(conn, number)), by=by, now=now)


def waits(conn: Connection, draft_id: int) -> Edition | None:
    """The letter that a draft is, while it waits for approval and can still be changed."""
    e = tables.editions
    query = sa.select(e.c.id).join(t, t.c.edition_id == e.c.id).where(t.c.id == draft_id, e.c.state == REVIEW)
    number = conn.scalar(query)
    return None if number is None else editions.find(conn, number)


def of_edition(conn: Connection, number: int) -> int | None:
    """The draft that became this letter; None for one that was written elsewhere."""
    return conn.scalar(sa.select(t.c.id).where(t.c.edition_id == number))


def _end(conn: Connection, edition: Edition, reason: str, *, now: datetime) -> int | None:
    """Ends a letter that nobody has; the draft that it was, if there is one."""
    ended = {"state": SKIPPED, "reason": reason, "closed_at": now, "paused_at": None, "paused_why": ""}
    conn.execute(sa.update(tables.editions).where(tables.editions.c.id == edition.id).values(ended))
    mine = sa.update(t).where(t.c.edition_id == edition.id).values(edition_id=None).returning(t.c.id)
    draft_id: int | None = conn.scalar(mine)
    return draft_id


def _text_of(edition: Edition, letter: Letter) -> Text:
    """A letter as it can be written on; of one that was kept without its Markdown, the plain text."""
    text = letter.manuscript
    markdown = text.markdown or markup.to_text(text.body)
    return Text(edition.digest_id, text.subject, text.preheader, markdown, letter.segment)


def _open(draft: Draft) -> Draft:
    if draft.edition_id is not None:
        raise Refused(f"This letter was sent as edition {draft.edition_id}. Stop it there, or write another.")
    return draft


def _values(text: Text) -> dict[str, Any]:
    return {**vars(text), "segment": text.segment.to_json()}


def _draft(row: Row[Any]) -> Draft:
    text = Text(row.digest_id, row.subject, row.preheader, row.markdown, Segment.from_json(row.segment))
    return Draft(row.id, text, row.revision, row.changed_at, row.changed_by, row.edition_id)
