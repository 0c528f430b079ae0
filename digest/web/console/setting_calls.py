"""The invitations at the foot of pages and mails: three rows to fill in, and one more than there are.

Promises: an empty row is none; a row that is begun is finished or refused with what it lacks; editions that are locked
keep theirs. Refuses: links that lead neither to this site nor to an https address.
"""

from __future__ import annotations

import json
import re
from typing import Any

from litestar import Response

from digest import markup, settable
from digest.staff.accounts import OWNER
from digest.staff.arranging import Wish
from digest.web.console import frame, setting_saving
from digest.web.console.setting_fields import Section
from digest.web.forms import Form
from digest.web.look import WebRequest

MOST = 6  # rows
LONG = 500  # characters of a field
PARTS = ("title", "text", "link", "label")
SECTION = Section("calls", "Invitations", "", ())
_LINK = re.compile(r"/[!-~]*|https://[!-~]+|mailto:[!-~]+")


def save(request: WebRequest, form: Form) -> Response[Any]:
    """Keeps the rows."""
    rows: list[dict[str, str]] = []
    wrong: dict[str, str] = {}
    for place in range(MOST):
        names = {part: f"call-{place}-{part}" for part in PARTS}
        row = {part: markup.line(form.typed(name)[name]) for part, name in names.items()}
        if any(row.values()):
            long = {part: said for part, name in names.items() for said in form.faults(name, most=LONG).values()}
            wrong |= {f"call-{len(rows)}-{part}": said for part, said in (_faults(row) | long).items()}
            rows.append(row)
    wish = Wish(SECTION.title, {settable.CALLS: json.dumps(rows)}, form.one("seen"))
    return setting_saving.keep(request, form, SECTION, wish, wrong=wrong, done="calls")


def _faults(row: dict[str, str]) -> dict[str, str]:
    words = {"title": "Write what it is called.", "label": "Write the words of its link."}
    wrong = {part: said for part, said in words.items() if not row[part]}
    if not _LINK.fullmatch(row["link"]):
        wrong["link"] = "Write where it leads: /ask for a page of this site, or an address with https://."
    return wrong


HANDLERS = [frame.deed_at("/settings/calls", OWNER, save)]
