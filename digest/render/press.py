"""Joins shell and entries into variants, and keeps each within the size that mail programs show whole.

Promises: after the press is set up a variant costs well under a millisecond. Over the budget it takes, in this
order: long excerpts, then everything but one line per item, then the last items (with a link to all of them).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from digest.render import bodies, budget, entries, inlining, plain, quoted, templates
from digest.render import words as wording
from digest.render.entries import LINE, Piece
from digest.render.shapes import SLOT, EntryView, Rendered, Shell, clean, slot, tidied
from digest.render.words import Words

SUBJECT = 59  # characters
PREHEADER = 100

NBSP = "\u00a0"

_MARK = re.compile("@@:([a-z]+)@@")
_WORDS_PER_MINUTE = 230


@dataclass(frozen=True)
class Welcome:
    """What stands above the items of a mail that is no edition of its own: its subject and heading, and a paragraph."""

    heading: str
    lead: str


@dataclass(frozen=True)
class _Words:
    """What staff wrote over the edition, ready to stand in a mail."""

    subject: str = ""
    html: str = ""
    text: str = ""


@dataclass(frozen=True)
class _Frame:
    """The shell, inlined: markup and names of marks in turn; the text parts around the items."""

    html: tuple[str, ...]
    size: int  # bytes at most, as sent
    gap: int  # bytes between two items
    head: str
    foot: str
    hair: str
    also: str
    more: str


class Press:
    """Makes the variants of one edition in one language."""

    def __init__(self, shell: Shell, language: str, entries: Iterable[EntryView]) -> None:
        """Renders and inlines the shell and each entry once."""
        self._shell = tidied(shell)
        self._words = wording.of(language)
        self._frame = _frame(self._shell, self._words)
        self._written = _written(self._shell, language)
        self._pieces: dict[int, Piece] = {}
        self.add(entries)

    def add(self, views: Iterable[EntryView]) -> None:
        """Makes further entries ready; those already known are left as they are."""
        fresh = [view for view in views if view.sequence not in self._pieces]
        self._pieces.update(entries.prepare(self._shell, self._words, fresh))

    def variant(
        self, sequences: Sequence[int], *, most: int, welcome: Welcome | None = None, opened: bool = False
    ) -> Rendered:
        """The mail with these entries in this order, those beyond `most` as titles only.

        With `opened` it has the subject and the opening words that staff wrote over the edition, if they did.
        """
        pieces = [self._pieces[sequence] for sequence in sequences]
        if not pieces:
            raise ValueError("a mail needs at least one entry")
        written = self._written if opened else _Words()
        texts = self._welcome(welcome) if welcome else self._texts(pieces, written)
        room = budget.LIMIT - self._frame.size - sum(quoted.bound(escape(text)) for text in texts.values())
        sizes = [piece.sizes for piece in pieces]
        levels, shortened = budget.levels(sizes, most, room - quoted.bound(written.html), self._frame.gap)
        return Rendered(
            subject=texts["heading"],
            html=self._html(texts, written.html, pieces, levels),
            text=self._text(texts, written.text, pieces, levels),
            shortened=shortened,
        )

    def _texts(self, pieces: Sequence[Piece], written: _Words) -> dict[str, str]:
        heading, summary = written.subject or headline(self._words, pieces), self._summary(pieces)
        preheader = self._preheader(pieces[0], summary)
        return {"heading": heading, "subject": heading, "summary": summary, "preheader": preheader}

    def _welcome(self, welcome: Welcome) -> dict[str, str]:
        heading = entries.shorten(clean(welcome.heading), SUBJECT, self._words)
        preheader = entries.shorten(welcome.lead, PREHEADER, self._words)
        return {"heading": heading, "subject": heading, "summary": welcome.lead, "preheader": preheader}

    def _html(self, texts: dict[str, str], opening: str, pieces: Sequence[Piece], levels: Sequence[int]) -> str:
        filled = {name: escape(text) for name, text in texts.items()} | {"opening": opening}
        blocks: list[str] = []
        for place, (piece, level) in enumerate(zip(pieces, levels, strict=False)):
            if level == LINE and place and levels[place - 1] != LINE:
                blocks += [self._frame.hair, self._frame.also]
            elif level != LINE and place:
                blocks.append(self._frame.hair)
            blocks.append(piece.html[level])
        if len(levels) < len(pieces):
            blocks.append(self._frame.more.replace("@@:more@@", escape(self._more(pieces, levels))))
        filled["entries"] = "\n".join(blocks)
        return "".join(filled[part] if at % 2 else part for at, part in enumerate(self._frame.html))

    def _text(self, texts: dict[str, str], opening: str, pieces: Sequence[Piece], levels: Sequence[int]) -> str:
        blocks = [
            self._frame.head,
            f"{plain.title(texts['heading'])}\n{plain.fold(texts['summary'].replace(NBSP, ' '))}",
            *filter(None, [opening]),
        ]
        for place, (piece, level) in enumerate(zip(pieces, levels, strict=False)):
            if level == LINE and place and levels[place - 1] != LINE:
                blocks.append(f"{self._words.also}:")
            blocks.append(f"{place + 1}. {piece.texts[level][place >= 9]}")
        if len(levels) < len(pieces):
            blocks.append(plain.link(self._more(pieces, levels), self._shell.page))
        return "\n\n".join([*blocks, self._frame.foot])

    def _more(self, pieces: Sequence[Piece], levels: Sequence[int]) -> str:
        return self._words.more_online(len(pieces) - len(levels))

    def _summary(self, pieces: Sequence[Piece]) -> str:
        words, updates = self._words, sum(piece.update for piece in pieces)
        before = self._shell.before
        since = words.month_day(before, self._shell.day).replace(" ", NBSP) if before else ""
        sentence = words.summary(len(pieces) - updates, updates, since)
        reading = -(-sum(piece.reading for piece in pieces) // _WORDS_PER_MINUTE)
        return f"{sentence} {words.minutes(reading)}" if reading else sentence

    def _preheader(self, lead: Piece, summary: str) -> str:
        text = lead.excerpt if len(lead.excerpt) >= 40 else f"{lead.excerpt} {summary}".strip()
        return entries.shorten(text, PREHEADER, lead.own)


def headline(words: Words, pieces: Sequence[Piece]) -> str:
    """Subject and heading: the first item in words, the rest in number, under 60 characters."""
    lead, rest = pieces[0], len(pieces) - 1
    title = words.updated_title(lead.title) if lead.update else lead.title
    if not rest:
        return entries.shorten(title, SUBJECT, lead.own)
    pattern = words.and_more("\0", rest)
    return pattern.replace("\0", entries.shorten(title, SUBJECT + 1 - len(pattern), lead.own))


def _written(shell: Shell, language: str) -> _Words:
    opening = shell.openings.get(language)
    if opening is None:
        return _Words()
    body = bodies.dress(opening.body, shell)
    piece = templates.piece("opening", Markup(body.html))  # noqa: S704  # has passed the trust border
    (html,) = inlining.fragments([piece], templates.css("mail.css", shell)) if body.text else ("",)
    return _Words(clean(opening.subject), html, body.text)


def _frame(shell: Shell, words: Words) -> _Frame:
    line = words.label_line(shell.cadence, words.long(shell.day))
    digest, sent_to = words.digest(shell.cadence), words.sent_to(slot("masked"))
    reason = Markup(escape(words.reason)).format(  # noqa: S704  # escaped just here
        digest=Markup("<strong>{}</strong>").format(digest), asked=slot("asked")
    )
    html = templates.page(
        "digest.html",
        shell,
        words,
        **{name: f"@@:{name}@@" for name in ("subject", "heading", "summary", "opening", "entries")},
        label=words.mail_label(shell.cadence, shell.site_name),
        label_line=line,
        calls=[shell.calls_to_action[at : at + 3] for at in range(0, len(shell.calls_to_action), 3)],
        reason=reason,
        sent_to=sent_to,
        slots={"preferences": slot("preferences"), "unsubscribe": slot("unsubscribe")},
    )
    small = [templates.piece("hair"), templates.piece("also", words), templates.piece("more", shell.page, "@@:more@@")]
    hair, also, more = inlining.fragments(small, templates.css("mail.css", shell))
    why = [words.reason.format(digest=digest, asked=slot("asked")), sent_to]
    calls = plain.calls(shell.calls_to_action)
    foot = "\n\n".join(filter(None, (calls, plain.foot(shell, words, why=why, page=shell.page))))
    return _Frame(
        html=tuple(_MARK.split(html)),
        size=quoted.bound(html) + quoted.bound(also + more) + budget.SLOT_ROOM * len(SLOT.findall(html)),
        gap=quoted.bound(hair),
        head=plain.head(shell, line),
        foot=foot,
        hair=hair,
        also=also,
        more=more,
    )
