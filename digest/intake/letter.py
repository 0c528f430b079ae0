"""A letter as staff write it: one Markdown file with a subject on top, or the fields of the console's composer.

Promises: every fault names the file or the field, its line and the remedy; links are whole addresses, those without a
host lead to the site. Refuses: an unknown field, an empty letter, a link that leads nowhere, and pictures, since many
mail programs hide them and one on a foreign host tells it who reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from lxml import html

from digest import markup
from digest.errors import BadInput
from digest.intake import front
from digest.intake.front import Front
from digest.markup import Clean

FIELDS = ("subject", "title", "preheader")
LONGEST = 150  # characters of a subject or a preheader
BEGIN = "Begin with a line of ---, then subject: and what it is about."


@dataclass(frozen=True)
class Manuscript:
    """What a letter says; `preheader` is the line that inboxes show beside the subject, or empty.

    `markdown` is the body as it was written, for whoever wants to write on; empty where nobody kept it.
    """

    subject: str
    preheader: str
    body: Clean
    markdown: str = ""


def read(path: Path, *, site_url: str) -> Manuscript:
    """The letter in a file. Raises BadInput, its place being the file with the line."""
    try:
        return _manuscript(front.split(front.read(path.parent, path.name), BEGIN), f"{site_url}/")
    except BadInput as error:
        fault = error.problem
        raise BadInput(f"{markup.line(path.name)} {fault.where}", fault.why, fault.remedy) from error


def written(subject: str, preheader: str, text: str, *, site_url: str) -> Manuscript:
    """The letter in three fields. Raises BadInput, its place being the field: subject, preheader or text."""
    if not markup.line(subject):
        raise BadInput("subject", "It has no subject.", "Say in a few words what it is about.")
    if not text.strip():
        raise BadInput("text", "The letter is empty.", "Write its text.")
    try:
        return _manuscript(Front({"subject": subject, "preheader": preheader}, text), f"{site_url}/")
    except BadInput as error:
        fault = error.problem
        for name in ("subject", "preheader"):
            if fault.where.endswith(f"({name})"):
                raise BadInput(name, fault.why, fault.remedy) from error
        raise BadInput("text", f"{fault.where.capitalize()}: {fault.why}", fault.remedy) from error


def body(text: str, *, site_url: str) -> Clean:
    """Some Markdown that stands in a mail, by the rules of a letter. Raises BadInput, its place being `text`."""
    try:
        return _body(Front({}, text), f"{site_url}/")
    except BadInput as error:
        fault = error.problem
        raise BadInput("text", f"{fault.where.capitalize()}: {fault.why}", fault.remedy) from error


def _manuscript(parts: Front, base: str) -> Manuscript:
    for name in parts.fields:
        if name not in FIELDS:
            near = get_close_matches(name, FIELDS, 1)
            remedy = f"Is {near[0]} meant?" if near else "A letter has a subject, and may have a preheader."
            raise BadInput(parts.at(name), "This field is unknown.", remedy)
    return Manuscript(_subject(parts), _one_line(parts, "preheader"), _body(parts, base), parts.body)


def _subject(parts: Front) -> str:
    given = [(name, _one_line(parts, name)) for name in ("subject", "title") if name in parts.fields]
    if len(given) == 2:
        raise BadInput(parts.at("title"), "It has a subject already.", "Keep one of the two.")
    if not given or not given[0][1]:
        raise BadInput(parts.at("subject"), "It has no subject.", "Write subject: and what it is about.")
    return given[0][1]


def _one_line(parts: Front, name: str) -> str:
    try:
        text = markup.line(parts.text(name))
    except BadInput as error:
        raise BadInput(parts.at(name), error.problem.why, error.problem.remedy) from error
    if len(text) > LONGEST:
        raise BadInput(parts.at(name), f"It has {len(text)} characters.", f"Keep it below {LONGEST}; 60 is better.")
    return text


def _body(parts: Front, base: str) -> Clean:
    for line in markup.pictures(parts.body):
        remedy = "Link to it instead: many mail programs hide pictures."
        raise BadInput(f"line {parts.begins + line}", "A letter holds no pictures.", remedy)
    body = markup.markdown_to_html(parts.body, base)
    if not markup.line(markup.to_text(body)):
        raise BadInput(f"line {parts.begins}", "The letter is empty.", "Write its text below the second ---.")
    for link in html.fragment_fromstring(body, create_parent="div").iter("a"):
        if link.get("href") is None:
            words = markup.line("".join(link.itertext()))[:60]
            line = parts.begins + _line_of(parts.body, words)
            raise BadInput(
                f"line {line}", f"The link {words!r} leads nowhere.", "Write a whole address, with https://."
            )
    return body


def _line_of(text: str, words: str) -> int:
    """The line, from 0 on, that holds the words; the first when they are broken over lines."""
    return next((n for n, line in enumerate(text.split("\n")) if words in line), 0)
