"""A post of WordPress becomes a draft: what its states, dates, categories, shortcodes and files are here.

Promises: posts and pages come in the export's order, each with its author, topics, kind, excerpt, day, featured image
and PDF; private, protected and unfinished ones come as drafts; what only WordPress understands is taken out, and its
words stay. One bad post stops no other. Refuses: single posts of more than 5 million characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from digest import markup, wxr
from digest.drafts import Draft
from digest.errors import BadInput, DigestError, Problem
from digest.intake import categories, illustrations, uploads
from digest.intake.categories import Rules
from digest.intake.identity import identity
from digest.intake.markdown import slugify
from digest.intake.shortcodes import paragraphs, without_shortcodes
from digest.intake.uploads import Uploads
from digest.shelf import Attachment, Author
from digest.wxr import Post, Site

KINDS = ("post", "page")
STATES = {"publish": "published", "future": "scheduled", "draft": "draft", "pending": "draft", "private": "draft"}
UNDATED = "0000-00-00 00:00:00"
_PDF_LINK = re.compile(r'<a [^>]*?href="([^"?#]+\.pdf)(?:[?#][^"]*)?"', re.IGNORECASE)  # as `markup.clean` writes it


def read(
    path: Path, *, rules: Rules, zone: str, language: str = "en", files: Uploads = uploads.NONE
) -> Iterator[Draft | Problem]:
    """The drafts of an export, in `language`, and a problem in the place of each post that cannot be read.

    `zone` is where the site's own clock stands: a moment that the export does not tell in UTC too is read by that.
    The file is read twice: the files of a post may stand behind it. Raises NotFound without the file, BadInput for
    what is no export, and for a fault of the file in the midst of it.
    """
    reading = _Reading(wxr.site(path), rules, ZoneInfo(zone), language, files)
    for post in wxr.posts(path, KINDS):
        if post.text("status") in STATES:
            yield reading.draft(post)


@dataclass(frozen=True)
class _Reading:
    """One export, and what staff said of it."""

    site: Site
    rules: Rules
    zone: ZoneInfo
    language: str
    files: Uploads

    def draft(self, post: Post) -> Draft | Problem:
        """The post as a draft, or what is wrong with it."""
        where = markup.line(f"post {post.text('post_id')}, {post.text('title') or post.text('post_name')}")[:120]
        try:
            return self._from(post, where)
        except BadInput as error:
            return error.problem.within(where)

    def _from(self, post: Post, where: str) -> Draft:
        if post.oversize:
            raise BadInput(post.oversize, "It is too long.", "Shorten it there, and export anew.")
        at, link = _moment(post, self.zone), post.text("link").strip()
        state = "draft" if post.text("post_password").strip() else STATES[post.text("status")]
        html = paragraphs(without_shortcodes(post.text("content")))
        body = markup.clean(html, link)
        attachments, remarks = self._attachments(post, body)
        kind, topics = _classified(post, self.rules)
        called = post.text("guid").strip() or f"post {post.text('post_id')}"
        source, foreign_id = identity(f"{self.site.home.rstrip('/')}/feed/", called)  # as the site's own feed calls it
        author = markup.line(self.site.authors.get(post.text("creator"), "") or post.text("creator"))
        return Draft(
            slug=slugify(post.text("post_name")) or slugify(post.text("title")) or f"post-{post.text('post_id')}",
            kind=kind,
            title=markup.line(markup.to_text(markup.clean(post.text("title")))) or "Untitled",
            excerpt=markup.line(markup.to_text(markup.clean(without_shortcodes(post.text("excerpt"))))),
            body=body,
            language=self.language,
            published_at=at if state == "published" else None,
            publish_at=at if state == "scheduled" else None,
            canonical_url=link if state == "published" and markup.address(link, schemes=("http", "https")) else "",
            featured=post.text("is_sticky") == "1",
            authors=(Author(author),) if author else (),
            topics=topics,
            attachments=attachments,
            source=source,
            foreign_id=foreign_id,
            state=state,
            where=where,
            remarks=tuple(one.within(where) for one in (*illustrations.remarks(html, body), *remarks)),
        )

    def _attachments(self, post: Post, body: markup.Clean) -> tuple[tuple[Attachment, ...], list[Problem]]:
        """The PDF and the featured image of a post, and what to say of them."""
        found: list[Attachment | None] = []
        remarks: list[Problem] = []
        if paper := self._paper(post, body):
            found.append(self._brought("pdf", paper, "", remarks))
        number = post.text(wxr.THUMBNAIL)
        if number and number not in self.site.files:
            why, remedy = "It is not in the export.", "Export all content there."
            remarks.append(Problem("featured image", why, remedy))
        elif number:
            picture = self.site.files[number]
            shown = self._brought("image", picture.url, picture.alt, remarks)
            found.append(shown)
            if shown and not shown.alt:
                why = "It has no alternative text, so it is kept and not shown."
                remarks.append(Problem("featured image", why, "Write one in the media library there, or here."))
        return tuple(one for one in found if one), remarks

    def _paper(self, post: Post, body: str) -> str:
        """The address of the post's PDF: the first of its own site that it links to, else one uploaded for it."""
        host = urlsplit(self.site.home).hostname
        linked = (unescape(found[1]) for found in _PDF_LINK.finditer(body))
        mine = [url for url in linked if _host(url) == host]
        return next(iter(mine), "") or self.site.papers.get(post.text("post_id"), "")

    def _brought(self, role: str, url: str, alt: str, remarks: list[Problem]) -> Attachment | None:
        attachment, failed = self.files.bring(role, url, alt)
        if failed is not None:
            remarks.append(_stays(role, failed))
        elif attachment is None:
            remarks.append(Problem(role, f"{url[:200]} has no https and was left out.", "Bring it in with --uploads."))
        return attachment


def _stays(role: str, failed: DigestError) -> Problem:
    if isinstance(failed, BadInput):
        return Problem(role, f"It stays where it is. {failed.problem.why}", failed.problem.remedy)
    why, _, remedy = str(failed).partition(". ")
    return Problem(role, f"It stays where it is. {why.rstrip('.')}.", remedy)


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _moment(post: Post, zone: ZoneInfo) -> datetime | None:
    """When it was published, or is to be; WordPress writes zeros for what never was."""
    for name, clock in (("post_date_gmt", UTC), ("post_date", zone)):
        text = post.text(name).strip()
        if text and text != UNDATED:
            try:
                return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=clock).astimezone(UTC)
            except ValueError:
                raise BadInput(name, f"{text[:40]!r} is no moment.", "Set its date anew there.") from None
    return None


def _classified(post: Post, rules: Rules) -> tuple[str, tuple[str, ...]]:
    """A category is a topic of its own name, a tag is none, unless a rule says otherwise."""
    named = ((short or name, domain == "category") for domain, short, name in post.terms)
    return categories.sort(named, rules, "page" if post.text("post_type") == "page" else "")
