"""The form of an item as it comes from a browser: what was typed, what was chosen, and which files it brings.

Promises: what was typed is kept whatever is wrong with it; a file is looked at before anything is stored in the
database; a file that was uploaded before stays unless it is replaced or removed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, time
from zoneinfo import ZoneInfo

from digest import drafts, markup, media
from digest.errors import BadInput, Problem
from digest.intake.markdown import slugify
from digest.items import Attachment, Author, Item
from digest.manuscripts import Manuscript, faults, of
from digest.web.forms import Form
from digest.web.look import Site

LONGEST = {"title": 300, "subtitle": 300, "kind": 60, "date": 40, "excerpt": 2_000, "image_alt": 500, "note": 500}
LONGEST_TEXT = 1_000_000  # characters
AUTHORS = 60
SPARE = 2  # empty lines for authors


@dataclass
class Typed:
    """What came, understood as far as it can be, and what is wrong with it by the field that has it."""

    manuscript: Manuscript
    opened_at: int = 0  # the revision that the form was opened at
    note: str = ""
    tell: bool = False
    at_day: str = ""
    at_time: str = ""
    image_alt: str = ""
    wrong: dict[str, str] = field(default_factory=dict)

    def blame(self, problem: Problem, where: str = "") -> None:
        """Notes a fault beside the field that has it; the first of a field stays."""
        self.wrong.setdefault(where or _FIELDS.get(problem.where, problem.where), f"{problem.why} {problem.remedy}")


_FIELDS = {"author": "authors", "file": "pdf", "published_on": "date", "body": "text", "markdown": "text"}


def opened(item: Item | None, language: str) -> Typed:
    """The form as it is opened."""
    if item is None:
        return Typed(Manuscript(language=language))
    return Typed(of(item), opened_at=item.revision, image_alt=item.image.alt if item.image else "")


def read(form: Form, site: Site, item: Item | None, *, keep_files: bool = True) -> Typed:
    """What was typed; with `keep_files` the files are kept too."""
    typed = Typed(Manuscript())
    one = _Reader(form, typed)
    typed.opened_at = _number(one.line("revision", 10))
    typed.note, typed.tell = one.line("note", LONGEST["note"]), one.line("tell", 1) == "1"
    typed.at_day, typed.at_time = one.line("at_day", 10), one.line("at_time", 8)
    typed.image_alt = one.line("image_alt", LONGEST["image_alt"])
    typed.manuscript = Manuscript(
        title=one.line("title", LONGEST["title"]),
        subtitle=one.line("subtitle", LONGEST["subtitle"]),
        kind=one.line("kind", LONGEST["kind"]),
        day=one.line("date", LONGEST["date"]),
        topics=_topics(form, one, item),
        authors=_authors(one),
        excerpt=one.line("excerpt", LONGEST["excerpt"]),
        text=one.prose("text"),
        is_html=one.line("format", 8) == "html",
        language=one.line("language", 20) or site.home.settings.site.language,
        featured=one.line("featured", 1) == "1",
        **_files(form, one, site, item, typed.image_alt, keep=keep_files),
    )
    for problem in faults(typed.manuscript, item, zone=site.zone.key):
        typed.blame(problem)
    if typed.tell and not typed.note:
        typed.wrong["note"] = "The sentence is missing. Say what changed, so that readers know."
    if typed.note and not typed.tell:
        typed.wrong["note"] = "The box is not ticked. Tick it to tell readers, or clear the sentence."
    return typed


def moment(typed: Typed, zone: ZoneInfo, *, now: datetime) -> datetime | None:
    """When it is to appear; None is at once. What is wrong with it is noted."""
    if not typed.at_day and not typed.at_time:
        return None
    try:
        day = drafts.day("at_day", typed.at_day)
        at = datetime.combine(datetime.fromisoformat(day).date(), time.fromisoformat(typed.at_time or "x"), zone)
    except (BadInput, ValueError):
        typed.wrong["at_day"] = "A day and a time are needed. Write both, or leave both empty to publish now."
        return None
    if at <= now:
        typed.wrong["at_day"] = "That is past. Choose a later moment, or leave it empty to publish now."
    return at


class _Reader:
    """Reads fields; one that is too long keeps what fits, and the fault is noted."""

    def __init__(self, form: Form, typed: Typed) -> None:
        self.form, self.typed = form, typed

    def line(self, name: str, most: int) -> str:
        try:
            return self.form.one(name, most=most)
        except BadInput as error:
            self.typed.blame(error.problem, name)
            return markup.line(next(iter(self.form.fields[name])))

    def prose(self, name: str) -> str:
        try:
            return self.form.prose(name, most=LONGEST_TEXT)
        except BadInput as error:
            self.typed.blame(error.problem, name)
            return next(iter(self.form.fields[name])).replace("\r\n", "\n")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _topics(form: Form, one: _Reader, item: Item | None) -> tuple[str, ...]:
    """The topics that are ticked, in the order that the item has them, and new ones by their names."""
    named = [slugify(name) for name in one.line("new_topics", 400).split(",")]
    chosen = dict.fromkeys([*form.every("topics"), *filter(None, named)])
    before = [topic for topic in item.topics if topic in chosen] if item else []
    return tuple(dict.fromkeys([*before, *chosen]))


def _authors(one: _Reader) -> tuple[Author, ...]:
    lines = (
        Author(*(one.line(f"author-{n}-{part}", 200) for part in ("name", "role", "organization")))
        for n in range(AUTHORS)
    )
    return tuple(author for author in lines if author != Author(""))


def _files(
    form: Form, one: _Reader, site: Site, item: Item | None, alt: str, *, keep: bool
) -> dict[str, Attachment | None]:
    before = {"pdf": item.pdf if item else None, "image": item.image if item else None}
    found = {role: _standing(form, one, site, role, had) for role, had in before.items()}
    for role in found:
        try:
            upload = form.file(role)
            if upload is not None and upload.data and keep:
                found[role] = _kept(site, role, upload.name, upload.data, alt)
        except BadInput as error:
            one.typed.blame(error.problem, role)
    picture = found["image"]
    if picture is not None and picture.alt != alt:
        found["image"] = dataclasses.replace(picture, alt=alt)
    return found


def _standing(form: Form, one: _Reader, site: Site, role: str, had: Attachment | None) -> Attachment | None:
    """The file that stood in the form: that of the item, or one that came with a form that was not saved."""
    if one.line(f"no_{role}", 1) == "1":
        return None
    field = f"{role}_kept"
    path = one.line(field, 2_000)
    if field not in form.fields or (had is not None and had.path == path):
        return had
    found = media.known(site.home.media, path)
    return found if found is not None and found.role == role else had if path else None


def _kept(site: Site, role: str, name: str, data: bytes, alt: str) -> Attachment:
    kept = media.keep(site.home.media, data, name, alt=alt, where=role)
    if kept.role != role:
        what = "a PDF" if role == "pdf" else "a picture"
        raise BadInput(role, f"{kept.name[:80]!r} is not {what}.", f"Choose {what}.")
    return kept


def author_lines(authors: Iterable[Author]) -> list[Author]:
    """The lines for authors: those there are, and some that are empty."""
    return [*authors, *[Author("")] * SPARE][:AUTHORS]
