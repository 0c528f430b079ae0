"""The plain-text part, written as text: 72 columns, one link on a line with nothing after it.

Promises: it names the same items in the same order with the same links as the HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap

from digest.render.shapes import Call, Shell, slot
from digest.render.words import Words

WIDTH = 72

# What stands in for a slot while lines are broken: as long as the value usually is.
_STAND_INS = {slot("asked"): "\ue000" * 12, slot("masked"): "\ue001" * 22}


def fold(text: str, indent: int = 0) -> str:
    """`text` broken into lines of 72 columns, each indented; an address is never broken."""
    lines = wrap(text, WIDTH - indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(" " * indent + line for line in lines)


def link(label: str, address: str, indent: int = 0) -> str:
    """The label, and below it the address alone."""
    return f"{fold(label + ':', indent)}\n{' ' * indent}{address}"


def head(shell: Shell, line: str) -> str:
    """The masthead."""
    names = [shell.site_name.upper()]
    if shell.organization and shell.organization != shell.site_name:
        names.append(shell.organization)
    return "\n".join([*(fold(name) for name in names), *([line] if line else [])])


def title(text: str) -> str:
    """A heading, underlined."""
    lines = fold(text)
    return f"{lines}\n{'=' * max(len(line) for line in lines.splitlines())}"


def entry(heading: str, paragraphs: Iterable[str], links: Sequence[tuple[str, str]], indent: int) -> str:
    """One item; the number goes before it, so its first line starts at the margin."""
    blocks = [fold(heading, indent), *(fold(text, indent) for text in paragraphs if text)]
    blocks += [link(label, address, indent) if label else " " * indent + address for label, address in links]
    return "\n".join(blocks)[indent:]


def calls(invitations: Iterable[Call]) -> str:
    """The invitations."""
    return "\n\n".join(link(call.title, call.link) for call in invitations)


def foot(shell: Shell, words: Words, *, why: Sequence[str] = (), own: str = "", page: str = "") -> str:
    """What stands below the signature mark: why and the ways out, the mail's page, who and where we are.

    A mail that says no `why` is about one person's own affair, as `own` may say, and there is no list to leave.
    """
    lines = [_fold_slots(sentence) for sentence in why] + ([fold(own)] if own else [])
    if why:
        lines += [link(words.fewer, slot("preferences")), link(words.unsubscribe, slot("unsubscribe"))]
    if page:
        lines += [link(words.on_web, page)]
    lines += [fold(line) for line in (shell.organization or shell.site_name, shell.address) if line]
    return "\n".join(["-- ", *lines]) + "\n"


def _fold_slots(text: str) -> str:
    for marker, stand_in in _STAND_INS.items():
        text = text.replace(marker, stand_in)
    text = fold(text)
    for marker, stand_in in _STAND_INS.items():
        text = text.replace(stand_in, marker)
    return text
