"""Bringing in a list of people: the file, its columns and where consent comes from, what would happen, and the deed.

Promises: nothing is written before the page that says what becomes of every line; who left, or must not be mailed, is
never brought back; lines that cannot be used can be had with their reasons. Refuses: a list without words that say
where these people agreed.
"""

from __future__ import annotations

from functools import partial
from io import BytesIO
from typing import Any

from litestar import Response

from digest import publications
from digest.errors import BadInput
from digest.staff import activity
from digest.staff.accounts import EDITOR
from digest.web import look
from digest.web.console import door, frame
from digest.web.console.people import HERE as PEOPLE
from digest.web.forms import Form
from digest.web.look import WebRequest
from subscribers import arrivals
from subscribers.arrivals import Arrival

HERE = f"{PEOPLE}/import"
SAMPLE = """email,name,topics,cadence,consented_at,source
ana@example.org,Ana Ortiz,hiring;detainers,weekly,2026-08-31,Conference sheet
ben@example.org,,,,2026-08-31,Conference sheet
"""


def show(request: WebRequest) -> Response[Any]:
    """Asks for the file."""
    return _page(request)


def _page(request: WebRequest, *, status: int = 200, **more: Any) -> Response[Any]:
    given: dict[str, Any] = {"wrong": {}}
    most = arrivals.LARGEST >> 20
    return frame.page(request, "import.html", status=status, here=PEOPLE, path=HERE, most=most, **(given | more))


def sample(request: WebRequest) -> Response[Any]:
    """A small file to begin with."""
    return _csv(SAMPLE, "people.csv")


def bring(request: WebRequest, form: Form) -> Response[Any]:
    """Keeps the file, and goes on to its columns."""
    site = look.of(request)
    try:
        upload = form.file("file")
        if upload is None or not upload.name:
            raise BadInput("file", "No file came.", "Choose one.")
        arrival = arrivals.keep(site.home, BytesIO(upload.data), upload.name, now=site.clock())
    except BadInput as error:
        return _page(request, status=400, wrong={"file": f"{error.problem.why} {error.problem.remedy}"})
    return frame.redirect(f"{HERE}/{arrival.id}")


def look_at(request: WebRequest) -> Response[Any]:
    """The columns that were found, then what would happen, then what did."""
    return _arrival_page(request)


def _arrival_page(request: WebRequest, *, status: int = 200, **more: Any) -> Response[Any]:
    site, arrival = look.of(request), _arrival(request)
    with site.home.db.reading() as conn:
        digests = publications.all(conn)
    columns, remarks = ([], ()) if arrival.done else arrivals.columns(site.home, arrival)
    given: dict[str, Any] = {"wrong": {}, "typed": {"words": arrival.words, "digest": arrival.digest}}
    return frame.page(
        request,
        "import_file.html",
        status=status,
        here=PEOPLE,
        path=f"{HERE}/{arrival.id}",
        arrival=arrival,
        columns=columns,
        remarks=remarks,
        digests=digests,
        names={digest.slug: digest.name for digest in digests},
        **(given | more),
    )


def rehearse(request: WebRequest, form: Form) -> Response[Any]:
    """Tries it, and goes on to what would happen."""
    site, arrival = look.of(request), _arrival(request)
    try:
        read = {"words": form.text("words", most=4_000), "digest": form.one("digest")}
        arrivals.rehearse(site.home, arrival, **read, now=site.clock())
    except BadInput as error:
        wrong = frame.wrong(error, "words")
        return _arrival_page(request, status=400, typed=form.typed("words", "digest"), wrong=wrong)
    return frame.redirect(f"{HERE}/{arrival.id}")


def perform(request: WebRequest, form: Form) -> Response[Any]:
    """Brings everybody in."""
    site, account = look.of(request), door.of(request).account
    done = arrivals.perform(site.home, _arrival(request), now=site.clock())
    counts = done.counts
    after = {"new": counts.new, "changed": counts.changed, "left out": counts.unusable} if counts else {}
    deed = partial(activity.record, by=account, deed="brought in", thing="people", now=site.clock(), after=after)
    site.home.db.run(deed)
    return frame.redirect(f"{HERE}/{done.id}")


def unusable(request: WebRequest) -> Response[Any]:
    """The lines that are left out, with their reasons."""
    arrival = _arrival(request)
    return _csv(arrivals.unusable(look.of(request).home, arrival), "left-out.csv")


def _csv(text: str, name: str) -> Response[Any]:
    headers = frame.PRIVATE | {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


def _arrival(request: WebRequest) -> Arrival:
    return arrivals.find(look.of(request).home, request.path_params["file"])


HANDLERS = [
    frame.page_at("/people/import", EDITOR, show),
    frame.deed_at("/people/import", EDITOR, bring, files=True),
    frame.page_at("/people/import/sample", EDITOR, sample),
    frame.page_at("/people/import/{file:str}", EDITOR, look_at),
    frame.deed_at("/people/import/{file:str}/try", EDITOR, rehearse),
    frame.deed_at("/people/import/{file:str}/perform", EDITOR, perform),
    frame.page_at("/people/import/{file:str}/left-out", EDITOR, unusable),
]
