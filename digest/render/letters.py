"""A letter in the shell of all mails: the publisher's own words, why it comes, and the ways out.

Promises: links and looks of the body hold in light and dark like everything else of ours; nothing in it can forge a
slot; the text part says the same. The first paragraph that is nothing but a bold link becomes the button. How many
people it goes to is filled in last (`counted`), when that is known. Refuses nothing; `digest.letters` has the checks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from html import escape

from lxml import html
from lxml.html import HtmlElement
from markupsafe import Markup

from digest.render import plain, prose, templates
from digest.render import words as wording
from digest.render.entries import shorten
from digest.render.shapes import Rendered, Shell, address, clean, slot, tidied
from digest.render.words import Words

CADENCE = "letter"  # stands in a shell where an edition has its cadence
PREHEADER = 100  # characters

_PEOPLE = "@@:people@@"
_BUTTON = "@@:button@@"
_CLASSES = {
    "a": "link",
    **dict.fromkeys(("h2", "h3", "h4", "h5", "h6"), "ink"),
    **dict.fromkeys(("blockquote", "hr"), "thin"),
    **dict.fromkeys(("td", "th"), "cell thin"),
}
_VERBATIM = re.compile("<pre\\b.*?</pre>", re.DOTALL)


def letter(
    shell: Shell, language: str, *, subject: str, preheader: str, body: str, topics: Sequence[str] = ()
) -> Rendered:
    """The mail of a letter with this clean HTML; `topics` are the names of those it is for, none for everyone."""
    shell, words, subject = tidied(shell), wording.of(language), clean(subject)
    line = words.letter_line(clean(shell.from_name), words.long(shell.day))
    asked_for = words.either([clean(name) for name in topics]) or shell.digest_name
    root = _parsed(body, shell)
    text = prose.text(root)
    page = templates.page(
        "letter.html",
        shell,
        words,
        subject=subject,
        heading=subject,
        label=words.letter_from(shell.site_name),
        label_line=line,
        body=Markup(_dressed(root)),  # noqa: S704  # has passed the trust border
        reason=_reason(words, asked_for),
        people=_PEOPLE,
        sent_to=words.sent_to(slot("masked")),
        slots={"preferences": slot("preferences"), "unsubscribe": slot("unsubscribe")},
    )
    said = clean(preheader) or shorten(clean(text), PREHEADER, words)
    return Rendered(
        subject=subject,
        html=page.replace("@@:preheader@@", escape(said)),
        text="\n\n".join([plain.head(shell, line), plain.title(subject), text, _foot(shell, words, asked_for)]),
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


def _parsed(body: str, shell: Shell) -> HtmlElement:
    """The body without anything that reads as a slot, its links fit for a mail."""
    root = html.fragment_fromstring(re.sub("@@+", "@", body), create_parent="div")
    for link in root.iter("a"):
        link.set("href", address(link.get("href", ""), shell.site_url))
    return root


def _dressed(root: HtmlElement) -> str:
    """The body's markup with the classes that give it our looks; it is changed in place."""
    for element in root.iter(*_CLASSES):
        element.set("class", _CLASSES[element.tag])
    button = _take_button(root)
    markup = _VERBATIM.sub(_keep_lines, html.tostring(root, encoding="unicode"))
    return markup.replace(f"<p>{_BUTTON}</p>", templates.piece("button", *button)) if button else markup


def _keep_lines(block: re.Match[str]) -> str:
    """Inlining drops the spaces in front of a line; in a block of code they mean something."""
    return block[0].rstrip("\n").replace("\n", "<br>")


def _take_button(root: HtmlElement) -> tuple[str, str] | None:
    """Address and words of the first paragraph that is one bold link, which makes room for the button."""
    for paragraph in root.findall("p"):
        link = paragraph.find("strong/a")
        if link is not None and link.text_content().strip() == paragraph.text_content().strip():
            found = link.get("href", ""), " ".join(link.text_content().split())
            paragraph.clear(keep_tail=True)
            paragraph.text = _BUTTON
            return found
    return None
