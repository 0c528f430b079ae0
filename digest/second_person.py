"""The rule that a second person approves what staff send: when it holds, and who is not the second person.

Promises: while `[staff] second_approval` is on, what somebody sends by hand waits with a reason that names them, and
only somebody else of the staff lets it go; pure, so every way in obeys the same rule. Refuses: to send in nobody's
name, and an approval by whoever sent it or by nobody in particular. docs/how-to/let-a-second-person-approve.md tells
it to staff.
"""

from __future__ import annotations

from dataclasses import dataclass

from digest.config import Settings
from digest.errors import Refused

AUTHOR = "The author cannot be the second person: {} sent it or changed it last, so somebody else approves it."


@dataclass(frozen=True)
class Colleague:
    """One of the staff, as an edition remembers them."""

    id: int
    name: str


def reason(settings: Settings, sender: Colleague | None) -> str:
    """Why what somebody sends waits; nothing while the rule is off. Raises Refused when it is in nobody's name."""
    if not settings.staff.second_approval:
        return ""
    if sender is None:
        raise Refused(
            "A second person approves what is sent by hand, so say who sends it: --by ADDRESS, with the address of one "
            "of the staff."
        )
    return f"Sent by {sender.name}; a second person approves it."


def refuse_author(settings: Settings, sender: Colleague | None, by: Colleague | str) -> None:
    """Raises Refused when the rule is on and `by` is no second person; what nobody sent waits for anybody."""
    if not settings.staff.second_approval:
        return
    if isinstance(by, str):
        raise Refused("A second person approves this, so say who does: --by ADDRESS, with the address of one of them.")
    if sender is not None and sender.id == by.id:
        raise Refused(AUTHOR.format(sender.name))
