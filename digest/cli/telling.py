"""An edition as the command line tells it: one document, or one line whose parts add up.

Promises: whoever reads the line knows what happens next, and which command says otherwise. Refuses nothing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from digest import editions, letters, publications
from digest.cli import desk
from digest.delivery import ledger, progress
from digest.delivery.pace import Pace
from digest.editions import Edition
from digest.home import Home


def described(conn: Connection, edition: Edition) -> dict[str, Any]:
    """An edition as `--json` prints it."""
    totals = ledger.totals(conn, edition.id)
    return {
        "edition": edition.id,
        "digest": publications.by_id(conn, edition.digest_id).slug,
        "kind": edition.kind,
        "cadence": edition.cadence,
        "number": edition.number,
        "state": edition.shown_state,
        "reason": edition.reason or edition.paused_why,
        "planned": totals.planned,
        "accepted": totals.accepted,
        "skipped": totals.skipped,
        "failed": totals.failed,
        "unsure": totals.unsure,
        "remaining": totals.remaining,
        "starts_at": desk.plain(edition.starts_at),
        "closed_at": desk.plain(edition.closed_at),
        "sent_by": edition.asked_by or None,
        "approved_by": edition.approved_by,
    }


def result(conn: Connection, edition: Edition) -> str:
    """What became of an edition, in one line for people; the parts add up."""
    name = f"Edition {edition.id} ({_called(conn, edition)})"
    if edition.state == editions.REVIEW:
        return (
            f"{name} waits for approval. {edition.reason} `digest editions approve {edition.id}` lets it go out, "
            f"`digest editions cancel {edition.id}` stops it."
        )
    if edition.shown_state == editions.FROZEN:
        return f"{name} is locked; the clock plans and sends it (`digest run` makes a pass now)."
    if edition.state == editions.SKIPPED:
        return f"{name} was skipped. {edition.reason}"
    reason = edition.paused_why or edition.reason
    sum_ = f": {sum_of(ledger.totals(conn, edition.id))}" if edition.plan_done_at else ""
    return f"{name} is {edition.shown_state}{sum_}.{f' {reason}' if reason else ''}{_goes_on(edition)}"


def _called(conn: Connection, edition: Edition) -> str:
    if edition.is_letter:
        return f"letter “{letters.of(conn, edition.id).manuscript.subject}”"
    return publications.by_id(conn, edition.digest_id).name


def owed(conn: Connection, edition: Edition) -> str:
    """How those get it after all whom an edition did not surely reach."""
    if edition.is_letter:
        slug = publications.by_id(conn, edition.digest_id).slug
        return f"A letter to them alone: `digest letter FILE.md --digest {slug} --not-reached {edition.id}`."
    return "What is owed goes with the next edition, or now with `digest send DIGEST --owed`."


def pace(home: Home) -> Pace:
    """The pace of this installation's sending."""
    return Pace(home.settings.pace, zone=home.settings.site.time_zone, carrier=home.settings.transport.kind)


def under_way(home: Home, conn: Connection, edition: Edition) -> tuple[dict[str, Any], list[str]]:
    """How an edition that is being sent gets on, as facts and as lines for people; nothing of any other."""
    if edition.shown_state != editions.SENDING:
        return {"rate": None, "eta": None, "waits": None}, []
    now, zone = desk.now(), home.settings.site.time_zone
    got_on = progress.look(conn, edition.id, now=now)
    closed = pace(home).blocked(conn, now)
    lines = [f"{got_on.rate:g} mails a second lately."] if got_on.rate else []
    if got_on.eta:
        lines.append(f"The last will have gone about {desk.local(got_on.eta, zone)}.")
    if closed and closed.wait:
        lines.append(f"Nothing goes until {desk.local(closed.wait, zone)}. {closed.why}")
        if closed.carrier:
            lines.append(f"`digest editions resume {edition.id}` asks it again at once.")
    waits = {"until": closed.wait, "why": closed.why} if closed else None
    return {"rate": got_on.rate, "eta": desk.plain(got_on.eta), "waits": desk.plain(waits)}, lines


def standing(home: Home, edition: Edition) -> list[str]:
    """Lines that say how far an edition is, and what it waits for."""
    with home.db.reading() as conn:
        return [result(conn, edition), *under_way(home, conn, edition)[1]]


def sum_of(totals: ledger.Totals) -> str:
    """The equation of an edition, without the terms that are nothing."""
    terms = {
        "accepted": totals.accepted,
        "skipped": totals.skipped,
        "failed": totals.failed,
        "unsure": totals.unsure,
        "still to go": totals.remaining,
    }
    parts = " + ".join(f"{count} {word}" for word, count in terms.items() if count or word == "accepted")
    return f"{totals.planned} planned = {parts}"


def _goes_on(edition: Edition) -> str:
    """How an edition that is not at its end goes on."""
    if edition.question:
        return f" Say what to do: `digest editions resume {edition.id} --without`, or `--as-is`."
    if edition.shown_state == "paused":
        return f" `digest editions resume {edition.id}` goes on."
    return "" if edition.state in editions.ENDED else " The clock goes on with it (`digest run` makes a pass now)."


def tell(home: Home, number: int, *before: str, as_json: bool) -> None:
    """Prints how an edition stands now, after what was done."""
    with home.db.reading() as conn:
        edition = editions.find(conn, number)
        facts, line = described(conn, edition), result(conn, edition)
    desk.answer(facts, " ".join((*before, line)), as_json=as_json)
