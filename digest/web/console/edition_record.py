"""The record of an edition: everybody in it as a table, to be downloaded and kept.

Promises: it is made some rows at a time, however many there are; no cell of it is a formula to a spreadsheet; who took
it with them is written down. Refuses viewers, who see no addresses.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from functools import partial
from typing import Any

from litestar import Response
from litestar.response import Stream

from digest.db import Database
from digest.delivery import runs
from digest.staff import activity
from digest.staff.accounts import EDITOR
from digest.web import look
from digest.web.console import door, edition_looks, frame
from digest.web.forms import Form
from digest.web.look import WebRequest
from subscribers import rolls, sheets


def download(request: WebRequest, form: Form) -> Response[Any]:
    """The record as CSV."""
    site, account = look.of(request), door.of(request).account
    number = edition_looks.number(request)
    with site.home.db.reading() as conn:
        runs.one(conn, number)
    deed = partial(activity.record, by=account, deed="exported", thing=f"edition {number}", now=site.clock())
    site.home.db.run(deed)
    headers = frame.PRIVATE | {"content-disposition": f'attachment; filename="edition-{number}.csv"'}
    return Stream(_text(site.home.db, number), media_type="text/csv", headers=headers)


def _text(db: Database, number: int) -> Iterator[str]:
    for lines in rolls.of_edition(db, number):
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerows([sheets.quoted(cell) for cell in line] for line in lines)
        yield out.getvalue()


HANDLERS = [frame.deed_at("/editions/{number:str}/record", EDITOR, download)]
