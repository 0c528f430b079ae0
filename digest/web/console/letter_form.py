"""What the composer of letters holds, and what is meant by it.

Promises: what was typed comes back exactly as it was, understood or not; what cannot be understood is told at its
field. Serves the pages on which letters are written and checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from digest import editions, markup, publications, rules
from digest.errors import BadInput, DigestError, NotFound
from digest.letter_drafts import Draft, Text
from digest.letters import Segment
from digest.publications import Digest
from digest.web.console import frame
from digest.web.forms import Form
from digest.web.look import Site

LINE, LONG = 10_000, 500_000  # characters that a field may hold; what is too long for a letter is told at the check
FIELDS = ("digest", "subject", "preheader", "language", "joined_since", "received", "received_item", "not_reached")


@dataclass(frozen=True)
class Typed:
    """What the composer holds."""

    fields: Mapping[str, str]
    text: str = ""
    topics: tuple[str, ...] = ()
    revision: int = 0
    wrong: Mapping[str, str] = field(default_factory=dict)  # with how it came, by field


def of_draft(conn: Connection, draft: Draft) -> Typed:
    """A draft as it stands in the composer."""
    text, segment = draft.text, draft.text.segment
    digest = publications.by_id(conn, text.digest_id)
    since = segment.joined_since
    fields = {
        "digest": digest.slug,
        "subject": text.subject,
        "preheader": text.preheader,
        "language": segment.language,
        "joined_since": since.astimezone(ZoneInfo(digest.zone)).date().isoformat() if since else "",
        "received": str(segment.received or ""),
        "received_item": segment.received_item,
        "not_reached": str(segment.not_reached or ""),
    }
    return Typed(fields, text.markdown, segment.topics, draft.revision)


def terms(conn: Connection, site: Site, segment: Segment) -> list[str]:
    """In words whom among a digest's readers a letter is for; nothing when it is for all of them."""
    said = []
    if segment.topics:
        names = publications.topic_names(conn)
        said.append("take " + " or ".join(names.get(slug, slug) for slug in segment.topics))
    if segment.language:
        said.append(f"read {segment.language}")
    if segment.joined_since:
        said.append(f"joined since {frame.moment(site, segment.joined_since)}")
    if segment.received:
        said.append(f"received edition {segment.received}")
    if segment.received_item:
        said.append(f"received the item {segment.received_item} by mail")
    if segment.not_reached:
        said.append(f"were not surely reached by edition {segment.not_reached}")
    return said


def read(form: Form) -> Typed:
    """What was typed."""
    fields = {name: markup.line(text) for name, text in form.typed(*FIELDS).items()}
    wrong = form.faults(*FIELDS, most=LINE) | form.faults("text", most=LONG)
    text, revision = form.typed("text")["text"].strip(), frame.number(form.typed("revision")["revision"])
    return Typed(fields, text, form.every("topics"), revision or 0, wrong)


def text_of(conn: Connection, typed: Typed) -> Text:
    """Raises BadInput, naming the field, for what cannot be understood of whom it is for."""
    fields = typed.fields
    for name, said in typed.wrong.items():
        raise BadInput(name, said, "")
    try:
        digest = publications.find(conn, fields["digest"])
        segment = _segment(conn, digest, typed)
    except NotFound as error:
        raise BadInput("digest", str(error), "") from error
    return Text(digest.id, fields["subject"], fields["preheader"], typed.text, segment)


def _segment(conn: Connection, digest: Digest, typed: Typed) -> Segment:
    for slug in typed.topics:
        publications.topic(conn, slug)
    return Segment(
        topics=tuple(dict.fromkeys(typed.topics)),
        language=rules.languages("language", typed.fields["language"])[0] if typed.fields["language"] else "",
        joined_since=_day(digest, typed.fields["joined_since"]) if typed.fields["joined_since"] else None,
        received=_edition(conn, "received", typed.fields["received"]),
        received_item=typed.fields["received_item"],
        not_reached=_edition(conn, "not_reached", typed.fields["not_reached"]),
    )


def _day(digest: Digest, text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(), ZoneInfo(digest.zone))
    except ValueError:
        raise BadInput("joined_since", f"{text[:20]!r} is no day.", "Write it as 2026-09-01.") from None


def _edition(conn: Connection, name: str, text: str) -> int | None:
    if not text:
        return None
    try:
        return editions.find(conn, frame.number(text) or 0).id
    except NotFound:
        raise BadInput(name, f"{text[:20]!r} is no edition.", "Choose one from the list.") from None


def fault(error: DigestError) -> dict[str, str]:
    """What is wrong, by field."""
    if isinstance(error, BadInput):
        return {error.problem.where: error.problem.said}
    return {"subject": str(error)}
