"""The pages of people: sign up, confirm, choose, leave, ask a question. Read a form, call one service, show the result.

What each promises stands in its module; `frame` has what they share.
"""

from __future__ import annotations

from typing import Any

from subscribers.pages import asking_us, choosing, confirming, leaving, own_data, signing_up

HANDLERS: list[Any] = [
    *signing_up.HANDLERS,
    *confirming.HANDLERS,
    *choosing.HANDLERS,
    *leaving.HANDLERS,
    *asking_us.HANDLERS,
    *own_data.HANDLERS,
]
