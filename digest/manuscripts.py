"""An item as staff write it in a form: opened at a revision, changed, and kept as the next one.

Promises: only what differs from what was opened is changed, so a save that changes nothing writes nothing; whoever
opened an older text than there is now is told so (`Overtaken`), and nothing of either text is lost; all that is wrong
is told at once. A text that came as HTML stays HTML until its writer chooses Markdown. Refuses: a date without its
year, and a new picture without words for those who do not see it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from digest import drafts, items, markup, news
from digest.drafts import Draft
from digest.errors import BadInput, Problem, Refused
from digest.intake import dates
from digest.intake.markdown import slugify
from digest.items import Attachment, Author, Item, Outcome

SOURCE = "console"
LONGEST_SLUG = 80
_SAME = ("title", "subtitle", "kind", "topics", "authors", "excerpt", "language", "featured")  # as in an item


@dataclass(frozen=True)
class Manuscript:
    """What stands in the form. `day` is as it was typed; an empty `excerpt` follows the text."""

    title: str = ""
    subtitle: str = ""
    kind: str = ""
    day: str = ""
    topics: tuple[str, ...] = ()
    authors: tuple[Author, ...] = ()
    excerpt: str = ""
    text: str = ""
    is_html: bool = False
    language: str = "en"
    featured: bool = False
    pdf: Attachment | None = None
    image: Attachment | None = None


class Overtaken(Refused):
    """Somebody else saved the item since it was opened; `item` is how it stands now."""

    def __init__(self, item: Item) -> None:
        super().__init__("Somebody changed this item while you wrote. Compare the two, then keep yours or theirs.")
        self.item = item


def of(item: Item) -> Manuscript:
    """An item as the form shows it."""
    is_html = item.markdown is None and bool(item.body)
    made = item.excerpt == markup.excerpt(item.body, drafts.EXCERPT)
    return Manuscript(
        title=item.title,
        subtitle=item.subtitle,
        kind=item.kind,
        day=item.published_on or "" if item.day else "",
        topics=item.topics,
        authors=item.authors,
        excerpt="" if made else item.excerpt,
        text=(item.body if is_html else item.markdown or "").replace("\r\n", "\n").strip(),
        is_html=is_html,
        language=item.language,
        featured=item.featured,
        pdf=item.pdf,
        image=item.image,
    )


def faults(typed: Manuscript, before: Item | None, *, zone: str) -> list[Problem]:
    """All that is wrong with what was typed. Pure."""
    return list(_faults(typed, before, zone))


def create(conn: Connection, typed: Manuscript, *, now: datetime, zone: str) -> Item:
    """A new draft. Raises BadInput."""
    return items.create(conn, draft(typed, zone=zone), now=now, zone=zone)


def save(
    conn: Connection,
    slug: str,
    typed: Manuscript,
    *,
    opened_at: int,
    now: datetime,
    zone: str,
    tell: str | None = None,
) -> Outcome:
    """Keeps what differs as the item's next revision; with `tell`, readers are told in that sentence.

    Raises Overtaken when the item is not at the revision any more at which it was opened, and BadInput.
    """
    news.lock(conn)
    item = items.find(conn, slug)
    if item.revision != opened_at:
        raise Overtaken(item)
    changed = changes(item, typed, zone=zone)
    if tell:
        changed |= {"update_note": tell, "updated_on": now.astimezone(ZoneInfo(zone)).date().isoformat()}
    if not changed:
        return Outcome(slug, "unchanged", 0)
    return items.revise(conn, slug, now=now, tell=tell or None, zone=zone, **changed)


def changes(item: Item, typed: Manuscript, *, zone: str) -> dict[str, Any]:
    """What `items.revise` is to change so that the item reads as it was typed. Pure. Raises BadInput."""
    before, found = of(item), dict[str, Any]()
    for name in _SAME:
        if getattr(before, name) != getattr(typed, name):
            found[name] = getattr(typed, name)
    if typed.day != before.day:
        found["published_on"] = day(typed.day, zone) if typed.day else None
        if found["published_on"] == item.published_on:
            del found["published_on"]
    if (typed.text, typed.is_html) != (before.text, before.is_html):
        found["body" if typed.is_html else "markdown"] = typed.text
    if (typed.pdf, typed.image) != (before.pdf, before.image):
        found["attachments"] = _files(item, typed)
    return found


def draft(typed: Manuscript, *, zone: str) -> Draft:
    """The draft of a new item. Raises BadInput."""
    return Draft(
        slug=slugify(typed.title)[:LONGEST_SLUG].strip("-") or slugify(typed.kind) or "item",
        state="draft",
        source=SOURCE,
        published_on=day(typed.day, zone) if typed.day else None,
        body=typed.text if typed.is_html else markup.markdown_to_html(typed.text),
        markdown=None if typed.is_html else typed.text,
        attachments=tuple(one for one in (typed.pdf, typed.image) if one),
        **{name: getattr(typed, name) for name in _SAME},
    )


def preview(item: Item | None, typed: Manuscript, *, now: datetime, zone: str) -> Item:
    """The item as it would read if this were saved; one without a date is shown with today's. Raises BadInput."""
    if item is None:
        found = drafts.item(draft(typed, zone=zone), zone=zone, now=now)
    else:
        wanted = drafts.item(drafts.revised(item, changes(item, typed, zone=zone)), zone=zone, now=now)
        found = dataclasses.replace(wanted, id=item.id, slug=item.slug, revision=item.revision)
    return found if found.published_on else dataclasses.replace(found, **drafts.dating(None, now, zone))


def day(text: str, zone: str) -> str:
    """The whole day that was typed. Raises BadInput when it is none, or lacks its year."""
    found, _ = dates.when("date", text, zone)
    if found is None or found.startswith("--"):
        raise BadInput("date", "The year is missing.", "Write the whole date, such as 2026-08-17.")
    return found


def _faults(typed: Manuscript, before: Item | None, zone: str) -> Iterator[Problem]:
    if not typed.title:
        yield Problem("title", "The title is missing.", "Write what people see in lists and mails.")
    if not typed.kind:
        yield Problem("kind", "The kind is missing.", "Choose one, or write a new one.")
    if typed.day:
        try:
            day(typed.day, zone)
        except BadInput as error:
            yield error.problem
    elif before is not None and before.state == "published" and before.day is not None:
        yield Problem("date", "The date is missing.", "A published item keeps one: write it with its year.")
    if any(not author.name for author in typed.authors):
        yield Problem("authors", "An author has a role or an organization and no name.", "Write the name as well.")
    had = before.image if before else None
    if typed.image is not None and not typed.image.alt and (had is None or typed.image.path != had.path or had.alt):
        why = "The picture has no words for those who do not see it."
        yield Problem("image_alt", why, "Say in a sentence what it shows.")


def _files(item: Item, typed: Manuscript) -> tuple[Attachment, ...]:
    """The files of the item with its first PDF and its first picture as they are wanted; others stay."""
    before = of(item)
    kept = [one for one in item.attachments if one not in (before.pdf, before.image)]
    return tuple(one for one in (typed.pdf, typed.image, *kept) if one)
