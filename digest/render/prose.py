"""Clean HTML as the text part of a mail says it: paragraphs of 72 columns, lists, and links on lines of their own.

Promises: every word and every address of the HTML, in its order; nothing follows an address on its line, so that mail
programs find its end. Refuses nothing; whatever is not known as a block is read as part of a paragraph.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml.html import HtmlElement

from digest.render import plain

_HEADINGS = ("h2", "h3", "h4", "h5", "h6")
_BLOCKS = """
    blockquote caption dd div dl dt figcaption figure hr li ol p pre table tbody tfoot thead tr ul
"""
BLOCKS = frozenset([*_HEADINGS, *_BLOCKS.split()])
_INDENTED = {"blockquote": 4, "dd": 4}


@dataclass
class _Paragraph:
    """Words and the links among them, gathered until the block ends."""

    words: list[str] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)  # label, address

    def text(self) -> str:
        """The words, single-spaced; a line for each line break that was asked for."""
        rows = (" ".join(row.split()) for row in "".join(self.words).split("\n"))
        return "\n".join(filter(None, rows))

    def below(self, indent: int) -> list[str]:
        """The links as they stand under the words."""
        return [_link(label, address, indent) for label, address in self.links]

    def lines(self, indent: int) -> str:
        """The words and the links; a link that is the whole paragraph is said once."""
        text, links = self.text(), self.below(indent)
        if len(links) == 1 and text == self.links[0][0]:
            return links[0]
        return "\n".join([*(plain.fold(row, indent) for row in text.split("\n") if row), *links])


def text(root: HtmlElement) -> str:
    """The text of an element that holds clean HTML."""
    return "\n\n".join(_blocks(root, 0))


def _link(label: str, address: str, indent: int) -> str:
    said = label in ("", address, address.removeprefix("mailto:"))
    return " " * indent + address if said else plain.link(label, address, indent)


def _blocks(element: HtmlElement, indent: int) -> Iterator[str]:
    """The blocks inside an element; what stands between them are paragraphs of their own."""
    run = _Paragraph()
    _words(run, element.text)
    for child in element:
        if child.tag in BLOCKS:
            yield from filter(None, [run.lines(indent)])
            run = _Paragraph()
            yield from filter(None, _block(child, indent))
        else:
            _inline(run, child)
        _words(run, child.tail)
    yield from filter(None, [run.lines(indent)])


def _block(element: HtmlElement, indent: int) -> Iterator[str]:
    if element.tag in _HEADINGS:
        yield _heading(element, indent)
    elif element.tag in ("ul", "ol"):
        yield "\n".join(_items(element, indent))
    elif element.tag == "tr":
        yield _row(element).lines(indent)
    elif element.tag in ("table", "thead", "tbody", "tfoot"):
        yield "\n".join(_blocks(element, indent))
    elif element.tag == "pre":
        yield _verbatim(element, indent + 4)
    elif element.tag == "hr":
        yield " " * indent + "* * *"
    else:
        yield from _blocks(element, indent + _INDENTED.get(element.tag, 0))


def _heading(element: HtmlElement, indent: int) -> str:
    run = _Paragraph()
    _inside(run, element)
    lines = plain.fold(run.text(), indent)
    longest = max(len(line.strip()) for line in lines.split("\n"))
    return "\n".join([lines, " " * indent + "-" * longest, *run.below(indent)])


def _items(element: HtmlElement, indent: int) -> Iterator[str]:
    for number, item in enumerate(element.findall("li"), int(element.get("start") or 1)):
        mark = f"{number}. " if element.tag == "ol" else "- "
        inner = indent + len(mark)
        lines = "\n".join(_blocks(item, inner))
        yield f"{' ' * indent}{mark}{lines[inner:]}"


def _row(element: HtmlElement) -> _Paragraph:
    run = _Paragraph()
    for place, cell in enumerate(element):
        run.words.append(" | " if place else "")
        _inside(run, cell)
    return run


def _verbatim(element: HtmlElement, indent: int) -> str:
    run = _Paragraph()
    _inside(run, element)
    lines = (" " * indent + line for line in element.text_content().strip("\n").split("\n"))
    return "\n".join([*(line.rstrip() for line in lines), *run.below(indent)])


def _inline(run: _Paragraph, element: HtmlElement) -> None:
    """Adds an element that stands inside a paragraph; a link's address follows when the paragraph has ended."""
    if element.tag == "br":
        run.words.append("\n")
    elif element.tag == "a" and element.get("href"):
        run.links.append((" ".join(element.text_content().split()), element.get("href")))
        _words(run, element.text_content())
    else:
        _inside(run, element)


def _inside(run: _Paragraph, element: HtmlElement) -> None:
    _words(run, element.text)
    for child in element:
        _inline(run, child)
        _words(run, child.tail)


def _words(run: _Paragraph, words: str | None) -> None:
    """Source line ends are spaces; only <br> breaks a line."""
    if words:
        run.words.append(words.replace("\n", " "))
