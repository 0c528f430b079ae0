"""Editions and letters: what is coming, what goes out, what has been, and one of them in full.

Promises: the numbers on a page add up; every deed says what it does before it is done, is recorded, and goes through
the same service as the command line. Refuses: what the edition's state does not allow, in the service's words.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import (
    archive,
    coming,
    config,
    editions,
    letter_drafts,
    letters,
    preflight,
    previews,
    proposals,
    publications,
    review,
)
from digest.delivery import closing, runs
from digest.delivery.runs import Listed
from digest.editions import ENDED, REVIEW, Edition
from digest.errors import DigestError, NotFound, Refused
from digest.staff import activity, approvals
from digest.staff.accounts import EDITOR, VIEWER, Account
from digest.web import look
from digest.web.console import badges, charts, door, edition_log, edition_looks, frame, getting_on, reviewing
from digest.web.forms import Form
from digest.web.look import Site, WebRequest
from subscribers import explaining, records
from subscribers.audience import Audience

HERE = edition_looks.HERE
PEOPLE = 50  # named on one page
SOON = timedelta(hours=1)
NOT_DONE = "changed"
DONE = {
    "approved": "Approved. It goes out at its time.",
    NOT_DONE: "Something in it changed meanwhile, so it was not approved. Look at it again.",
    "undone": "Stopped in time. Nobody has it; its items wait for the next run.",
    "paused": "Paused. It keeps its place: nobody is missed and nobody gets it twice.",
    "resumed": "It goes on.",
    "cancelled": "Stopped. Who has it keeps it.",
    "settled": "Decided.",
    "seen": "Noted. What changes from now on is listed for you.",
    "tested": "A test is on its way to you.",
}


def show_all(request: WebRequest) -> Response[Any]:
    """What is coming, what is under way, what has been."""
    site, below = look.of(request), frame.number(request.query_params.get("below", ""))
    with site.home.db.reading() as conn:
        found = runs.page(conn, below=below, limit=runs.PER_PAGE + 1)
        waiting = runs.open_ones(conn) if below is None else []
        ahead = coming.next_runs(conn, now=site.clock()) if below is None else []
    shown = [one for one in found[: runs.PER_PAGE] if one.edition.state in (*ENDED, editions.DRAFT)]
    more = found[runs.PER_PAGE - 1].edition.id if len(found) > runs.PER_PAGE else None
    return frame.page(
        request,
        "editions.html",
        here=HERE,
        ahead=ahead,
        waiting=waiting,
        shown=shown,
        more=more,
        below=below,
        cadences=frame.CADENCES,
        **words(site),
    )


def show(request: WebRequest) -> Response[Any]:
    """One edition in full."""
    return _page(request)


def _page(request: WebRequest, *, status: int = 200, fault: str = "") -> Response[Any]:
    site, number = look.of(request), edition_looks.number(request)
    with site.home.db.reading() as conn:
        listed = runs.one(conn, number)
        edition = listed.edition
        slug = publications.by_id(conn, edition.digest_id).slug
        stories = archive.stories(conn, number)
        letter = letters.of(conn, number) if edition.is_letter else None
        on = getting_on.look(conn, site, listed)
        people = records.unreached(conn, number, most=PEOPLE) if edition.plan_done_at else []
        waits = reviewing.look(conn, site, door.of(request).account, edition)
        log = edition_log.steps(conn, listed)
        if edition_looks.is_weighed(edition):
            looked = edition_looks.before_it_goes(conn, request, site)
        else:
            empty, count = not (stories or letter), waits.people if waits else None
            looked = edition_looks.mail_alone(conn, request, site, edition, empty=empty, people=count)
    return frame.page(
        request,
        "edition.html",
        status=status,
        here=HERE,
        one=listed,
        slug=slug,
        stories=stories,
        letter=letter,
        on=on,
        result=result(listed),
        log=log,
        people=people,
        review=waits,
        fault=fault,
        faults=config.sending_faults(site.home.settings) if edition.state == REVIEW else [],
        done=DONE.get(request.query_params.get("done", "")),
        shown=door.shown(request),
        starts=_starts(site, edition),
        mark=badges.mark,
        **looked,
        **words(site),
    )


def refused(request: WebRequest, why: str) -> Response[Any]:
    """The page with why something was not done."""
    return _page(request, status=409, fault=why)


def _starts(site: Site, edition: Edition) -> str:
    """When a locked edition starts: minutes and seconds when that is soon."""
    wait = (edition.starts_at or edition.created_at) - site.clock()
    if wait <= timedelta():
        return "in a moment"
    minutes, seconds = divmod(int(wait.total_seconds()), 60)
    return f"in {minutes}:{seconds:02}" if wait < SOON else frame.moment(site, site.clock() + wait)


def words(site: Site) -> dict[str, Any]:
    """What templates say of editions."""
    return {
        "badge": badges.badge,
        "bar": bar,
        "name": partial(name, site),
        "reason": explaining.reason,
        "sentence": sentence,
    }


def name(site: Site, one: Listed) -> str:
    """What an edition is called: "Weekly digest, August 31", "Letter: Call for profiles"."""
    if one.edition.is_letter:
        return f"Letter: {one.subject}"
    day = one.day or (one.edition.starts_at or one.edition.created_at).astimezone(site.zone).date()
    said = frame.day(site, day)
    return f"{one.digest}, {said}" if one.edition.cadence != "instant" else f"Alert, {said}"


def bar(one: Listed) -> Any:
    """The bar of an edition's sum."""
    sums = one.totals
    return charts.stacked_bar(
        [
            ("accepted", "accepted", sums.accepted),
            ("skipped", "skipped", sums.skipped),
            ("failed", "failed", sums.failed),
            ("unsure", "unsure", sums.unsure),
            ("left", "still to go", sums.remaining),
        ]
    )


def sentence(one: Listed) -> str:
    """The sum in words, without the parts that are nothing."""
    sums = one.totals
    parts = (
        (sums.accepted, "accepted"),
        (sums.skipped, "skipped"),
        (sums.failed, "failed"),
        (sums.unsure, "unsure"),
        (sums.remaining, "still to go"),
    )
    told = " + ".join(f"{count:,} {word}" for count, word in parts if count or word == "accepted")
    return f"{sums.planned:,} planned = {told}"


def result(one: Listed) -> str:
    """What an edition that has ended came to, in a sentence."""
    sums = one.totals
    verb = "person has" if sums.accepted == 1 else "people have"
    parts = [f"{sums.accepted:,} of {sums.planned:,} {verb} it."]
    if sums.failed:
        parts.append(f"It could not be sent to {sums.failed:,}.")
    if sums.unsure:
        parts.append(f"Of {sums.unsure:,} nobody knows: they wait for your decision.")
    if sums.skipped:
        parts.append(f"{sums.skipped:,} {'was' if sums.skipped == 1 else 'were'} left out, for the reasons below.")
    return " ".join(parts)


# --- deeds -----------------------------------------------------------------------------------------------------


EVERYBODY = "all"  # of whom something is decided at once


def _deed(done: str, deed: str, step: Callable[[Connection, Site, Edition, Account, Form], str | None]) -> frame.Do:
    """A form's handler: the step in one transaction with its line in the record, then the edition's page.

    The step may name another page to go to.
    """

    def do(request: WebRequest, form: Form) -> Response[Any]:
        site, account, number = look.of(request), door.of(request).account, edition_looks.number(request)

        def both(conn: Connection) -> str:
            before = editions.find(conn, number)
            told = step(conn, site, before, account, form) or done
            _record(conn, site, account, deed, before)
            return told

        try:
            told = site.home.db.run(both)
        except DigestError as error:
            return _page(request, status=409, fault=str(error))
        return frame.redirect(told if told.startswith("/") else f"{HERE}/{number}?done={told}")

    return do


def _record(conn: Connection, site: Site, account: Account, deed: str, before: Edition, **more: str) -> None:
    after = {"state": editions.find(conn, before.id).shown_state} | more
    told = {"before": {"state": before.shown_state}, "after": after}
    activity.record(conn, account, deed, f"edition {before.id}", now=site.clock(), **told)


def approve(request: WebRequest, form: Form) -> Response[Any]:
    """Lets what waits go out, exactly as it was seen."""
    site, account, number = look.of(request), door.of(request).account, edition_looks.number(request)
    seen = form.one("contents")
    step = partial(approvals.approve, home=site.home, number=number, by=account, seen=seen)
    try:
        _refuse_unfit(site, number, seen)
        _, done = site.home.db.run(partial(step, now=site.clock()))
    except DigestError as error:
        return _page(request, status=409, fault=str(error))
    return frame.redirect(f"{HERE}/{number}?done={'approved' if done else NOT_DONE}")


def _refuse_unfit(site: Site, number: int, seen: str) -> None:
    """Raises Refused when something in the mail that was seen must be fixed first."""
    with site.home.db.reading() as conn:
        edition = editions.find(conn, number)
        if not edition_looks.is_weighed(edition) or seen != edition.content_hash:
            return
        proposal = proposals.of_edition(conn, site.home.settings, edition, now=site.clock())
        if proposal.stories:
            preflight.refuse_unfit(previews.of_proposal(conn, site.home, proposal).findings)


def _undo(conn: Connection, site: Site, edition: Edition, account: Account, form: Form) -> str | None:
    if edition.is_letter:
        draft = letter_drafts.take_back(conn, edition.id, by=account.name, now=site.clock())
        return f"/staff/letters/{draft.id}?done={'unapproved' if edition.approved_by else 'back'}"
    review.undo(conn, edition.id)
    return None


def _pause(conn: Connection, site: Site, edition: Edition, account: Account, form: Form) -> None:
    review.pause(conn, edition.id, why=f"Paused by {account.name}.", now=site.clock())


def _resume(conn: Connection, site: Site, edition: Edition, account: Account, form: Form) -> None:
    answer = form.one("answer")
    if answer in ("without", "as-is"):
        review.answer(conn, edition.id, as_is=answer == "as-is")
    else:
        review.resume(conn, edition.id)


def _settle(conn: Connection, site: Site, edition: Edition, account: Account, form: Form) -> None:
    people = Audience(site.home.keys, site.home.settings.site.url)
    given = form.one("person")
    number = frame.number(given)
    if number is None and given != EVERYBODY:
        raise NotFound("There is no such person.")
    ids = None if number is None else [number]
    settled = closing.settle(conn, edition.id, people, ids, arrived=form.one("fate") == "arrived", now=site.clock())
    if settled.too_early and not settled.settled:
        raise Refused("Less than 15 minutes have passed since the hand-over: an answer may still come. Wait for it.")


def cancel_page(request: WebRequest) -> Response[Any]:
    """Asks before the rest of an edition is stopped."""
    site, number = look.of(request), edition_looks.number(request)
    with site.home.db.reading() as conn:
        listed = runs.one(conn, number)
    return frame.page(request, "cancel.html", here=HERE, one=listed, **words(site))


def cancel(request: WebRequest, form: Form) -> Response[Any]:
    """Stops the rest of an edition."""
    site, account, number = look.of(request), door.of(request).account, edition_looks.number(request)
    drop, people = form.one("items") == "drop", Audience(site.home.keys, site.home.settings.site.url)

    def record(conn: Connection, before: Edition) -> None:
        holds_items = not before.is_letter
        more = {"items": "dropped" if drop else "come later"} if holds_items else {}
        _record(conn, site, account, "canceled the rest of", before, **more)

    try:
        closing.cancel(site.home.db, number, people, drop=drop, now=site.clock(), beside=record)
    except Refused as error:
        return _page(request, status=409, fault=str(error))
    return frame.redirect(f"{HERE}/{number}?done=cancelled")


HANDLERS = [
    frame.page_at("/editions", VIEWER, show_all),
    frame.page_at("/editions/{number:str}", VIEWER, show),
    frame.deed_at("/editions/{number:str}/approve", EDITOR, approve),
    frame.deed_at("/editions/{number:str}/undo", EDITOR, _deed("undone", "stopped in time", _undo)),
    frame.deed_at("/editions/{number:str}/pause", EDITOR, _deed("paused", "paused", _pause)),
    frame.deed_at("/editions/{number:str}/resume", EDITOR, _deed("resumed", "went on with", _resume)),
    frame.deed_at("/editions/{number:str}/settle", EDITOR, _deed("settled", "decided about unsure ones of", _settle)),
    frame.page_at("/editions/{number:str}/cancel", EDITOR, cancel_page),
    frame.deed_at("/editions/{number:str}/cancel", EDITOR, cancel),
]
