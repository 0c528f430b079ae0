"""An edition as the command line tells it: one document, or one line whose parts add up.

Promises: whoever reads the line knows what happens next, and which command says otherwise. Refuses nothing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from digest import editions, publications
from digest.cli import desk
from digest.delivery import ledger
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
    }


def result(conn: Connection, edition: Edition) -> str:
    """What became of an edition, in one line for people; the parts add up."""
    name = f"Edition {edition.id} ({publications.by_id(conn, edition.digest_id).name})"
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
