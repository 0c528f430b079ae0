"""Items of every kind that feeds and pages must cope with, as plain values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from digest.config import Settings, Site
from digest.items import Attachment, Author, Item

NEW_YORK = ZoneInfo("America/New_York")
SETTINGS = Settings(
    site=Site(
        name="Path to Public Safety",
        organization="Law Enforcement Immigration Task Force",
        lead="Backgrounders, fact sheets and profiles on immigration and local policing.",
        url="https://news.example.org",
        address="100 Example Street NW, Suite 4, Washington, DC 20000",
        time_zone="America/New_York",
    )
)
PDF = Attachment("pdf", "ab12cd34.pdf", "lpr-hiring.pdf", "application/pdf", 212_345, pages=4)
IMAGE = Attachment("image", "ef56.png", "officer.png", "image/png", 40_000, alt="An officer at a desk")


def item(number: int, **fields: Any) -> Item:
    """A published item; `day` is its day as YYYY-MM-DD."""
    day = fields.pop("day", "2023-08-17")
    given: dict[str, Any] = {
        "id": number,
        "slug": f"item-{number}",
        "state": "published",
        "kind": "fact sheet",
        "title": f"Item {number}",
        "subtitle": "",
        "excerpt": f"What item {number} says, in a sentence.",
        "body": f"<p>The whole of item {number}.</p>",
        "markdown": None,
        "language": "en",
        "published_on": day,
        "date_precision": "day",
        "published_at": datetime.fromisoformat(day).replace(tzinfo=NEW_YORK).astimezone(UTC),
        "publish_at": None,
        "updated_on": None,
        "update_note": "",
        "canonical_url": "",
        "featured": False,
        "authors": (),
        "topics": ("hiring",),
        "attachments": (),
        "revision": 1,
        "modified_at": datetime(2026, 9, 1, 12, 30, 15, 987654, tzinfo=UTC),
    }
    return Item(**(given | fields))


LIBRARY = [
    item(
        1,
        slug="lpr-hiring",
        kind="backgrounder",
        title="Backgrounder: Jurisdictions Permitting LPR Hiring",
        body='<p>Where <a href="https://example.org/a?b=1&amp;c=2">permanent residents</a> may serve.</p>',
        attachments=(PDF, IMAGE),
    ),
    item(
        2,
        slug="sanctuary-jurisdictions",
        kind="backgrounder",
        title="Background on 'Sanctuary Jurisdictions' - 8 U.S.C. § 1373 <draft> & more\x0b\x00",
        day="2017-09-08",
        authors=(
            Author("Laurence Benenson", "Assistant Director for Policy & Advocacy", "National Immigration Forum"),
            Author("A. Second"),
        ),
        topics=("hiring", "sanctuary-jurisdictions"),
    ),
    item(3, slug="local-role", title="Background on § 287(g) Agreements", day="2017-09-08", subtitle="Two", excerpt=""),
    item(
        4,
        slug="enforcement-priorities",
        kind="comparison",
        title="Comparison of Enforcement Priorities",
        day="2021-04-22",
        updated_on="2021-10-27",
        update_note="Now covers the guidelines released on September 30 & after.",
        modified_at=datetime(2026, 9, 2, 8, 0, tzinfo=UTC),
    ),
]
