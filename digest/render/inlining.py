"""Inlines the mail's CSS with premailer, once per edition and language.

Promises: nothing is fetched, whatever the markup says; classes stay, since the dark and narrow rules need them; the
markup's slots and cuts come through unchanged. Those rules themselves never pass premailer: see `templates`.
"""

from __future__ import annotations

import logging
import re
from functools import cache, lru_cache
from typing import Any

CUT = "@@:cut@@"
KEPT = 32  # results: an edition is looked at again and again before it goes, and inlining is most of what that costs
SHEETS = 8  # style sheets that are kept as they were read

_BLANK = re.compile(r"\n\s+")


@cache
def _offline() -> Any:
    """premailer without a network; loaded with the first mail, since it takes longer than most commands run."""
    from premailer import Premailer

    class Offline(Premailer):  # type: ignore[misc]  # premailer has no types
        def _load_external(self, url: str) -> str:
            return ""

        def _parse_style_rules(self, css_body: str, ruleset_index: int) -> Any:
            """Parsed once: a mail has the same rules each time, and reading them takes longer than using them."""
            key = (css_body, ruleset_index)
            if key not in parsed:
                if len(parsed) >= SHEETS:
                    parsed.clear()
                parsed[key] = super()._parse_style_rules(css_body, ruleset_index)
            return parsed[key]

    parsed: dict[tuple[str, int], Any] = {}
    return Offline


@lru_cache(maxsize=KEPT)
def page(html: str, css: str) -> str:
    """The whole page `html` with `css` written into its elements."""
    premailer = _offline()(
        html,
        css_text=css,
        method="html",
        allow_network=False,
        strip_important=False,
        remove_classes=False,
        disable_link_rewrites=True,
        disable_leftover_css=True,
        disable_validation=True,
        disable_basic_attributes=["width", "height", "align", "valign", "bgcolor"],
        align_floating_images=False,
        cssutils_logging_level=logging.CRITICAL,
    )
    return _BLANK.sub("\n", str(premailer.transform(pretty_print=False)))


def fragments(pieces: list[str], css: str) -> list[str]:
    """Each of `pieces` (body markup) with `css` written into its elements; one pass for all of them."""
    body = page(f"<html><body>{CUT}{CUT.join(pieces)}{CUT}</body></html>", css)
    return [piece.strip() for piece in body.split(CUT)[1:-1]]
