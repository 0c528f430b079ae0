"""One entry made ready for every variant it may stand in: full, with a short excerpt, and as one line.

Promises: each is rendered and inlined once, and knows how many bytes it takes in a mail, so that joining and the
size budget need no further look at it. What an author wrote is cleaned here, and escaped by the templates; in another
language than the mail's it says so, and what we say around it does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

from babel import Locale, UnknownLocaleError
from markupsafe import Markup

from digest.items import Item
from digest.render import inlining, plain, quoted, templates
from digest.render import words as wording
from digest.render.shapes import EntryView, Shell, address, clean
from digest.render.words import Words

FULL, SHORT, LINE = 0, 1, 2

SHORT_EXCERPT = 160  # characters
READ_TITLE = 60

_MARKUP = re.compile("<[^>]*>")


@dataclass(frozen=True)
class Piece:
    """An entry as it goes into mails; by level: full, short, line. `texts` by level and indent (3, then 4)."""

    title: str
    excerpt: str
    update: bool
    reading: int  # words
    html: tuple[str, str, str]
    sizes: tuple[int, int, int]  # bytes at most, as sent
    texts: tuple[tuple[str, str], tuple[str, str], tuple[str, str]]
    own: Words  # of the language in which the item is written


@dataclass(frozen=True)
class _Facts:
    title: str
    label: str
    when: str
    link: str
    excerpt: str
    by: str
    changed: str
    note: str
    pdf: tuple[str, str] | None  # label, address
    tag: str  # of the item, when it is not in the mail's language
    direction: str
    own: Words


def prepare(shell: Shell, words: Words, views: Iterable[EntryView]) -> dict[int, Piece]:
    """The pieces of `views` by sequence; one pass of the inliner for all of them."""
    known = [(view, _facts(shell, words, view)) for view in views]
    if not known:
        return {}
    sources = [_html(words, facts, level) for _, facts in known for level in (FULL, SHORT, LINE)]
    inlined = inlining.fragments(sources, templates.css("mail.css", shell))
    return {
        view.sequence: _piece(view, facts, words, inlined[3 * place : 3 * place + 3])
        for place, (view, facts) in enumerate(known)
    }


def shorten(text: str, room: int, words: Words) -> str:
    """`text` in at most `room` characters, cut at a word that can end a phrase, with an ellipsis."""
    if len(text) <= room:
        return text
    kept = text[: room - 1]
    if not text[room - 1].isspace() and " " in kept.strip():
        kept = kept[: kept.rstrip().rindex(" ")]
    kept = kept.rstrip(" ,;:.-–—(“‘\"'")
    while " " in kept and kept.rsplit(" ", 1)[1].casefold() in words.small:
        kept = kept.rsplit(" ", 1)[0].rstrip(" ,;:.-–—(“‘\"'")
    return kept + "…"


def bare_title(item: Item) -> str:
    """The title without its kind in front: the label beside it says that already."""
    title, prefix = clean(item.title), clean(item.kind) + ":"
    if len(prefix) > 1 and title.casefold().startswith(prefix.casefold()):
        return title[len(prefix) :].strip() or title
    return title


def _facts(shell: Shell, words: Words, view: EntryView) -> _Facts:
    item, update = view.item, view.what == "update"
    kind = words.kind(clean(item.kind))
    link = address(f"/items/{item.slug}", shell.site_url)
    tag, direction = _tag(item.language, words)
    return _Facts(
        title=bare_title(item),
        label=words.updated if update else kind[:1].upper() + kind[1:],
        when=_when(shell, words, view),
        link=link,
        excerpt=clean(item.excerpt),
        by=_by(words, item),
        changed=_changed(shell, words, item) if update else "",
        note=clean(view.note) if update else "",
        pdf=_pdf(shell, words, item),
        tag=tag,
        direction=direction,
        own=wording.of(item.language),
    )


def _when(shell: Shell, words: Words, view: EntryView) -> str:
    if view.what != "update":
        return words.short(view.item.day, shell.day) if view.item.day else ""
    return words.first_sent(words.short(view.first_sent, shell.day)) if view.first_sent else ""


def _changed(shell: Shell, words: Words, item: Item) -> str:
    try:
        day = date.fromisoformat(item.updated_on or "")
    except ValueError:
        return words.changed()
    return words.changed(words.short(day, shell.day))


def _by(words: Words, item: Item) -> str:
    names = [", ".join(filter(None, map(clean, (a.name, a.role, a.organization)))) for a in item.authors]
    return words.by("; ".join(filter(None, names))) if any(names) else ""


def _pdf(shell: Shell, words: Words, item: Item) -> tuple[str, str] | None:
    if item.pdf is None:
        return None
    path = item.pdf.path
    link = address(path if "://" in path else f"/media/{path.removeprefix('/media/').lstrip('/')}", shell.site_url)
    return (words.pdf(item.pdf.size), link) if link else None


def _tag(language: str, words: Words) -> tuple[str, str]:
    """The language tag and direction of an item in another language than the mail; else empty."""
    if language.split("-")[0].lower() == words.base:
        return "", ""
    try:
        return clean(language), Locale.parse(language, sep="-").text_direction
    except (ValueError, UnknownLocaleError):
        return "", ""


def _html(words: Words, facts: _Facts, level: int) -> str:
    unbroken = facts.when.replace(" ", "\u00a0")
    short = level == SHORT
    return templates.render(
        "line.html" if level == LINE else "entry.html",
        words,
        title=_joined(facts.title),
        label=facts.label,
        when=unbroken,
        link=facts.link,
        excerpt=shorten(facts.excerpt, SHORT_EXCERPT, facts.own) if short else facts.excerpt,
        by=facts.by,
        changed=facts.changed,
        note=shorten(facts.note, SHORT_EXCERPT, facts.own) if short else facts.note,
        read=_read(words, facts),
        pdf={"label": facts.pdf[0], "link": facts.pdf[1]} if facts.pdf else None,
        tag=facts.tag,
        tag_direction=facts.direction,
    )


def _read(words: Words, facts: _Facts) -> Markup:
    """The words of the link to the item: ours around its title."""
    title = words.quoted.format(title=shorten(_joined(facts.title), READ_TITLE, facts.own))
    own = Markup('<span lang="{}" dir="{}">{}</span>').format(facts.tag, facts.direction, title)
    return Markup(escape(words.read)).format(title=own if facts.tag else title)  # noqa: S704  # escaped just here


def _joined(text: str) -> str:
    """A section sign stays with its number when lines break."""
    return text.replace("§ ", "§\u00a0")


def _piece(view: EntryView, facts: _Facts, words: Words, html: Sequence[str]) -> Piece:
    full, short, line = html
    body = Markup(view.item.body).striptags() if view.item.body else ""  # noqa: S704  # only counted
    return Piece(
        title=facts.title,
        excerpt=facts.excerpt,
        update=view.what == "update",
        reading=len(body.split()),
        html=(full, short, line),
        sizes=(quoted.bound(full), quoted.bound(short), quoted.bound(line)),
        texts=(_texts(facts, words, FULL), _texts(facts, words, SHORT), _texts(facts, words, LINE)),
        own=facts.own,
    )


def _texts(facts: _Facts, words: Words, level: int) -> tuple[str, str]:
    return _text(facts, words, level, 3), _text(facts, words, level, 4)


def _text(facts: _Facts, words: Words, level: int, indent: int) -> str:
    heading = words.updated_title(facts.title) if facts.changed else facts.title
    when = facts.when[:1].upper() + facts.when[1:]
    facts_line = f"{when}." if facts.changed and when else ", ".join(filter(None, (facts.label, facts.when)))
    if level == LINE:
        return plain.entry(heading, [facts_line], [("", facts.link)], indent)
    cut = (lambda text: shorten(text, SHORT_EXCERPT, facts.own)) if level == SHORT else str
    if facts.note:
        facts_line = " ".join(filter(None, (f"{when}." if when else "", facts.changed, cut(facts.note))))
    links = [(words.read_plain, facts.link), *([facts.pdf] if facts.pdf else [])]
    return plain.entry(heading, [facts_line, cut(facts.excerpt), facts.by], links, indent)
