"""Letters: those that are being written and those that went out; the composer, and for how many a letter would be.

Promises: what was typed is kept on every error, and never written over what somebody else saved meanwhile without both
being seen; counting and looking save nothing. Refuses: to change what was sent; it can be used for a new letter.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import editions, letter_drafts, publications
from digest.delivery import runs
from digest.editions import REVIEW, Edition
from digest.errors import DigestError, NotFound
from digest.letter_drafts import Draft, Overtaken
from digest.staff import activity
from digest.staff.accounts import EDITOR, VIEWER, Account
from digest.web import look
from digest.web.console import badges, door, frame, letter_form
from digest.web.console import editions as pages
from digest.web.console.letter_form import Typed
from digest.web.forms import Form
from digest.web.look import Site, WebRequest
from subscribers import explaining, letter_reach
from subscribers.letter_reach import LetterReach

HERE = "/staff/letters"
LARGEST = 2_000_000  # bytes of a form with a letter in it
LATEST = 30  # editions that a correction can be for
DONE = {
    "saved": "Saved. Nobody has it; it waits here until you send it.",
    "back": "Stopped in time: nobody has it. It is a draft again.",
    "unapproved": "Stopped in time: nobody has it. It is a draft again, and its approval is void.",
    "void": "Saved. It waits for approval no more, since it changed; ask for that again when it is right.",
    "discarded": "The draft is deleted.",
    "copied": "This is a new draft with the same words.",
}


@dataclass(frozen=True)
class Said:
    """What a page of the composer says besides."""

    wrong: dict[str, str] = field(default_factory=dict)
    reach: LetterReach | None = None
    theirs: Draft | None = None
    waits: Edition | None = None  # the letter that it is, while that waits for approval
    is_new: bool = False  # whatever the address says


def show_all(request: WebRequest) -> Response[Any]:
    """Drafts, and letters that were sent."""
    site, below = look.of(request), frame.number(request.query_params.get("below", ""))
    with site.home.db.reading() as conn:
        found = runs.page(conn, below=below, limit=runs.PER_PAGE + 1, letters_only=True)
        drafts = letter_drafts.unsent(conn, limit=letter_drafts.PER_PAGE + 1) if below is None else []
        names = {digest.id: digest.name for digest in publications.all(conn)}
    return frame.page(
        request,
        "letters.html",
        here=HERE,
        drafts=drafts,
        digest_names=names,
        waiting=[one for one in found[: runs.PER_PAGE] if one.edition.state == REVIEW],
        sent=[one for one in found[: runs.PER_PAGE] if one.edition.state != REVIEW],
        more=found[runs.PER_PAGE - 1].edition.id if len(found) > runs.PER_PAGE else None,
        below=below,
        done=DONE.get(request.query_params.get("done", "")),
        **pages.words(site),
    )


# --- the composer ----------------------------------------------------------------------------------------------


def new(request: WebRequest) -> Response[Any]:
    """An empty letter; `received` (an edition) or `received_item` makes it a correction to those who have it."""
    asked = {name: request.query_params.get(name, "")[:200] for name in letter_form.FIELDS}
    number = frame.number(asked["received"]) or frame.number(asked["not_reached"])
    with look.of(request).home.db.reading() as conn:
        if number:
            asked["digest"] = publications.by_id(conn, editions.find(conn, number).digest_id).slug
    return composer(request, Typed(asked))


def show(request: WebRequest) -> Response[Any]:
    """A draft to be written on; when it is sent already, the letter that it is."""
    with look.of(request).home.db.reading() as conn:
        draft = letter_drafts.find(conn, draft_id(request))
        typed = letter_form.of_draft(conn, draft)
        waits = letter_drafts.waits(conn, draft.id)
    if draft.edition_id is not None and waits is None:
        return frame.redirect(f"{pages.HERE}/{draft.edition_id}")
    return composer(request, typed, Said(waits=waits))


def composer(request: WebRequest, typed: Typed, said: Said | None = None, *, status: int = 200) -> Response[Any]:
    """The page on which a letter is written."""
    site, here = look.of(request), said or Said()
    with site.home.db.reading() as conn:
        digests = publications.all(conn)
        ended = [one for one in runs.page(conn, limit=LATEST) if one.edition.state in editions.ENDED]
        ended += _named(conn, typed, {one.edition.id for one in ended})
        topics = publications.topics(conn)
    number = "new" if here.is_new else request.path_params.get("id", "new")
    return frame.page(
        request,
        "letter.html",
        status=status,
        here=HERE,
        path=f"{HERE}/{number}",
        is_new=number == "new",
        typed=typed,
        said=here,
        wrong=here.wrong,
        digests=digests,
        languages=sorted({tag for digest in digests for tag in digest.languages}),
        topics=topics,
        ended=[(str(one.edition.id), f"{pages.name(site, one)} (edition {one.edition.id})") for one in ended],
        done=DONE.get(request.query_params.get("done", "")),
        badge=badges.badge,
        name=partial(pages.name, site),
        reason=explaining.reason,
    )


def _named(conn: Connection, typed: Typed, known: set[int]) -> list[runs.Listed]:
    """Older editions that the letter names already."""
    found = []
    for number in {frame.number(typed.fields["received"]), frame.number(typed.fields["not_reached"])} - known:
        with suppress(NotFound):  # the field says so
            found.append(runs.one(conn, number or 0))
    return found


def count(request: WebRequest, form: Form) -> Response[Any]:
    """To how many people it would go; nothing is saved."""
    typed = letter_form.read(form)
    try:
        with look.of(request).home.db.reading() as conn:
            text = letter_form.text_of(conn, typed)
            reach = letter_reach.count(conn, publications.by_id(conn, text.digest_id), text.segment)
    except DigestError as error:
        return composer(request, typed, Said(letter_form.fault(error)), status=400)
    return composer(request, typed, Said(reach=reach))


def save(request: WebRequest, form: Form) -> Response[Any]:
    """Keeps what is typed; `then` says whether it is to be checked."""
    site, account, typed = look.of(request), door.of(request).account, letter_form.read(form)
    try:
        draft, done = site.home.db.run(partial(_save, site, account, request.path_params.get("id", ""), typed))
    except Overtaken as error:
        fresh = Typed(typed.fields, typed.text, typed.topics, error.theirs.revision)
        return composer(request, fresh, Said(letter_form.fault(error), theirs=error.theirs), status=409)
    except NotFound:
        gone = {"subject": "This draft was deleted meanwhile. Saving makes a new one of what stands here."}
        return composer(request, typed, Said(gone, is_new=True), status=409)
    except DigestError as error:
        return composer(request, typed, Said(letter_form.fault(error)), status=400)
    return frame.redirect(f"{HERE}/{draft.id}" + ("/check" if form.one("then") == "check" else f"?done={done}"))


def _save(site: Site, account: Account, given: str, typed: Typed, conn: Connection) -> tuple[Draft, str]:
    text, now = letter_form.text_of(conn, typed), site.clock()
    if not given:
        draft = letter_drafts.create(conn, text, by=account.name, now=now)
        _record(conn, site, account, "began", draft)
        return draft, "saved"
    number = frame.number(given) or 0
    waited = letter_drafts.waits(conn, number)
    draft = letter_drafts.save(conn, number, text, revision=typed.revision, by=account.name, now=now)
    if draft.edition_id is not None:  # nothing was changed
        return draft, "saved"
    _record(conn, site, account, "wrote on", draft)
    if waited is None:
        return draft, "saved"
    told = {"before": {"state": waited.shown_state}, "after": {"state": editions.SKIPPED}}
    activity.record(conn, account, "took back by a change", f"edition {waited.id}", now=now, **told)
    return draft, "void"


def discard(request: WebRequest, form: Form) -> Response[Any]:
    """Deletes a draft."""
    site, account = look.of(request), door.of(request).account

    def both(conn: Connection) -> None:
        _record(conn, site, account, "deleted", letter_drafts.discard(conn, draft_id(request)))

    site.home.db.run(both)
    return frame.redirect(f"{HERE}?done=discarded")


def again(request: WebRequest, form: Form) -> Response[Any]:
    """A new draft with the words of a letter: for the same people, or for those whom it did not surely reach."""
    site, account = look.of(request), door.of(request).account
    number = frame.number(request.path_params["number"])
    if number is None:
        raise NotFound("There is no such letter.")

    def both(conn: Connection) -> Draft:
        others = form.one("for") == "not-reached"
        draft = letter_drafts.again(conn, number, not_reached=others, by=account.name, now=site.clock())
        _record(conn, site, account, "began", draft)
        return draft

    return frame.redirect(f"{HERE}/{site.home.db.run(both).id}?done=copied")


def _record(conn: Connection, site: Site, account: Account, deed: str, draft: Draft) -> None:
    about = {"subject": draft.text.subject}
    activity.record(conn, account, deed, f"letter draft {draft.id}", now=site.clock(), after=about)


def draft_id(request: WebRequest) -> int:
    """The number of the draft in the address. Raises NotFound when it is none."""
    number = frame.number(request.path_params["id"])
    if number is None:
        raise NotFound("There is no such draft.")
    return number


HANDLERS = [
    frame.page_at("/letters", VIEWER, show_all),
    frame.page_at("/letters/new", EDITOR, new),
    frame.deed_at("/letters/new", EDITOR, save, most=LARGEST),
    frame.deed_at("/letters/new/count", EDITOR, count, most=LARGEST),
    frame.page_at("/letters/{id:str}", EDITOR, show),
    frame.deed_at("/letters/{id:str}", EDITOR, save, most=LARGEST),
    frame.deed_at("/letters/{id:str}/count", EDITOR, count, most=LARGEST),
    frame.deed_at("/letters/{id:str}/discard", EDITOR, discard),
    frame.deed_at("/letters/again/{number:str}", EDITOR, again),
]
