"""The content store and its publication log: add, revise, publish, withdraw, find."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class Author:
    """Who wrote an item, in which role, for whom."""

    name: str
    role: str = ""
    organization: str = ""


@dataclass(frozen=True)
class Attachment:
    """A file that an item carries. `path` is below /media/ ("ab12.pdf"), or an absolute https address."""

    role: str  # pdf, image
    path: str
    name: str
    media_type: str
    size: int  # bytes
    pages: int | None = None
    alt: str = ""


@dataclass(frozen=True)
class Item:
    """An item as it stands, or as it stood at one revision. `body` is clean HTML."""

    id: int
    slug: str
    state: str  # draft, scheduled, published, withdrawn
    kind: str
    title: str
    subtitle: str
    excerpt: str
    body: str
    markdown: str | None
    language: str
    published_on: str | None  # YYYY-MM-DD, or --MM-DD when the year is missing
    date_precision: str  # instant, day, yearless
    published_at: datetime | None
    publish_at: datetime | None
    updated_on: str | None
    update_note: str
    canonical_url: str
    featured: bool
    authors: tuple[Author, ...]
    topics: tuple[str, ...]
    attachments: tuple[Attachment, ...]
    revision: int
    modified_at: datetime
    withdrawn_at: datetime | None = None
    withdrawn_why: str = ""

    @property
    def day(self) -> date | None:
        """The calendar day of publication, when it is complete."""
        return date.fromisoformat(self.published_on) if self.published_on and self.published_on[0] != "-" else None

    @property
    def pdf(self) -> Attachment | None:
        """The PDF, when there is one."""
        return next((a for a in self.attachments if a.role == "pdf"), None)


@dataclass(frozen=True)
class Entry:
    """One line of the publication log."""

    sequence: int
    item_id: int
    revision: int
    what: str  # new, update, again
    topics: tuple[str, ...]
    note: str
    at: datetime
