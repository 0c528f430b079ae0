"""The one color that a site has of its own, by day and by night: what it must stand out from, and what follows from it.

Promises: a color is measured on every ground where it stands or that stands on it, of pages and of mails, by the
figures of WCAG 2.2; one that falls short anywhere is not used. The other shade, under the pointer, is made from it and
stands out more. Colors are #rrggbb. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from digest import contrast
from digest.config import LooksSection
from digest.contrast import TEXT

DAY, NIGHT = "#0b5663", "#7cc9d6"  # the design's own
HOVER = {"light": "#000000", "dark": "#ffffff"}  # towards which the shade under the pointer goes
SHADE = 0.3
ON = {"light": "#ffffff", "dark": "#07282e"}
_PLACES = {
    "light": (
        ("on the page", "#f5f7f6"),
        ("on fields and panels", "#ffffff"),
        ("on tinted panels", "#e2eff1"),
        ("the words on it", ON["light"]),
        ("on the page of mails", "#edf1ef"),
        ("on the card of mails", "#fdfefd"),
        ("on notes in mails", "#e6eff0"),
        ("the words on a button in mails", "#fdfefd"),
    ),
    "dark": (
        ("on the page", "#111716"),
        ("on fields and panels", "#18201e"),
        ("on tinted panels", "#12333a"),
        ("the words on it", ON["dark"]),
    ),
}


@dataclass(frozen=True)
class Figure:
    """How one color stands out somewhere."""

    where: str
    ratio: float

    @property
    def is_enough(self) -> bool:
        return self.ratio >= TEXT

    @property
    def short(self) -> str:
        """The figure as it is said: never rounded up over what is asked."""
        return f"{int(self.ratio * 10) / 10}"

    def __str__(self) -> str:
        return f"{self.where} {self.short}"


@dataclass(frozen=True)
class Pair:
    """The accents that are used."""

    day: str = DAY
    night: str = NIGHT

    @property
    def is_own(self) -> bool:
        """Whether either is the site's own."""
        return (self.day, self.night) != (DAY, NIGHT)


def figures(color: str, mode: str) -> list[Figure]:
    """How a color stands out in each place; `mode` is light or dark."""
    return [Figure(where, contrast.ratio(color, ground)) for where, ground in _PLACES[mode]]


def fault(color: str, mode: str) -> str:
    """What is wrong with it as an accent, with the figures that fall short; empty when nothing is."""
    short = [str(one) for one in figures(color, mode) if not one.is_enough]
    if not short:
        return ""
    remedy = "Take a darker one." if mode == "light" else "Take a lighter one."
    return f"{color} can be read badly: {', '.join(short)}, and {TEXT} is needed. {remedy}"


def of(looks: LooksSection) -> Pair:
    """The accents of these settings; one that can be read badly gives way to the design's."""
    day = looks.accent if looks.accent and not fault(looks.accent, "light") else DAY
    night = looks.accent_dark if looks.accent_dark and not fault(looks.accent_dark, "dark") else NIGHT
    return Pair(day, night)


def hover(color: str, mode: str) -> str:
    """The color under the pointer: further from the ground."""
    towards = HOVER[mode]
    parts = [(int(color[at : at + 2], 16), int(towards[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(one + (other - one) * SHADE):02x}" for one, other in parts)


def style_sheet(pair: Pair) -> str:
    """What pages need beside the design's style sheet; not for print, which is black."""
    rules = [
        f"--accent: {color}; --hover: {hover(color, mode)};"
        for color, mode in ((pair.day, "light"), (pair.night, "dark"))
    ]
    dark = "@media screen and (prefers-color-scheme: dark)"
    return f"@media screen {{ :root {{ {rules[0]} }} }}\n{dark} {{ :root {{ {rules[1]} }} }}\n"
