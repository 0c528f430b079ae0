"""A text that staff wrote, in a mail: its clean HTML in our looks, and as text.

Promises: links and looks hold in light and dark like everything else of ours; nothing in it can forge a slot; both
forms say the same. The first paragraph that is nothing but a bold link becomes the button. Serves letters, and the
opening words of an edition. Refuses nothing; what comes has passed the trust border (`digest.markup`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import html
from lxml.html import HtmlElement

from digest.render import prose, templates
from digest.render.shapes import Shell, address

_BUTTON = "@@:button@@"
_CLASSES = {
    "a": "link",
    **dict.fromkeys(("h2", "h3", "h4", "h5", "h6"), "ink"),
    **dict.fromkeys(("blockquote", "hr"), "thin"),
    **dict.fromkeys(("td", "th"), "cell thin"),
}
_VERBATIM = re.compile("<pre\\b.*?</pre>", re.DOTALL)


@dataclass(frozen=True)
class Body:
    """A text in both forms; the HTML has classes and is not inlined yet."""

    html: str
    text: str


def dress(clean: str, shell: Shell) -> Body:
    """The text with this clean HTML in the mails of this shell."""
    root = _parsed(clean, shell.site_url)
    return Body(text=prose.text(root), html=_dressed(root, shell.accent or templates.DAY))


def _parsed(body: str, base: str) -> HtmlElement:
    """The body without anything that reads as a slot, its links fit for a mail."""
    root = html.fragment_fromstring(re.sub("@@+", "@", body), create_parent="div")
    for link in root.iter("a"):
        link.set("href", address(link.get("href", ""), base))
    return root


def _dressed(root: HtmlElement, accent: str) -> str:
    """The body's markup with the classes that give it our looks; it is changed in place."""
    for element in root.iter(*_CLASSES):
        element.set("class", _CLASSES[element.tag])
    button = _take_button(root)
    markup = _VERBATIM.sub(_keep_lines, html.tostring(root, encoding="unicode"))
    return markup.replace(f"<p>{_BUTTON}</p>", templates.piece("button", *button, accent)) if button else markup


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
