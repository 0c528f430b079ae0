"""The coming edition of a series: its items in order, what is kept out, and what staff write over it.

Promises: every change is made to the edition as it stands at that moment, and is recorded; words that somebody else
changed meanwhile are shown beside those typed, and nothing of either is lost. Refuses: changes to what is locked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import arrangements, drafting, languages, occurrences
from digest.arrangements import Overtaken, Words
from digest.errors import BadInput, DigestError, NotFound
from digest.publications import CADENCES, Digest, Series
from digest.staff import activity, approvals
from digest.staff.accounts import EDITOR, VIEWER
from digest.web import look
from digest.web.console import badges, door, frame
from digest.web.console.editions import HERE as EDITIONS
from digest.web.forms import Form
from digest.web.look import WebRequest
from subscribers import by_hand, tally

HERE = "/staff/coming"
LONG = 50_000  # characters that are taken from a form and shown again; what is too long for a mail is told
WHY = 300  # characters of a reason
MOVES = {
    arrangements.UP: ("moved up", "Moved up."),
    arrangements.DOWN: ("moved down", "Moved down."),
    arrangements.FIRST: ("put first", "It leads the edition now."),
}
DONE = {
    **{where: said for where, (_, said) in MOVES.items()},
    "held": "Held back. It stays out until you let it go.",
    "released": "It goes with the coming edition.",
    "written": "Saved. It stands over the coming edition.",
}
TITLE = {"instant": "The coming alert", "daily": "The coming daily digest"} | {
    cadence: f"The coming {frame.CADENCES[cadence]}" for cadence in ("weekly", "monthly")
}

Change = Callable[[Connection, Series], object]


def show(request: WebRequest) -> Response[Any]:
    """What the next edition holds, as things stand."""
    return _page(request)


def _page(
    request: WebRequest,
    *,
    status: int = 200,
    fault: str = "",
    typed: dict[str, Words] | None = None,
    wrong: dict[str, str] | None = None,
    theirs: arrangements.Arrangement | None = None,
) -> Response[Any]:
    site = look.of(request)
    with site.home.db.reading() as conn:
        digest, series = _series(conn, request)
        coming = drafting.look(conn, series)
        alert = series.cadence == "instant"
        at = None if alert else occurrences.next_run(conn, digest, series, site.clock())
        people = tally.choices(conn, digest.id).takers(series.cadence)
    given = typed if typed is not None else coming.arrangement.words
    return frame.page(
        request,
        "coming.html",
        status=status,
        here=EDITIONS,
        path=f"{HERE}/{digest.slug}/{series.cadence}",
        title=TITLE[series.cadence],
        digest=digest,
        series=series,
        coming=coming,
        at=at,
        people=people,
        tongues=[(tag, languages.of(tag).locale.english_name, given.get(tag, Words())) for tag in digest.languages],
        fault=fault,
        wrong=wrong or {},
        theirs=theirs,
        badge=badges.badge,
        longest=arrangements.TEXT,
        done=DONE.get(request.query_params.get("done", "")),
    )


def _series(conn: Connection, request: WebRequest) -> tuple[Digest, Series]:
    cadence = request.path_params["cadence"]
    if cadence not in CADENCES:
        raise NotFound("There is no such edition.")
    return by_hand.which(conn, request.path_params["digest"], cadence)


# --- deeds -----------------------------------------------------------------------------------------------------


def move(request: WebRequest, form: Form) -> Response[Any]:
    """Moves an item up, down or to the front."""
    site, by = look.of(request), approvals.colleague(door.of(request).account)
    slug, where = form.one("item"), form.one("where")
    if where not in MOVES:
        raise NotFound("There is no such move.")

    def change(conn: Connection, series: Series) -> None:
        drafting.move(conn, series, slug, where, by=by, now=site.clock())

    return _changed(request, change, MOVES[where][0], f"{slug} in", where)


def hold(request: WebRequest, form: Form) -> Response[Any]:
    """Keeps an item out, with a reason."""
    site, by = look.of(request), approvals.colleague(door.of(request).account)
    try:
        slug, why = form.one("item"), form.one("why", most=WHY)
    except BadInput as error:
        return _page(request, status=400, fault=error.problem.said)

    def change(conn: Connection, series: Series) -> None:
        drafting.hold_back(conn, series, slug, why=why, by=by, now=site.clock())

    return _changed(request, change, "held back", f"{slug} from", "held", {"why": why} if why else None)


def release(request: WebRequest, form: Form) -> Response[Any]:
    """Lets an item go that was held back."""
    site, by = look.of(request), approvals.colleague(door.of(request).account)
    slug = form.one("item")

    def change(conn: Connection, series: Series) -> None:
        drafting.release(conn, series, slug, by=by, now=site.clock())

    return _changed(request, change, "let go", f"{slug} into", "released")


def write(request: WebRequest, form: Form) -> Response[Any]:
    """Keeps subject and opening words."""
    site, by = look.of(request), approvals.colleague(door.of(request).account)
    with site.home.db.reading() as conn:
        digest, _ = _series(conn, request)
    typed = {tag: _typed(form, tag) for tag in digest.languages}
    try:
        words = {tag: _written(tag, one, site.home.settings.site.url) for tag, one in typed.items()}
        seen = {name: int(form.one(name, most=18)) for name in ("revision", "mark")}
    except BadInput as error:
        return _page(request, status=400, typed=typed, wrong=frame.wrong(error, "text"))
    except ValueError:
        raise NotFound("This form is not whole. Open the page again.") from None

    def change(conn: Connection, series: Series) -> None:
        drafting.write(conn, series, words, **seen, by=by, now=site.clock())

    told = {tag: one.subject or "no subject of its own" for tag, one in words.items()}
    return _changed(request, change, "wrote over", "", "written", told, typed=typed)


def _typed(form: Form, tag: str) -> Words:
    """What was typed in one language, however long, to be shown again."""
    given = (form.fields.get(f"{name}-{tag}", ("",))[0] for name in ("subject", "text"))
    subject, text = (value.replace("\r\n", "\n")[:LONG] for value in given)
    return Words(subject, text)


def _written(tag: str, typed: Words, site_url: str) -> Words:
    try:
        return arrangements.written(typed.subject, typed.text, site_url=site_url)
    except BadInput as error:
        fault = error.problem
        raise BadInput(f"{fault.where}-{tag}", fault.why, fault.remedy) from error


def _changed(
    request: WebRequest,
    change: Change,
    deed: str,
    thing: str,
    done: str,
    after: dict[str, str] | None = None,
    **shown: Any,
) -> Response[Any]:
    """Makes the change with its line in the record, then shows the page; when it is refused, with what was typed."""
    site = look.of(request)
    try:
        path = site.home.db.run(partial(_both, request, change, deed, thing, after))
    except Overtaken as error:
        return _page(request, status=409, fault=str(error), theirs=error.theirs, **shown)
    except NotFound:
        raise
    except DigestError as error:
        return _page(request, status=409, fault=str(error), **shown)
    return frame.redirect(f"{path}?done={done}")


def _both(
    request: WebRequest, change: Change, deed: str, thing: str, after: dict[str, str] | None, conn: Connection
) -> str:
    site, account = look.of(request), door.of(request).account
    digest, series = _series(conn, request)
    change(conn, series)
    coming = f"the coming {frame.CADENCES[series.cadence]} of {digest.slug}"
    activity.record(conn, account, deed, f"{thing} {coming}".strip(), now=site.clock(), after=after)
    return f"{HERE}/{digest.slug}/{series.cadence}"


HANDLERS = [
    frame.page_at("/coming/{digest:str}/{cadence:str}", VIEWER, show),
    frame.deed_at("/coming/{digest:str}/{cadence:str}/move", EDITOR, move),
    frame.deed_at("/coming/{digest:str}/{cadence:str}/hold", EDITOR, hold),
    frame.deed_at("/coming/{digest:str}/{cadence:str}/release", EDITOR, release),
    frame.deed_at("/coming/{digest:str}/{cadence:str}/write", EDITOR, write),
]
