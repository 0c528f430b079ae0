"""A draft: an item as its author gave it, and how it is checked and cleaned before it is kept. Pure.

Promises: what `item` returns has one clean line for every name, clean HTML for a body, absolute addresses, a known
language and a date that is whole or marked as incomplete. A date without a time is the midnight that begins the day
in the site's zone. Refuses: what cannot be kept, with the field and the remedy; it never guesses a year.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

from digest import markup, media, publications, rules
from digest.errors import BadInput, Problem
from digest.shelf import Attachment, Author, Item

STATES = ("draft", "scheduled", "published")
EXCERPT = 280  # characters of an excerpt that is made from the body
_MEDIA_NAME = re.compile(r"[a-z0-9]+\.[a-z0-9]+")
_ASIDE = ("where", "remarks", "source", "foreign_id", "seen_at", "untold")


@dataclass(frozen=True)
class Draft:
    """What a way in yields. Without a date it is kept, and stays out of feeds and editions until it has one."""

    slug: str
    kind: str
    title: str
    subtitle: str = ""
    excerpt: str = ""
    body: str = ""
    markdown: str | None = None
    language: str = "en"
    published_on: str | None = None  # YYYY-MM-DD, or --MM-DD when the year is missing
    published_at: datetime | None = None  # when the exact moment is known
    seen_at: datetime | None = None  # when it was first seen: its date, if it has no other
    updated_on: str | None = None
    update_note: str = ""
    canonical_url: str = ""
    featured: bool = False
    authors: tuple[Author, ...] = ()
    topics: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    source: str = ""
    foreign_id: str | None = None
    state: str = "published"  # or draft, scheduled
    publish_at: datetime | None = None
    where: str = ""  # the place to name when something is wrong with it
    remarks: tuple[Problem, ...] = ()  # faults that do not keep it out
    untold: tuple[str, ...] = ()  # fields of which its way in never tells: in an item that is here they stay


def fingerprint(draft: Draft) -> bytes:
    """16 bytes that stay the same while the author's text stays the same.

    Of a file counts what was given, and not what was found out or made of it: that may come out otherwise with another
    version of ours or of a library, and is no change of the author's, which would overwrite what staff wrote.
    """
    fields = {key: value for key, value in dataclasses.asdict(draft).items() if key not in _ASIDE}
    fields["attachments"] = [(one.role, media.given(one.path), one.name, one.alt) for one in draft.attachments]
    text = json.dumps(fields, sort_keys=True, default=lambda moment: moment.astimezone(UTC).isoformat())
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def item(draft: Draft, *, zone: str, now: datetime) -> Item:
    """The draft as an item that is not on the shelf yet (id 0). Raises BadInput."""
    body = markup.clean(draft.body, draft.canonical_url)
    state, publish_at = _state(draft, now)
    return Item(
        id=0,
        slug=publications.slug(draft.slug),
        state=state,
        kind=_needed("kind", draft.kind).lower(),
        title=_needed("title", draft.title),
        subtitle=markup.line(draft.subtitle),
        excerpt=markup.line(draft.excerpt) or markup.excerpt(body, EXCERPT),
        body=body,
        markdown=None if draft.markdown is None else markup.plain(draft.markdown),
        language=rules.languages("language", draft.language)[0],
        **_dates(draft, zone),
        publish_at=publish_at,
        updated_on=day("updated", draft.updated_on) if draft.updated_on else None,
        update_note=markup.line(draft.update_note),
        canonical_url=_canonical(draft.canonical_url),
        featured=draft.featured,
        authors=tuple(map(_author, draft.authors)),
        topics=tuple(dict.fromkeys(publications.topic_slug(topic) for topic in draft.topics)),
        attachments=tuple(map(_attachment, draft.attachments)),
        revision=1,
        modified_at=now,
    )


def revised(item: Item, changes: Mapping[str, Any]) -> Draft:
    """The draft that an item would come from if it were written with these changes; an excerpt that was made from
    the body follows the body."""
    changes = {name: _understood(name, value) for name, value in changes.items()}
    if "image_alt" in changes:
        changes["attachments"] = _described(item, str(changes.pop("image_alt")))
    names = {field.name for field in dataclasses.fields(Draft)} - {*_ASIDE, "published_at"}
    fields: dict[str, Any] = {name: getattr(item, name) for name in names}
    if changes.get("markdown") is not None:
        fields["body"] = markup.markdown_to_html(changes["markdown"], item.canonical_url)
    elif "body" in changes:
        fields["markdown"] = None
    if item.excerpt == markup.excerpt(item.body, EXCERPT):
        fields["excerpt"] = ""
    # Where the item stands is not for a draft to say.
    return Draft(**{**fields, **changes, "state": "published", "publish_at": None})


def _described(item: Item, alt: str) -> tuple[Attachment, ...]:
    """The files of an item, its picture with these words for those who do not see it. Raises BadInput."""
    if item.image is None:
        raise BadInput("image_alt", "The item has no picture.", "Import its file again with an image.")
    return tuple(dataclasses.replace(a, alt=alt) if a.role == "image" else a for a in item.attachments)


def _understood(name: str, value: Any) -> Any:
    """A change as it is kept; from a command line every value comes as text."""
    if not isinstance(value, str):
        return value
    if name == "featured":
        return rules.yes(name, value)
    parts = [part.strip() for part in re.split(r"[,;]" if name == "topics" else ";", value) if part.strip()]
    if name == "topics":
        return tuple(parts)
    if name == "authors":
        return tuple(Author(part) for part in parts)
    if name in ("attachments", "published_at"):
        raise BadInput(name, "It cannot be written as text.", "Import the item's file again instead.")
    return value


def _dates(draft: Draft, zone: str) -> dict[str, Any]:
    own = draft.published_at or (draft.publish_at if _undated(draft) else None)
    if draft.published_on is None and own is None and draft.seen_at is not None:
        return dating(None, draft.seen_at, zone) | {"date_precision": "seen"}
    return dating(draft.published_on, own, zone)


def dating(published_on: str | None, moment: datetime | None, zone: str) -> dict[str, Any]:
    """The three fields that date an item, from a day (perhaps without a year), a moment, or neither."""
    if moment is not None:
        published_on = published_on or moment.astimezone(ZoneInfo(zone)).date().isoformat()
        return {"published_on": published_on, "date_precision": "instant", "published_at": moment}
    if published_on is None or published_on.startswith("--"):
        known = yearless("date", published_on) if published_on else None
        return {"published_on": known, "date_precision": "yearless", "published_at": None}
    begins = datetime.combine(date.fromisoformat(day("date", published_on)), time(), ZoneInfo(zone))
    return {"published_on": published_on, "date_precision": "day", "published_at": begins.astimezone(UTC)}


def day(where: str, text: str) -> str:
    """`text` when it is a calendar day, YYYY-MM-DD. Raises BadInput when it is not."""
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) and date.fromisoformat(text).year >= 1000:
            return text
    except ValueError:
        pass
    raise BadInput(where, f"{text[:40]!r} is no day of the calendar.", "Write it as 2019-06-04.")


def yearless(where: str, text: str) -> str:
    """`text` when it is a day without a year, --MM-DD. Raises BadInput when it is not."""
    try:
        date.fromisoformat(f"2000{text[1:]}")  # a leap year: February 29 exists in some year
        if re.fullmatch(r"--[0-9]{2}-[0-9]{2}", text):
            return text
    except ValueError:
        pass
    raise BadInput(where, f"{text[:40]!r} is no day of any year.", "Write it as --06-04, or better with its year.")


def _undated(draft: Draft) -> bool:
    return draft.state == "scheduled" and draft.published_on is None


def _state(draft: Draft, now: datetime) -> tuple[str, datetime | None]:
    if draft.state not in STATES:
        raise BadInput("state", f"{draft.state[:40]!r} is no state.", f"Write one of {', '.join(STATES)}.")
    if draft.state != "scheduled":
        return draft.state, None
    if draft.publish_at is None:
        raise BadInput("publish_at", "It is missing, and the item is scheduled.", "Write when it is to appear.")
    return ("scheduled", draft.publish_at) if draft.publish_at > now else ("published", None)


def _needed(where: str, text: str) -> str:
    if not (clean := markup.line(text)):
        raise BadInput(where, "It is missing.", f"Every item needs a {where}.")
    return clean


def _canonical(url: str) -> str:
    if not url.strip():
        return ""
    if not (whole := markup.address(url, schemes=("http", "https"))):
        raise BadInput("canonical_url", f"{url[:80]!r} is no web address.", "Write it in full, with https://.")
    return whole


def _author(author: Author) -> Author:
    return Author(_needed("author", author.name), markup.line(author.role), markup.line(author.organization))


def _attachment(given: Attachment) -> Attachment:
    path = given.path if _MEDIA_NAME.fullmatch(given.path) else markup.address(given.path, schemes=("https",))
    if given.role not in ("pdf", "image") or not path:
        raise BadInput(given.role, f"{given.path[:80]!r} cannot be attached.", "Give a PDF or an image by https.")
    return dataclasses.replace(given, path=path, name=markup.line(given.name), alt=markup.line(given.alt))
