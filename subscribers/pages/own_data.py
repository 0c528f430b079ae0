"""Pages behind the links that people ask for to act on their own data: a copy, another address, erasure.

Promises: GET and HEAD change nothing; POST does what the link is for, once. Refuses: links that have ended, in
one sentence, with the way to a new one.
"""

from __future__ import annotations

import json
from typing import Any

from litestar import Response, route
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath
from sqlalchemy import Connection

from digest.errors import BadInput
from digest.languages import Language
from digest.web import forms, look
from digest.web.forms import Form
from digest.web.look import Site, WebRequest
from subscribers import departures, members, own_data, sent_links
from subscribers.pages import frame, leaving
from subscribers.sent_links import ADDRESS, COPY, ERASE, NEW_ADDRESS, SentLink


# One handler for both methods: Litestar 2.25 wraps a handler twice when a second one joins its path.
@route("/d/{token:str}", http_method=["GET", "POST"], status_code=200)
async def own(request: WebRequest, token: FromPath[str]) -> Response[Any]:
    """Says what the link is for, with one button; POST does it."""
    form = await forms.read(request) if request.method == "POST" else None
    return await sync_to_thread(_own, request, token, form)


def _own(request: WebRequest, token: str, form: Form | None) -> Response[Any]:
    site = look.of(request)
    with site.home.db.reading() as conn:
        link = own_data.find(conn, site.home.keys, token)
        person = members.describe(conn, link.digest_id, link.subscriber_id) if link else None
    if link is None:
        return leaving.broken(request)
    language = person.language if person else look.language_of(request)
    if link.stands(site.clock()) != sent_links.OPEN or person is None:
        return frame.private(site, "token/ended.html", status=410, language=language)
    if form is None:
        return _question(site, link, language, person.masked)
    try:
        return _done(request, site, link, language, form)
    except BadInput as error:
        return _question(site, link, language, person.masked, wrong=_wrong(frame.speaker(site, language), error))


def _wrong(say: Language, error: BadInput) -> str:
    if error.problem.why.startswith("This address has"):
        return say.gettext("This address has a subscription of its own. End that one first.")
    return say.gettext("No mail can be sent to this address.")


def _question(site: Site, link: SentLink, language: str, masked: str, wrong: str = "") -> Response[str]:
    return frame.private(
        site,
        "token/own_data.html",
        status=400 if wrong else 200,
        language=language,
        kind=link.kind,
        masked=masked,
        new=str(link.wish.get("email", "")),
        wrong=wrong,
    )


def _done(request: WebRequest, site: Site, link: SentLink, language: str, form: Form) -> Response[Any]:
    now = site.clock()

    def step(conn: Connection) -> dict[str, Any] | None:
        if not sent_links.use(conn, link, now=now):
            return None
        if link.kind == ADDRESS:
            own_data.propose(conn, site.home, link, form.one("email", most=254), now=now)
        elif link.kind == NEW_ADDRESS:
            own_data.move(conn, site.home, link, origin=leaving.origin(request), now=now)
        elif link.kind == COPY:
            return own_data.copy(conn, link.subscriber_id)
        return {}

    done = site.home.db.run(step)
    if done is None:
        return frame.private(site, "token/ended.html", status=410, language=language)
    if link.kind == COPY:
        return _download(done)
    if link.kind == ERASE:
        departures.erase(site.home, link.subscriber_id, how=leaving.origin(request), now=now)
    return frame.private(site, "token/own_data_done.html", language=language, kind=link.kind)


def _download(data: dict[str, Any]) -> Response[bytes]:
    text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    headers = frame.PRIVATE | {"content-disposition": 'attachment; filename="my-data.json"'}
    return Response(text.encode(), media_type="application/json; charset=utf-8", headers=headers)


HANDLERS: list[Any] = [own]
