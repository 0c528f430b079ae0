"""An edition as it is looked at: its mail, and while it waits for approval all that is to be known before it goes.

Promises: nothing changes by looking. Refuses: to show what is to be known before it goes of an edition that has gone.
"""

from __future__ import annotations

from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import editions, previews, proposals
from digest.editions import REVIEW, Edition
from digest.errors import NotFound, Refused
from digest.staff.accounts import VIEWER
from digest.web import look
from digest.web.console import before, frame, preview
from digest.web.console.before import Place
from digest.web.console.preview import Mail, View
from digest.web.look import Site, WebRequest

HERE = "/staff/editions"


def before_it_goes(conn: Connection, request: WebRequest, site: Site) -> dict[str, Any]:
    """Of an edition that waits for approval: what its page shows."""
    here = place(conn, request, site)
    found = before.count(conn, site, here.proposal)
    return before.context(conn, request, site, here, found) | {"reach": found}


def is_weighed(edition: Edition) -> bool:
    """Whether it is an edition of a series that waits for approval: all is said of it that can be known before."""
    return edition.state == REVIEW and not edition.is_letter


def mail_alone(
    conn: Connection, request: WebRequest, site: Site, edition: Edition, *, empty: bool, people: int | None
) -> dict[str, Any]:
    """Of others: the mail, when there is one; a letter says to how many `people` it goes while they are not counted."""
    view = View.of(request, f"{HERE}/{edition.id}", people=people or "")
    if empty:
        return preview.page(request, view, None, {}) | {"findings": ()}
    whole = previews.of_edition(conn, site.home, edition, people=people or 1, now=site.clock())
    return preview.page(request, view, preview.of_whole(whole), {}) | {"findings": whole.findings}


def place(conn: Connection, request: WebRequest, site: Site) -> Place:
    """The edition that the address names, while it waits for approval. Raises NotFound, or Refused for others."""
    edition = editions.find(conn, number(request))
    if not is_weighed(edition):
        raise Refused(f"Edition {edition.id} is {edition.shown_state} and waits for nobody. Look at it as it is.")
    proposal = proposals.of_edition(conn, site.home.settings, edition, now=site.clock())
    return Place(proposal, f"{HERE}/{edition.id}", f"edition {edition.id}")


def show(request: WebRequest) -> Response[Any]:
    """The mail as a page that does nothing, for the frame on the edition's page; `part=text` is its text."""
    site, asked = look.of(request), request.query_params
    language, people = asked.get("language", ""), frame.number(asked.get("people", "")) or 1

    def make(view: View) -> Mail:
        with site.home.db.reading() as conn:
            return _mail(conn, site, editions.find(conn, number(request)), view, language, people)

    return preview.answer(request, make)


def _mail(conn: Connection, site: Site, edition: Edition, view: View, language: str, people: int) -> Mail:
    """The mail; as one person gets it as long as the edition waits for approval."""
    if not is_weighed(edition) or not view.reader:
        whole = previews.of_edition(conn, site.home, edition, language=language, people=people, now=site.clock())
        return preview.of_whole(whole)
    proposal = proposals.of_edition(conn, site.home.settings, edition, now=site.clock())
    found = before.mail(conn, site, proposal, view)
    if found is None:
        raise Refused(f"Edition {edition.id} holds no items of its own, so there is no mail to look at.")
    return found


def number(request: WebRequest) -> int:
    """The number of the edition that the address names. Raises NotFound."""
    found = frame.number(request.path_params["number"])
    if found is None:
        raise NotFound("There is no such edition.")
    return found


HANDLERS = [frame.page_at("/editions/{number:str}/mail", VIEWER, show)]
