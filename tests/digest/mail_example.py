"""The example edition that the tests of mails share: the library of a task force, with excerpts of its own."""

from __future__ import annotations

from datetime import UTC, date, datetime

from digest import render
from digest.delivery.message import Recipient
from digest.items import Attachment, Author, Item
from digest.markup import markdown_to_html

SITE = "https://news.example.org"
UID = "5f1d0c3a9b7e4f2488aa6c01d2e3f405"
KEY = bytes(range(32))
DATE = datetime(2026, 9, 1, 11, 0, tzinfo=UTC)

SHELL = render.Shell(
    site_name="Path to Public Safety",
    organization="Law Enforcement Immigration Task Force",
    site_url=SITE,
    address="100 Example Street NW, Suite 4, Washington, DC 20000",
    digest_slug="monthly",
    digest_name="Monthly digest",
    cadence="monthly",
    edition=12,
    date="2026-09-01",
    since="2026-08-01",
    zone="America/New_York",
    from_name="Path to Public Safety",
    from_address="digest@news.example.org",
    reply_to="help@example.org",
    calls_to_action=(
        render.Call("Share a question", "It goes to a person, who answers.", "/ask", "Ask us"),
        render.Call("Get involved", "Speak, write or join a meeting.", "/get-involved", "See the ways"),
        render.Call("Contact us", "For press, agencies and partners.", "mailto:help@example.org", "Write to us"),
    ),
)

READER = Recipient(
    subscriber_id=7,
    address="rosa@example.org",
    name="Rosa Díaz",
    slots={
        "unsubscribe": f"{SITE}/u/9tKw3ZbP6y1sQ4mXr8VnLc",
        "preferences": f"{SITE}/p/4mQx7Ve2Lr9cTn5HsJ8kBd",
        "masked": "r•••••@example.org",
        "asked": "May 12, 2026",
    },
)

_BODY = "<p>" + "word " * 500 + "</p>"


def item(number: int, slug: str, kind: str, title: str, excerpt: str, day: str, **more: object) -> Item:
    """An item with everything that the mail does not show left plain."""
    values: dict[str, object] = {
        "id": number,
        "slug": slug,
        "state": "published",
        "kind": kind,
        "title": title,
        "subtitle": "",
        "excerpt": excerpt,
        "body": _BODY,
        "markdown": None,
        "language": "en",
        "published_on": day,
        "date_precision": "day",
        "published_at": None,
        "publish_at": None,
        "updated_on": None,
        "update_note": "",
        "canonical_url": "",
        "featured": False,
        "authors": (),
        "topics": (),
        "attachments": (),
        "revision": 1,
        "modified_at": DATE,
    }
    return Item(**(values | more))  # type: ignore[arg-type]


def pdf(slug: str, size: int) -> tuple[Attachment, ...]:
    return (Attachment("pdf", f"{slug}.pdf", f"{slug}.pdf", "application/pdf", size),)


BENENSON = Author("Laurence Benenson", "Assistant Director for Policy & Advocacy")

ENTRIES = (
    render.EntryView(
        41,
        "new",
        "",
        item(
            1,
            "lpr-hiring",
            "backgrounder",
            "Backgrounder: Jurisdictions Permitting LPR Hiring",
            "Where lawful permanent residents may already apply to become officers, what each rule asks of them, "
            "and which agencies still hire citizens only.",
            "2026-08-17",
            attachments=pdf("lpr-hiring", 212_400),
        ),
    ),
    render.EntryView(
        42,
        "new",
        "",
        item(
            2,
            "profiles",
            "profiles",
            "Profiles: Immigrants in Law Enforcement Contributing to Public Safety",
            "Officers who came to this country as immigrants, on why they serve and what they bring to the job.",
            "2026-06-29",
            attachments=pdf("profiles", 1_120_000),
        ),
    ),
    render.EntryView(
        43,
        "new",
        "",
        item(
            3,
            "wso-program",
            "fact sheet",
            "Fact Sheet: Warrant Service Officer (WSO) Program",
            "How the program works since 2019, what a trained local officer may do under it, and how it differs "
            "from a 287(g) agreement.",
            "2019-06-04",
            attachments=pdf("wso-program", 148_000),
        ),
    ),
    render.EntryView(
        44,
        "again",
        "",
        item(
            4,
            "sanctuary-jurisdictions",
            "backgrounder",
            "Background on 'Sanctuary Jurisdictions' - 8 U.S.C. § 1373",
            "What the statute says about sharing information, what courts made of it, and what cities do & do not do.",
            "2017-09-08",
            authors=(BENENSON,),
        ),
    ),
    render.EntryView(
        45,
        "update",
        "now covers the federal guidelines released on September 30.",
        item(
            5,
            "enforcement-priorities",
            "comparison",
            "Comparison of the Obama, Trump, and Biden Administration Immigration Enforcement Priorities",
            "Three administrations side by side: who came first, who had discretion, and what changed for local "
            "agencies.",
            "2026-04-22",
            updated_on="2026-08-27",
            update_note="now covers the federal guidelines released on September 30.",
            attachments=pdf("enforcement-priorities", 305_000),
            revision=2,
        ),
        first_sent=date(2026, 4, 22),
    ),
)
SEQUENCES = tuple(view.sequence for view in ENTRIES)

LETTER = markdown_to_html(
    """Dear reader,

come to an hour on **hiring** with [two chiefs](https://news.example.org/items/hiring-lprs/), and bring:

- your questions,
- a colleague.

**[Keep a seat](https://news.example.org/hour)**

## What it is about

> Departments that may hire permanent residents fill their ranks.

| When | Where |
| --- | --- |
| Tuesday, nine | On line |

---

Until then.
"""
)
