"""What people see who open a feed in a browser: a page that says what a feed is, and which address to copy.

Promises: the page comes from one style sheet (XSLT 1.0). The site applies it here, since browsers are dropping XSLT;
where plain files are served the browser may still do so, and with a second one, in CSS, it can show the bare feed.
Both need nothing but themselves, and speak the site's language. Refuses to show the text of items: that is for the
reader's program.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import jinja2
from lxml import etree

from digest.config import Settings
from digest.feeds import formats
from digest.render import words
from digest.render.words import Words

FOLDER = Path(__file__).resolve().parents[2] / "templates" / "feed"
XSL, CSS = "feed.xsl", "feed.css"


def sheets(settings: Settings) -> dict[str, bytes]:
    """The style sheets by name."""
    return _sheets(settings.site.language)


def fingerprint(settings: Settings) -> str:
    """Changes whenever a style sheet does."""
    return blake2b(b"".join(sheets(settings).values()), digest_size=16).hexdigest()


def page(settings: Settings, feed: bytes) -> bytes:
    """The page (HTML) that the style sheet makes of an RSS or Atom document of ours."""
    made: bytes = bytes(_transform(settings.site.language)(formats.parsed(feed)))
    return made


@lru_cache
def _transform(language: str) -> etree.XSLT:
    """The style sheet, ready to be applied; it may read and write nothing."""
    return etree.XSLT(etree.fromstring(_sheets(language)[XSL]), access_control=etree.XSLTAccessControl.DENY_ALL)


@lru_cache
def _sheets(language: str) -> dict[str, bytes]:
    env = jinja2.Environment(loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined)
    say = words.of(language)
    page = env.get_template(XSL).render(tag=say.tag, direction=say.direction, **_said(say))
    return {XSL: page.encode(), CSS: (FOLDER / CSS).read_bytes()}


def _said(say: Words) -> dict[str, str]:
    return {
        "feed": say.gettext("Feed"),
        "what": say.gettext("This page is a feed: your reader looks at it by itself, so new items show up there."),
        "how": say.gettext("Copy this address and paste it into your reader."),
        "address": say.gettext("Address of this feed"),
        "read": say.gettext("Read it as a page"),
        "older": say.gettext("Older items"),
        "newest": say.gettext("Newest items"),
        "empty": say.gettext("Nothing yet."),
    }
