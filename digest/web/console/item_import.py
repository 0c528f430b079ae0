"""Bringing items in: a file or an address, what would come of it, and the deed, which goes on beside the site.

Promises: nothing is written but the file itself before the page that says what would be created, changed and refused,
and how many people would hear of it; whatever was not taken can be had with its place, its reason and the remedy.
Refuses: a file of another kind than was said, and a second import while one is under way.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from functools import partial
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import publications
from digest.errors import BadInput, Refused
from digest.intake import parcels, ways
from digest.intake.parcels import Parcel, Wish
from digest.staff import activity
from digest.staff.accounts import EDITOR, Account
from digest.web import look
from digest.web.console import door, frame
from digest.web.console.items import HERE as ITEMS
from digest.web.forms import Form
from digest.web.look import Site, WebRequest
from subscribers import sheets, tally

HERE = f"{ITEMS}/import"
WAYS = {ways.MARKDOWN: "Markdown files", ways.WORDPRESS: "WordPress", ways.FEED: "A feed"}
SAMPLE = """---
title: "Fact sheet: How to read this digest"
kind: fact sheet
date: 2026-09-01
topics: [hiring]
authors: [Dana Ruiz]
---
The text stands here, in Markdown. A picture or a PDF lies beside this file, and is named above: `pdf: a.pdf`.
"""


def show(request: WebRequest) -> Response[Any]:
    """Asks for the file, or the address."""
    return _page(request, request.query_params.get("way", ""))


def _page(
    request: WebRequest,
    way: str,
    *,
    status: int = 200,
    wrong: dict[str, str] | None = None,
    typed: dict[str, str] | None = None,
) -> Response[Any]:
    home = look.of(request).home
    with home.db.reading() as conn:
        digests = publications.all(conn)
    way = way if way in WAYS else ways.MARKDOWN
    return frame.page(
        request,
        "import_items.html",
        status=status,
        here=ITEMS,
        path=HERE,
        way=way,
        ways=WAYS,
        most=parcels.LARGEST.get(way, 0) >> 20,
        digests=digests,
        typed=typed or _typed(Form({})),
        wrong=wrong or {},
        parcels=parcels.all(home)[:10],
    )


def sample(request: WebRequest) -> Response[Any]:
    """A small file to begin with."""
    return _file(SAMPLE, "how-to-read-this-digest.md", "text/markdown")


def upload(request: WebRequest, form: Form) -> Response[Any]:
    """Keeps the file, and tries it."""
    site, way = look.of(request), form.one("way")
    way = way if way in parcels.LARGEST else ways.MARKDOWN
    typed = _typed(form)
    try:
        chosen = form.file("file")
        if chosen is None or chosen.half is None:
            raise BadInput("file", "No file came.", "Choose one.")
        if chosen.half.stat().st_size > parcels.LARGEST[way]:
            raise BadInput("file", f"It is larger than {parcels.LARGEST[way] >> 20} MB.", "Divide it.")
        parcel = parcels.take(site.home, chosen.half, chosen.name, way, _wish(site, form), now=site.clock())
    except BadInput as error:
        return _page(request, way, status=400, wrong={error.problem.where: error.problem.said}, typed=typed)
    return _tried(site, parcel)


def ask(request: WebRequest, form: Form) -> Response[Any]:
    """Asks a host for a feed, keeps the answer, and tries it."""
    site, typed = look.of(request), _typed(form)
    try:
        address = form.one("address", most=parcels.LONGEST)
        parcel = parcels.ask(site.home, address, _wish(site, form), now=site.clock())
    except BadInput as error:
        where = "digest" if error.problem.where == "digest" else "address"
        return _page(request, ways.FEED, status=400, wrong={where: error.problem.said}, typed=typed)
    except Refused as error:
        return _page(request, ways.FEED, status=409, wrong={"address": str(error)}, typed=typed)
    return _tried(site, parcel)


def _typed(form: Form) -> dict[str, str]:
    names = ("address", "digest", "known", "fetching")
    return {name: " ".join(form.fields.get(name, ("",))[0].split())[: parcels.LONGEST] for name in names}


def _wish(site: Site, form: Form) -> Wish:
    digest = form.one("digest")
    with site.home.db.reading() as conn:
        if digest and digest not in {one.slug for one in publications.all(conn)}:
            raise BadInput("digest", "There is no such digest.", "Choose one of the list.")
    return Wish(digest, known=form.one("known") == "yes", fetching=form.one("fetching") == "yes")


def _tried(site: Site, parcel: Parcel) -> Response[Any]:
    """Begins the trial; when another import is at work, the page of this one says so and has the button."""
    try:
        parcels.rehearse(site.home, parcel, parcel.wish, now=site.clock())
    except Refused:
        return frame.redirect(f"{HERE}/{parcel.id}?done=waits")
    return frame.redirect(f"{HERE}/{parcel.id}")


# --- one import ------------------------------------------------------------------------------------------------


def look_at(request: WebRequest) -> Response[Any]:
    """How far it is, what would come of it, or what did."""
    return _parcel_page(request)


def _parcel_page(request: WebRequest, *, status: int = 200, fault: str = "") -> Response[Any]:
    site = look.of(request)
    working = parcels.at_work(site.home)  # before it is found: what is noted then is not older
    parcel = _parcel(request)
    with site.home.db.reading() as conn:
        digests = publications.all(conn)
        people = tally.of_people(conn, now=site.clock()).active
    return frame.page(
        request,
        "import_parcel.html",
        status=status,
        here=ITEMS,
        path=f"{HERE}/{parcel.id}",
        parcel=parcel,
        live=working == parcel.id,
        cut_off=working != parcel.id and parcel.state in parcels.WORKING and not parcel.why,
        waits=bool(working) and working != parcel.id,
        digests=digests,
        names={digest.slug: digest.name for digest in digests},
        people=people,
        problems=parcel.report.problems[:20],
        fault=fault,
    )


def rehearse(request: WebRequest, form: Form) -> Response[Any]:
    """Tries it anew, as it is wished now."""
    site, parcel = look.of(request), _parcel(request)
    try:
        parcels.rehearse(site.home, parcel, _wish(site, form), now=site.clock())
    except (BadInput, Refused) as error:
        return _parcel_page(request, status=409, fault=str(error))
    return frame.redirect(f"{HERE}/{parcel.id}")


def perform(request: WebRequest, form: Form) -> Response[Any]:
    """Begins to bring it in, or goes on with what was cut off."""
    site, account, parcel = look.of(request), door.of(request).account, _parcel(request)
    begun = partial(_record, site, account, "began to bring in", parcel)
    done = partial(_done, site, account)
    try:
        parcels.perform(site.home, parcel, now=site.clock(), first=lambda: site.home.db.run(begun), then=done)
    except Refused as error:
        return _parcel_page(request, status=409, fault=str(error))
    return frame.redirect(f"{HERE}/{parcel.id}")


def _done(site: Site, account: Account, parcel: Parcel) -> None:
    site.home.db.run(partial(_record, site, account, "brought in", parcel))


def _record(site: Site, account: Account, deed: str, parcel: Parcel, conn: Connection) -> None:
    report = parcel.report
    counts = {
        "created": report.created,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "refused": report.refused,
        "news": report.news,
    }
    after = counts if deed == "brought in" else {"readers are told": not parcel.wish.known}
    activity.record(conn, account, deed, f"items from {parcel.name}", now=site.clock(), after=after)


def problems(request: WebRequest) -> Response[Any]:
    """Whatever was refused or is to be said, as CSV."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["where", "why", "what to do"])
    writer.writerows(_rows(_parcel(request)))
    return _file(out.getvalue(), "problems.csv", "text/csv")


def _rows(parcel: Parcel) -> Iterator[list[str]]:
    for one in parcel.report.problems:
        yield [sheets.quoted(cell) for cell in (one.where, one.why, one.remedy)]
    if parcel.report.more_problems:
        yield [f"{parcel.report.more_problems} more", "They are like these.", "Mend these, then bring it in again."]


def _file(text: str, name: str, media_type: str) -> Response[Any]:
    headers = frame.PRIVATE | {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type=f"{media_type}; charset=utf-8", headers=headers)


def _parcel(request: WebRequest) -> Parcel:
    return parcels.find(look.of(request).home, request.path_params["parcel"])


HANDLERS = [
    frame.page_at("/items/import", EDITOR, show),
    frame.page_at("/items/import/sample", EDITOR, sample),
    frame.deed_at("/items/import/upload", EDITOR, upload, large=max(parcels.LARGEST.values())),
    frame.deed_at("/items/import/feed", EDITOR, ask),
    frame.page_at("/items/import/{parcel:str}", EDITOR, look_at),
    frame.deed_at("/items/import/{parcel:str}/try", EDITOR, rehearse),
    frame.deed_at("/items/import/{parcel:str}/perform", EDITOR, perform),
    frame.page_at("/items/import/{parcel:str}/problems", EDITOR, problems),
]
