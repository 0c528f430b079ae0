"""A folder of Markdown files with YAML front matter becomes drafts.

Promises: one bad file never stops the rest, and each fault names its file, line and field; drafts come oldest first,
so that the newest is the latest news. Refuses: files over 2 MB or not in UTF-8, links, and whatever leads out of the
folder. docs/reference/markdown.md lists the fields.
"""

from __future__ import annotations

import dataclasses
import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from digest import drafts, markup, media, rules
from digest.drafts import Draft
from digest.errors import BadInput, NotFound, Problem
from digest.intake import dates, front, illustrations
from digest.intake.front import Front
from digest.shelf import Attachment, Author
from digest.tables import EPOCH

SOURCE = "markdown"
LARGEST = front.LARGEST_FILE
FIELDS = (
    "title", "kind", "date", "subtitle", "excerpt", "authors", "topics", "slug", "language", "pdf", "image",
    "image_alt", "updated", "update_note", "canonical_url", "featured", "state", "publish_at",
)  # fmt: skip
_ELSEWHERE = {"author": "authors"}  # where a fault of the store lies in the file


def read(folder: Path, *, zone: str, media: Path | None) -> Iterator[Draft | Problem]:
    """The drafts of a folder (or of one file), and a problem in the place of each that cannot be read.

    Files that items carry are kept below `media`; without it they are only looked at. A README is no item.
    """
    root, names = _files(folder)
    first: dict[str, str] = {}
    found = [_draft(_File(root, name, zone, media), first) for name in names]
    yield from sorted(found, key=_age)


def slugify(text: str) -> str:
    """`text` as part of an address: small letters, digits and hyphens, at most 120."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:120].strip("-")


@dataclass(frozen=True)
class _File:
    root: Path
    name: str
    zone: str
    media: Path | None


def _files(folder: Path) -> tuple[Path, list[str]]:
    if folder.is_file():
        return folder.parent, [folder.name]
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}. Name a folder of Markdown files, or one file.")
    names = []
    for where, inner, files in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        names += [str((Path(where) / name).relative_to(folder)) for name in files if _is_item(name)]
    return folder, sorted(names)


def _is_item(name: str) -> bool:
    stem, ending = os.path.splitext(name.lower())  # noqa: PTH122 - a name, not a path
    return ending in (".md", ".markdown") and stem != "readme" and not name.startswith(".")


def _age(found: Draft | Problem) -> tuple[bool, str, str]:
    if isinstance(found, Problem):
        return True, "", found.where
    return (found.published_on or "-").startswith("-"), found.published_on or "", found.where


def _draft(file: _File, first: dict[str, str]) -> Draft | Problem:
    """The draft of one file; `first` remembers which file had a slug first."""
    where = markup.line(file.name)
    try:
        parts = front.split(front.read(file.root, file.name))
    except BadInput as error:
        return _problem(where, error.problem)
    try:
        draft = _from_fields(file, parts)
        drafts.item(draft, zone=file.zone, now=EPOCH)
        if (other := first.setdefault(draft.slug, where)) != where:
            raise BadInput("slug", f"{draft.slug!r} is already the slug of {other}.", "Give it another.")
    except BadInput as error:
        return _problem(where, _with_line(error.problem, parts))
    found = (*_remarks(parts.fields), *illustrations.remarks(markup.foreign_html(parts.body), markup.Clean(draft.body)))
    remarks = tuple(_problem(where, _with_line(remark, parts)) for remark in found)
    return dataclasses.replace(draft, where=where, remarks=remarks)


def _from_fields(file: _File, parts: Front) -> Draft:
    fields, text = parts.fields, parts.text
    at = dates.moment("publish_at", text("publish_at"), file.zone) if text("publish_at") else None
    on, exact = dates.when("date", text("date"), file.zone) if text("date") else (None, None)
    return Draft(
        slug=text("slug") or slugify(Path(file.name).stem),
        kind=text("kind"),
        title=text("title"),
        subtitle=text("subtitle"),
        excerpt=text("excerpt"),
        body=markup.markdown_to_html(parts.body, text("canonical_url")),
        markdown=parts.body,
        language=text("language") or "en",
        published_on=on,
        published_at=exact,
        updated_on=dates.when("updated", text("updated"), file.zone)[0] if text("updated") else None,
        update_note=text("update_note"),
        canonical_url=text("canonical_url"),
        featured=rules.yes("featured", text("featured") or "no"),
        authors=tuple(_author(one) for one in _list(fields.get("authors"))),
        topics=tuple(_topic(one) for one in _list(fields.get("topics"))),
        attachments=_attachments(file, text),
        source=SOURCE,
        state=text("state") or ("scheduled" if at else "published"),
        publish_at=at,
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _topic(value: Any) -> str:
    text = front.scalar("topics", value)
    if not (slug := slugify(text)):
        raise BadInput("topics", f"{text[:40]!r} is no name of a topic.", "Write names, such as [hiring, detainers].")
    return slug


def _author(value: Any) -> Author:
    if not isinstance(value, dict):
        return Author(front.scalar("authors", value))
    if strange := set(value) - {"name", "role", "organization"}:
        raise BadInput("authors", f"{min(strange)[:40]!r} is unknown.", "An author has name, role and organization.")
    return Author(**{"name": "", **{key: front.scalar("authors", one) for key, one in value.items()}})


def _attachments(file: _File, text: Callable[[str], str]) -> tuple[Attachment, ...]:
    named = ((role, text(role)) for role in ("pdf", "image"))
    return tuple(_attachment(file, role, name, text("image_alt")) for role, name in named if name)


def _attachment(file: _File, role: str, name: str, alt: str) -> Attachment:
    alt = alt if role == "image" else ""
    if name.startswith("https://"):
        shown, media_type = name.rpartition("/")[2], "application/pdf" if role == "pdf" else "image/*"
        return Attachment(role, name, shown, media_type, 0, alt=alt)
    kept = media.store(file.media, (file.root / file.name).parent, name, alt=alt, where=role)
    if kept.role != role:
        raise BadInput(role, f"{name[:80]!r} is of another type.", "A pdf: is a PDF, an image: a picture.")
    return kept


def _remarks(fields: dict[str, Any]) -> Iterator[Problem]:
    for name in fields:
        if name not in FIELDS:
            near = get_close_matches(name, FIELDS, 1)
            remedy = f"Is {near[0]} meant?" if near else f"Known are: {', '.join(FIELDS)}."
            yield Problem(name[:40], "This field is unknown and was left out.", remedy)
    if fields.get("image") and not fields.get("image_alt"):
        why = "It has no image_alt, so the picture is kept and not shown."
        yield Problem("image", why, "Say in words what the picture shows.")


def _with_line(problem: Problem, parts: Front) -> Problem:
    if problem.where == "text":
        return dataclasses.replace(problem, where=f"line {parts.begins} (text)")
    return dataclasses.replace(problem, where=parts.at(_ELSEWHERE.get(problem.where, problem.where)))


def _problem(where: str, problem: Problem) -> Problem:
    return dataclasses.replace(problem, where=f"{where} {problem.where}")
