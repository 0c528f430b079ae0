"""How well text stands out from its ground, by the figures of WCAG 2.2 s.1.4.3, from inline styles.

Promises: pure; follows color, background and size down the elements as a mail program does, starting from black on
white; hidden text and white space are passed over. Colors it cannot read are left as inherited. With rules by class it
says the same of how the page looks where those hold, as in the dark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from lxml.html import HtmlElement

TEXT, LARGE = 4.5, 3.0

_HEX = re.compile("#([0-9a-f]{6}|[0-9a-f]{3})")
_RGB = re.compile(r"rgba?\(\s*(\d{1,3})\s*[, ]\s*(\d{1,3})\s*[, ]\s*(\d{1,3})")
_NAMED = {"black": "#000000", "white": "#ffffff", "gray": "#808080", "silver": "#c0c0c0", "red": "#ff0000"}
_SILENT = ("head", "script", "style", "title")
_DARK = re.compile(r"@media[^{]*prefers-color-scheme:\s*dark[^{]*\{((?:[^{}]*\{[^{}]*\})*)\s*\}")
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_CLASS = re.compile(r"(?:^|,)\s*\.([\w-]+)\s*(?=,|$)")

Rules = Mapping[str, Mapping[str, str]]  # class -> property -> value


@dataclass(frozen=True)
class Spot:
    """A piece of text, its colors, how they contrast and what is needed."""

    text: str
    color: str
    background: str
    ratio: float
    needed: float


@dataclass(frozen=True)
class _Look:
    color: str = "#000000"
    background: str = "#ffffff"
    size: float = 16
    bold: bool = False

    @property
    def needed(self) -> float:
        return LARGE if self.size >= 24 or (self.bold and self.size >= 18.66) else TEXT


def ratio(one: str, other: str) -> float:
    """The contrast of two colors (#rrggbb), from 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def weak(page: HtmlElement, rules: Rules | None = None) -> Iterator[Spot]:
    """Every piece of text under `page` that stands out too little.

    `rules` for the dark win over inline styles, and what has no color of its own is white on black then.
    """
    start = _Look() if rules is None else _Look(color="#ffffff", background="#000000")
    yield from _walk(page, start, rules or {})


def dark_rules(css: str) -> Rules:
    """Of a style sheet without nesting what its rules for the dark say of single classes."""
    found: dict[str, dict[str, str]] = {}
    for block in _DARK.findall(css):
        for selectors, said in _RULE.findall(block):
            for name in _CLASS.findall(selectors):
                found.setdefault(name, {}).update(_declared(said))
    return found


def _walk(element: HtmlElement, look: _Look, rules: Rules) -> Iterator[Spot]:
    if not isinstance(element.tag, str) or element.tag in _SILENT:
        return
    style = _declared(element.get("style") or "")
    for name in (element.get("class") or "").split():
        style |= rules.get(name, {})
    if style.get("display") == "none" or style.get("visibility") == "hidden":
        return
    look = _changed(look, element, style)
    texts = [element.text, *(child.tail for child in element)]
    text = " ".join(" ".join(filter(None, texts)).split())
    if text and (found := ratio(look.color, look.background)) < look.needed:
        yield Spot(text, look.color, look.background, found, look.needed)
    for child in element:
        yield from _walk(child, look, rules)


def _declared(style: str) -> dict[str, str]:
    pairs = (part.partition(":") for part in style.split(";") if part.strip())
    return {name.strip().lower(): value.replace("!important", "").strip().lower() for name, _, value in pairs}


def _changed(look: _Look, element: HtmlElement, style: dict[str, str]) -> _Look:
    ground = style.get("background-color") or style.get("background") or element.get("bgcolor") or ""
    heavy = style.get("font-weight", "bold" if element.tag in ("b", "strong", "h1", "h2", "h3", "th") else "")
    size = re.match(r"([\d.]+)px", style.get("font-size", ""))
    return replace(
        look,
        color=_color(style.get("color") or element.get("color") or "") or look.color,
        background=_color(ground) or look.background,
        size=float(size[1]) if size else look.size,
        bold=(heavy == "bold" or (heavy.isdigit() and int(heavy) >= 700)) if heavy else look.bold,
    )


def _color(value: str) -> str:
    value = value.strip().lower()
    if found := _HEX.search(value):
        digits = found[1]
        return "#" + (digits if len(digits) == 6 else "".join(digit * 2 for digit in digits))
    if found := _RGB.search(value):
        return "#" + "".join(f"{min(int(part), 255):02x}" for part in found.groups())
    return next((color for name, color in _NAMED.items() if name in value.split()), "")


def _luminance(color: str) -> float:
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
