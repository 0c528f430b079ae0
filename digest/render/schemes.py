"""A mail as it looks in light or in dark, whatever the colors of the page around it.

Promises: pure; only style sheets and the mail's own word on its colors are touched, so no text of an author can be
mistaken for a rule. Serves those who look at a mail before it goes; readers get it with the rules as they are.
"""

from __future__ import annotations

import re

_STYLE = re.compile(r"(<style\b[^>]*>)(.*?)(</style>)", re.DOTALL | re.IGNORECASE)
_ASKS = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)")
_SAYS = re.compile(r'(<meta name="(?:supported-)?color-schemes?" content=")[^"]*(")')
_ALWAYS, _NEVER = "(min-width:0)", "(max-width:0)"  # of a screen, which is wider than nothing


def shown(html: str, scheme: str) -> str:
    """The mail in one scheme, "light" or "dark": its rules for that one hold, those for the other do not."""
    styled = _STYLE.sub(lambda found: found[1] + _answered(found[2], scheme) + found[3], html)
    return _SAYS.sub(rf"\g<1>{scheme}\g<2>", styled)


def _answered(css: str, scheme: str) -> str:
    return _ASKS.sub(lambda asked: _ALWAYS if asked[1] == scheme else _NEVER, css)
