"""An edition before it goes: whom it reaches, what was found in it, what changed since one looked, and its mail.

Promises: everything is said of the same contents; opening the page notes nothing. Serves the page of an edition that
waits for approval and that of the next one of a series.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from digest import previews, publications, render
from digest.delivery import proofs
from digest.proposals import Proposal
from digest.staff import looks
from digest.web.console import door, preview, trials, who
from digest.web.console.preview import Mail, View
from digest.web.look import Site, WebRequest
from subscribers import reach
from subscribers.audience import Audience
from subscribers.reach import Reach


@dataclass(frozen=True)
class Place:
    """What is looked at, and where: the page's path with what its address says besides, and its name in the record."""

    proposal: Proposal
    path: str
    thing: str
    kept: Mapping[str, object] = field(default_factory=dict)


def context(conn: Connection, request: WebRequest, site: Site, place: Place, found: Reach) -> dict[str, Any]:
    """What the page shows."""
    account, proposal = door.of(request).account, place.proposal
    view = View.of(request, place.path, **place.kept)
    whole = previews.of_proposal(conn, site.home, proposal) if proposal.stories else None
    look_ = looks.last(conn, account.id, proposal)
    those = preview.readers(conn, request, view, found.samples)
    return {
        "who": who.of_edition(found, publications.topic_names(conn), place.path, **place.kept),
        "findings": whole.findings if whole else (),
        "subject": whole.rendered.subject if whole else "",
        "looked": look_,
        "changes": looks.changes(conn, proposal, look_) if look_ else [],
        "contents": proposal.edition.content_hash,
        "tested": trials.told(conn, site, account, place.thing),
        "entry_people": found.by_entry,
        **preview.page(request, view, mail(conn, site, proposal, view, whole), those),
    }


def mail(
    conn: Connection, site: Site, proposal: Proposal, view: View, whole: previews.Whole | None = None
) -> Mail | None:
    """The mail as somebody gets it; none where there is nothing for everybody."""
    if view.reader is None:
        if whole is None and proposal.stories:
            whole = previews.of_proposal(conn, site.home, proposal)
        return preview.of_whole(whole) if whole else None
    people = Audience(site.home.keys, site.home.settings.site.url)
    proof = proofs.of(site.home.db, people, proposal, view.reader, now=site.clock())
    shell = render.Shell.from_json(proposal.edition.settings or {})
    return Mail(shell, proof.rendered, previews.sample_slots(shell) | dict(proof.slots or {}), proof.why)


def count(conn: Connection, site: Site, proposal: Proposal) -> Reach:
    """The reach as things stand."""
    return reach.count(conn, proposal, now=site.clock())
