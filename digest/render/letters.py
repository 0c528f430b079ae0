"""A letter in the shell of all mails: the publisher's own words, why it comes, and the ways out.

Promises: the text part says the same. How many people it goes to is filled in last (`counted`), when that is known.
Refuses nothing; `digest.letters` has the checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape

from markupsafe import Markup

from digest.render import bodies, plain, templates
from digest.render import words as wording
from digest.render.entries import shorten
from digest.render.shapes import Rendered, Shell, clean, slot, tidied
from digest.render.words import Words

CADENCE = "letter"  # stands in a shell where an edition has its cadence
PREHEADER = 100  # characters

_PEOPLE = "@@:people@@"


def letter(
    shell: Shell, language: str, *, subject: str, preheader: str, body: str, topics: Sequence[str] = ()
) -> Rendered:
    """The mail of a letter with this clean HTML; `topics` are the names of those it is for, none for everyone."""
    shell, words, subject = tidied(shell), wording.of(language), clean(subject)
    line = words.letter_line(clean(shell.from_name), words.long(shell.day))
    asked_for = words.either([clean(name) for name in topics]) or shell.digest_name
    written = bodies.dress(body, shell)
    page = templates.page(
        "letter.html",
        shell,
        words,
        subject=subject,
        heading=subject,
        label=words.letter_from(shell.site_name),
        label_line=line,
        body=Markup(written.html),  # noqa: S704  # has passed the trust border
        reason=_reason(words, asked_for),
        people=_PEOPLE,
        sent_to=words.sent_to(slot("masked")),
        slots={"preferences": slot("preferences"), "unsubscribe": slot("unsubscribe")},
    )
    said = clean(preheader) or shorten(clean(written.text), PREHEADER, words)
    return Rendered(
        subject=subject,
        html=page.replace("@@:preheader@@", escape(said)),
        text="\n\n".join([plain.head(shell, line), plain.title(subject), written.text, _foot(shell, words, asked_for)]),
    )


def counted(rendered: Rendered, people: int, language: str) -> Rendered:
    """A letter with the number of people that it goes to."""
    words = wording.of(language)
    sentence = words.letter_people(people)
    parts = (rendered.html.replace(_PEOPLE, escape(sentence)), rendered.text.replace(_PEOPLE, sentence))
    return replace(rendered, html=parts[0], text=parts[1])


def _reason(words: Words, asked_for: str) -> Markup:
    what = Markup("<strong>{}</strong>").format(asked_for)
    return Markup(escape(words.letter_reason)).format(what=what, asked=slot("asked"))  # noqa: S704  # escaped here


def _foot(shell: Shell, words: Words, asked_for: str) -> str:
    reason = words.letter_reason.format(what=asked_for, asked=slot("asked"))
    sent_to = words.sent_to(slot("masked"))
    return plain.foot(shell, words, why=[reason, f"{_PEOPLE} {words.letter_apart}", sent_to])
