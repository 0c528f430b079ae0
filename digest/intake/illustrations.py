"""The pictures inside a text that came in: what its author should know of them. Pure.

Promises: tells of those that the trust border left out, and of those that say nothing to people who do not see them;
both stay as they are. Refuses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from digest.errors import Problem
from digest.markup import Clean

_CAME = re.compile(r"<img\b", re.IGNORECASE)
_KEPT = re.compile(r"<img( [^>]*)>")  # as `markup.clean` writes it
_WORDS = re.compile(r' alt="[^"]')


def remarks(html: str, clean: Clean, where: str = "text") -> Iterator[Problem]:
    """What to say of the pictures in `html`, which became `clean`."""
    kept = _KEPT.findall(clean)
    if (lost := len(_CAME.findall(html)) - len(kept)) > 0:
        yield Problem(where, f"{_pictures(lost)} left out: the address is not https.", "Put it on the web by https.")
    if bare := sum(not _WORDS.search(attributes) for attributes in kept):
        why = f"{_pictures(bare)} shown without words for those who do not see it."
        yield Problem(where, why, "Say in its alternative text what it shows.")


def _pictures(number: int) -> str:
    return "A picture is" if number == 1 else f"{number} pictures are"
