"""The command that sends a letter: a text of its own to the readers of a digest, or to some of them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

import scheduler
from digest import clock_watch, letters, publications, rules, second_person
from digest.cli import colleagues, desk, sending
from digest.delivery import staff_mail
from digest.editions import REVIEW, Edition
from digest.errors import Refused
from digest.home import Home
from digest.intake import letter as manuscripts
from digest.letters import Letter, Order, Ready, Segment
from digest.second_person import Colleague
from subscribers import offices
from subscribers.offices import Office

MOST = 2**31 - 1  # the highest number of an edition that the database can hold


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("letter")(letter)


def letter(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.md", help="Its text, in Markdown, with a subject on top.")],
    digest: Annotated[str, typer.Option(metavar="DIGEST", help="The digest to whose readers it goes.")],
    topics: Annotated[str, typer.Option(metavar="A,B", help="Only who chose one of these topics.")] = "",
    language: Annotated[str, typer.Option(metavar="L", help="Only who reads this language, such as en.")] = "",
    joined_since: Annotated[str, typer.Option(metavar="DATE", help="Only who joined on this day or later.")] = "",
    received: Annotated[int, typer.Option(metavar="N", min=0, max=MOST, help="Only who received edition N.")] = 0,
    received_item: Annotated[str, typer.Option(metavar="SLUG", help="Only who received this item by mail.")] = "",
    not_reached: Annotated[
        int, typer.Option(metavar="N", min=0, max=MOST, help="Only those whom edition N did not surely reach.")
    ] = 0,
    by: colleagues.By = "",
    again: Annotated[bool, typer.Option("--again", help="Though the same text went out within the hour.")] = False,
    yes: desk.Yes = False,
    wait: sending.Wait = False,
    as_json: desk.AsJson = False,
) -> None:
    """Send a letter: a text of its own, now, to the readers of a digest."""
    home = desk.desk(context).home()
    manuscript = manuscripts.read(file, site_url=home.settings.site.url)
    with home.db.reading() as conn:
        to = publications.find(conn, digest)
        segment = Segment(
            topics=tuple(dict.fromkeys(filter(None, map(str.strip, topics.split(","))))),
            language=rules.languages("--language", language)[0] if language else "",
            joined_since=desk.moment("--joined-since", joined_since, to.zone) if joined_since else None,
            received=received or None,
            received_item=received_item.strip(),
            not_reached=not_reached or None,
        )
        order = Order(to, Letter(manuscript, segment), again)
        sender = colleagues.sender(conn, by)
        second_person.reason(home.settings, sender)
        ready = letters.check(conn, home.settings, order, now=desk.now())
    office = offices.open_office(home)
    _ask(office, ready, yes=yes or as_json)
    scheduler.watch(office)
    edition = home.db.run(partial(_send, home, ready, sender))
    sending.see_off(office, edition, wait=wait, as_json=as_json)


def _send(home: Home, ready: Ready, sender: Colleague | None, conn: Connection) -> Edition:
    """Sends the letter. Raises Refused after a jump of the clock that nobody has answered."""
    clock_watch.refuse_jump(conn)
    edition = letters.send(conn, home.settings, ready, sender=sender, now=desk.now())
    if edition.state == REVIEW:
        staff_mail.needs_approval(conn, home, edition, now=desk.now())
    return edition


def _ask(office: Office, order: Order, *, yes: bool) -> None:
    """Says how many people get it and asks whether to go on. Raises Refused when it is nobody."""
    to, letter = order.digest, order.letter
    with office.home.db.reading() as conn:
        people = office.people.count(conn, to.id, letter.segment)
    if not people:
        meant = "." if letter.segment == Segment() else " among those that the options name. Name others, or none."
        raise Refused(f"{to.slug} has nobody who gets mail now{meant}")
    whom = "1 person" if people == 1 else f"{people} people"
    desk.confirm(f"Send “{letter.manuscript.subject}” to {whom} of {to.name}?", yes=yes)
