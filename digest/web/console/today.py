"""Today: is all well, and what goes out next."""

from __future__ import annotations

from typing import Any

from litestar import Response

from digest.staff.accounts import VIEWER
from digest.web.console import frame
from digest.web.look import WebRequest


def show(request: WebRequest) -> Response[Any]:
    """What waits, what comes, what went out."""
    return frame.page(request, "today.html", here="/staff/")


HANDLERS = [frame.page_at("/", VIEWER, show)]
