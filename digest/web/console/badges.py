"""States as staff see them: a word, a mark and a color for each, so that none is told by color alone."""

from __future__ import annotations

from markupsafe import Markup

from digest.items import Item

# code: label, look, what is shown on hover. The marks are drawn in 12 by 12, in the color of the word.
STATES = {
    "draft": ("Draft", "Can still change. Goes to no one yet"),
    "review": ("Review", "Waits for a second person"),
    "frozen": ("Locked", "Contents are fixed; starts by itself. People are counted when it starts"),
    "sending": ("Sending", "On its way"),
    "paused": ("Paused", "Stopped; keeps its place"),
    "sent": ("Sent", "The mail server took it"),
    "accepted": ("Accepted", "The mail server took it"),
    "skipped": ("Skipped", "Not sent, on purpose; the reason is beside it"),
    "failed": ("Failed", "Refused; the reason is beside it"),
    "cancelling": ("Stopping", "What is under way is still recorded"),
    "cancelled": ("Canceled", "Stopped by staff; says how many had it already"),
    "unsure": ("Unsure", "Handed over, no answer. May or may not have arrived"),
}

# Of people: label, and which state's mark and look they wear.
PEOPLE = {
    "active": ("Gets mail", "sent", "They asked for it and get it"),
    "pending": ("Waits to confirm", "review", "They have not pressed the button in the confirmation mail"),
    "paused": ("Paused", "paused", "No mail until the pause ends"),
    "left": ("Left", "skipped", "They unsubscribed"),
    "suppressed": ("Do not mail", "failed", "The address is on the do-not-mail list"),
}

_LINE = 'fill="none" stroke="currentColor" stroke-width="1.6"'
_CIRCLE = f'<circle cx="6" cy="6" r="4.6" {_LINE}'
_CANCELLED = '<path fill="currentColor" d="M2.5 2.5h7v7h-7z"/>'
_SENT = '<path fill="none" stroke="currentColor" stroke-width="2" d="M1.5 6.4l3 3L10.6 2.8"/>'
_MARKS = {
    "draft": f'{_CIRCLE} stroke-dasharray="2.2 1.5"/>',
    "review": f'{_CIRCLE}/><path fill="currentColor" d="M6 1.4a4.6 4.6 0 0 0 0 9.2z"/>',
    "frozen": '<rect fill="currentColor" x="1.8" y="5.2" width="8.4" height="6" rx="1"/>'
    f'<path {_LINE} d="M3.7 5.4V3.8a2.3 2.3 0 0 1 4.6 0v1.6"/>',
    "sending": '<path fill="currentColor" d="M2.5 1l8 5-8 5z"/>',
    "paused": '<path fill="currentColor" d="M2.6 1.5h2.4v9H2.6zM7 1.5h2.4v9H7z"/>',
    "sent": _SENT,
    "accepted": _SENT,
    "skipped": f'{_CIRCLE}/><path {_LINE} d="M3.4 6h5.2"/>',
    "failed": '<path fill="none" stroke="currentColor" stroke-width="2.2" d="M2 2l8 8M10 2l-8 8"/>',
    "cancelling": _CANCELLED,
    "cancelled": _CANCELLED,
    "unsure": f'<path {_LINE} d="M3.4 4.1A2.6 2.6 0 1 1 6.9 6.5C6.2 6.8 6 7.2 6 8"/>'
    '<circle fill="currentColor" cx="6" cy="10.6" r="1.15"/>',
}

# What an item's state is called, what that means, and the state of an edition whose look it has.
_OF_ITEMS = {
    "draft": ("Draft", "Only staff see it", "draft"),
    "scheduled": ("Scheduled", "Appears by itself at its time", "review"),
    "published": ("Published", "On the site", "sent"),
    "withdrawn": ("Withdrawn", "Its address says why", "cancelled"),
    "yearless": ("No year", "On the site, in no feed and no digest until its date is complete", "paused"),
}


def of_item(item: Item) -> Markup:
    """The badge of an item's state."""
    yearless = item.state == "published" and item.published_at is None
    word, meaning, like = _OF_ITEMS["yearless" if yearless else item.state]
    return Markup('<span class="state {}" title="{}">{}{}</span>').format(like, meaning, mark(like), word)


def badge(state: str, label: str = "") -> Markup:
    """A state's badge; `label` says more than its word, such as "2 unsure"."""
    word, meaning = STATES[state]
    return _badge(state, meaning, label or word)


def person(state: str, until: str = "") -> Markup:
    """The badge of a person in this state; who paused is told `until` when."""
    word, look, meaning = PEOPLE[state]
    return _badge(look, meaning, f"{word} until {until}" if until and state == "paused" else word)


def _badge(look: str, meaning: str, label: str) -> Markup:
    return Markup('<span class="state {}" title="{}">{}{}</span>').format(look, meaning, mark(look), label)


def mark(state: str) -> Markup:
    """Only the mark, for beside words that say the same."""
    drawn = Markup(_MARKS[state])  # noqa: S704 - our own drawing
    return Markup('<svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">{}</svg>').format(drawn)
