"""The last question before mail goes to people: their number as it was shown, and typed where it is many.

Promises: nothing goes to another number of people than the page has promised; where more than fifty are touched their
number is typed by hand. Serves whatever sends.
"""

from __future__ import annotations

from digest.web.console import frame
from digest.web.forms import Form

MANY = 50  # people from which on their number must be typed


class Unconfirmed(Exception):
    """What was promised is not true any more, or was not confirmed."""


def check(form: Form, reached: int) -> None:
    """Raises Unconfirmed with what to do."""
    typed = form.one("typed").replace(",", "").replace(" ", "")
    if frame.number(form.one("people")) != reached:
        raise Unconfirmed(f"It goes to {reached:,} people now. Look at it again, then send it.")
    if reached > MANY and typed != str(reached):
        raise Unconfirmed(f"Type {reached} to send it to {reached:,} people.")
