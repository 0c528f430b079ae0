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

from digest import editions, items, previews, publications
from digest.editions import REVIEW, Edition
from digest.errors import DigestError, NotFound
from digest.staff import activity, approvals
from digest.staff.accounts import EDITOR, Account
from digest.web import look
from digest.web.console import badges, confirming, door, frame, reviewing
from digest.web.console.confirming import Unconfirmed
from digest.web.console.editions import HERE
from digest.web.forms import Form
from digest.web.look import Site, WebRequest
from subscribers import by_hand, explaining, reach, records
from subscribers.audience import Audience


def show(request: WebRequest) -> Response[Any]:
    """What would happen."""
    return _page(request)


def _page(request: WebRequest, *, status: int = 200, wrong: dict[str, str] | None = None) -> Response[Any]:
    site, (slug, cadence, owed) = look.of(request), _named(request)
    with site.home.db.reading() as conn:
        digest, series = by_hand.which(conn, slug, cadence)
        found = reach.count(conn, digest, series, now=site.clock(), owed=owed)
        waiting = [] if owed else editions.waiting(conn, series)
        told = items.by_ids(conn, {entry.item_id for entry in waiting})
        names = {topic.slug: topic.name for topic in publications.topics(conn)}
        preview = previews.make(conn, site.home, slug, now=site.clock(), cadence=cadence) if waiting else None
        samples = _samples(conn, request, found)
        second = reviewing.for_what_i_send(conn, site, door.of(request).account)
    return frame.page(
        request,
        "send.html",
        status=status,
        here=HERE,
        digest=digest,
        series=series,
        owed=owed,
        reach=found,
        entries=[(entry, told[entry.item_id]) for entry in waiting],
        topic_names=names,
        findings=preview.findings if preview else (),
        subject=preview.rendered.subject if preview else "",
        samples=samples,
        second=second,
        minutes=site.home.settings.staff.undo_minutes,
        many=confirming.MANY,
        wrong=wrong or {},
        mark=badges.mark,
        reason=explaining.reason,
        name=digest.name,
    )


def _samples(conn: Connection, request: WebRequest, found: reach.Reach) -> list[tuple[str, int]]:
    shown = door.shown(request)
    known = records.addresses(conn, [reader for reader, _ in found.samples])
    return [(shown(known[reader]), number) for reader, number in found.samples]


def mail(request: WebRequest) -> Response[Any]:
    """The mail as a page that does nothing."""
    site, (slug, cadence, _) = look.of(request), _named(request)
    with site.home.db.reading() as conn:
        preview = previews.make(conn, site.home, slug, now=site.clock(), cadence=cadence)
    html = previews.filled(preview.rendered.html, previews.sample_slots(preview.shell))
    return Response(html, media_type="text/html", headers=frame.PRIVATE | {"content-security-policy": frame.INERT})


def send(request: WebRequest, form: Form) -> Response[Any]:
    """Locks the edition; it starts when the time to stop it is over. Or else it waits for a second person."""
    site, account = look.of(request), door.of(request).account
    try:
        edition = site.home.db.run(partial(_send, site, account, _named(request), form))
    except (Unconfirmed, DigestError) as error:
        return _page(request, status=409, wrong={"typed": str(error)})
    return frame.redirect(f"{HERE}/{edition.id}")


def _send(site: Site, account: Account, named: tuple[str, str, bool], form: Form, conn: Connection) -> Edition:
    (slug, cadence, owed), now = named, site.clock()
    people = Audience(site.home.keys, site.home.settings.site.url)
    digest, series = by_hand.which(conn, slug, cadence)
    reached = reach.count(conn, digest, series, now=now, owed=owed).gets
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
