"""Send now: what goes, to how many people, who is left out and why; then a while in which it can be stopped.

Promises: the numbers are those of planning, and add up; nothing goes at the first press, since the page before it says
what will happen, and a send to more than fifty people asks for their number. Refuses: a press on a page whose number
is no longer true, which shows the new one.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import preflight, previews, proposals
from digest.editions import REVIEW, Edition
from digest.errors import DigestError, NotFound
from digest.staff import activity, approvals
from digest.staff.accounts import EDITOR, Account
from digest.web import look
from digest.web.console import badges, before, confirming, door, frame, preview, reviewing
from digest.web.console.before import Place
from digest.web.console.confirming import Unconfirmed
from digest.web.console.editions import DONE, HERE
from digest.web.console.preview import Mail, View
from digest.web.forms import Form
from digest.web.look import Site, WebRequest
from subscribers import by_hand
from subscribers.audience import Audience


def show(request: WebRequest) -> Response[Any]:
    """What would happen."""
    return _page(request)


def _page(request: WebRequest, *, status: int = 200, wrong: dict[str, str] | None = None) -> Response[Any]:
    site = look.of(request)
    with site.home.db.reading() as conn:
        here = place(conn, request, site)
        proposal = here.proposal
        found = before.count(conn, site, proposal)
        shown = before.context(conn, request, site, here, found)
        second = reviewing.for_what_i_send(conn, site, door.of(request).account)
    return frame.page(
        request,
        "send.html",
        status=status,
        here=HERE,
        path=here.path,
        digest=proposal.digest,
        series=proposal.series,
        owed=proposal.edition.is_carries,
        reach=found,
        stories=proposal.stories,
        second=second,
        minutes=site.home.settings.staff.undo_minutes,
        many=confirming.MANY,
        wrong=wrong or {},
        done=DONE.get(request.query_params.get("done", "")),
        mark=badges.mark,
        name=proposal.digest.name,
        **shown,
    )


def refused(request: WebRequest, why: str) -> Response[Any]:
    """The page with why something was not done."""
    return _page(request, status=409, wrong={"preview": why})


def place(conn: Connection, request: WebRequest, site: Site) -> Place:
    """The next edition of the series that the address names. Raises NotFound or Refused."""
    slug, cadence, owed = _named(request)
    digest, series = by_hand.which(conn, slug, cadence)
    proposal = proposals.of_series(conn, site.home.settings, digest, series, now=site.clock(), owed=owed)
    kept = {"owed": "1"} if owed else {}
    return Place(proposal, f"/staff/send/{slug}/{cadence}", f"the next {cadence} edition of {slug}", kept)


def mail(request: WebRequest) -> Response[Any]:
    """The mail as a page that does nothing."""
    site = look.of(request)

    def make(view: View) -> Mail:
        with site.home.db.reading() as conn:
            found = before.mail(conn, site, place(conn, request, site).proposal, view)
        if found is None:
            raise NotFound("There is no mail for everybody. Choose somebody as whom to see it.")
        return found

    return preview.answer(request, make)


def send(request: WebRequest, form: Form) -> Response[Any]:
    """Locks the edition; it starts when the time to stop it is over. Or else it waits for a second person."""
    site, account = look.of(request), door.of(request).account
    with site.home.db.reading() as conn:
        proposal = place(conn, request, site).proposal
        findings = previews.of_proposal(conn, site.home, proposal).findings if proposal.stories else ()
    try:
        preflight.refuse_unfit(findings)
        edition = site.home.db.run(partial(_send, site, account, _named(request), form))
    except (Unconfirmed, DigestError) as error:
        return _page(request, status=409, wrong={"typed": str(error)})
    return frame.redirect(f"{HERE}/{edition.id}")


def _send(site: Site, account: Account, named: tuple[str, str, bool], form: Form, conn: Connection) -> Edition:
    (slug, cadence, owed), now = named, site.clock()
    people = Audience(site.home.keys, site.home.settings.site.url)
    digest, series = by_hand.which(conn, slug, cadence)
    proposal = proposals.of_series(conn, site.home.settings, digest, series, now=now, owed=owed)
    reached = before.count(conn, site, proposal).gets
    confirming.check(form, reached)
    starts = now + timedelta(minutes=site.home.settings.staff.undo_minutes)
    edition = by_hand.send(
        conn,
        site.home,
        people,
        slug,
        cadence=series.cadence,
        owed=owed,
        sender=approvals.colleague(account),
        starts_at=starts,
        now=now,
    )
    if edition.state == REVIEW and edition.asked_by_id != account.id:
        return edition  # somebody else sent the same, and this is not their approval
    after = {"people": reached, "what": "owed" if owed else "new", "state": edition.shown_state}
    deed = "asked for approval of" if edition.state == REVIEW else "sent"
    activity.record(conn, account, deed, f"edition {edition.id}", now=now, after=after)
    return edition


def _named(request: WebRequest) -> tuple[str, str, bool]:
    slug, cadence = request.path_params["digest"], request.path_params["cadence"]
    if cadence not in ("instant", "daily", "weekly", "monthly"):
        raise NotFound("There is no such edition.")
    return slug, cadence, request.query_params.get("owed") == "1"


HANDLERS = [
    frame.page_at("/send/{digest:str}/{cadence:str}", EDITOR, show),
    frame.page_at("/send/{digest:str}/{cadence:str}/mail", EDITOR, mail),
    frame.deed_at("/send/{digest:str}/{cadence:str}", EDITOR, send),
]
