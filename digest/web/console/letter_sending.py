"""A letter before it goes: the mail, what was found in it, to how many people, now or when.

Promises: the number is that of planning and adds up; nothing goes at the first press, and a letter to more than fifty
people asks for their number; until its moment it can be stopped, and is a draft again. Refuses: what must be fixed,
a press on a page that is no longer true, and the same words to the same digest within the hour, unless it is ticked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any, TypeVar

from litestar import Response
from sqlalchemy import Connection

from digest import clock_watch, editions, languages, letter_drafts, letters, previews, publications, rules, schedules
from digest.delivery import proofs, staff_mail
from digest.delivery.proofs import Proof
from digest.editions import REVIEW, Edition
from digest.errors import BadInput, DigestError, NotFound, Refused
from digest.letter_drafts import Draft
from digest.letters import Letter, Looked, Order, Twin
from digest.publications import Digest
from digest.staff import activity, approvals
from digest.staff.accounts import EDITOR, Account
from digest.web import look
from digest.web.console import badges, confirming, door, frame, letter_form, preview, reviewing, trials, who
from digest.web.console import editions as pages
from digest.web.console import letters as composing
from digest.web.console.confirming import Unconfirmed
from digest.web.console.editions import DONE
from digest.web.console.letters import Said
from digest.web.console.preview import Mail, View
from digest.web.forms import Form
from digest.web.look import Site, WebRequest
from subscribers import letter_reach
from subscribers.audience import Audience
from subscribers.letter_reach import LetterReach

FARTHEST = timedelta(days=366)
WHEN = ("when", "day", "time", "zone", "again")


@dataclass(frozen=True)
class Checked:
    """A draft with all that is to be known before it goes."""

    draft: Draft
    digest: Digest
    looked: Looked
    reach: LetterReach
    twin: Twin | None = None
    fault: str = ""


def show(request: WebRequest) -> Response[Any]:
    """The mail, the checks, and the numbers."""
    return _page(request, {})


def _page(
    request: WebRequest, typed: Mapping[str, str], *, status: int = 200, wrong: dict[str, str] | None = None
) -> Response[Any]:
    site = look.of(request)
    with site.home.db.reading() as conn:
        draft = letter_drafts.find(conn, composing.draft_id(request))
        if draft.edition_id is not None:
            return frame.redirect(f"{pages.HERE}/{draft.edition_id}")
        try:
            letter = letter_drafts.letter_of(draft.text, site_url=site.home.settings.site.url)
        except BadInput as error:
            said, there = Said(letter_form.fault(error)), letter_form.of_draft(conn, draft)
            return composing.composer(request, there, said, status=400)
        shown = _checked_context(conn, request, site, draft, letter)
        second = reviewing.for_what_i_send(conn, site, door.of(request).account)
    return frame.page(
        request,
        "letter_check.html",
        status=status,
        here=composing.HERE,
        path=f"{composing.HERE}/{draft.id}",
        typed={"when": "now", "day": "", "time": "", "zone": site.zone.key, "again": "", **typed},
        second=second,
        minutes=site.home.settings.staff.undo_minutes,
        many=confirming.MANY,
        wrong=wrong or {},
        done=DONE.get(request.query_params.get("done", "")),
        mark=badges.mark,
        **shown,
    )


def _checked_context(conn: Connection, request: WebRequest, site: Site, draft: Draft, letter: Letter) -> dict[str, Any]:
    """What the page says of the letter: what was found, who gets it, and how it looks."""
    checked = _check(conn, site, draft, letter)
    letter_reach.add_choices(conn, checked.reach, checked.digest, letter.segment)
    findings = checked.looked.findings
    return {
        "checked": checked,
        "draft": draft,
        "digest": checked.digest,
        "reach": checked.reach,
        "who": who.of_letter(checked.reach, publications.topic_names(conn)),
        "terms": letter_form.terms(conn, site, letter.segment),
        "findings": findings,
        "blocked": checked.fault or any(one.level == "fix" for one in findings),
        **_mail_context(conn, request, site, checked, letter),
    }


def _mail_context(
    conn: Connection, request: WebRequest, site: Site, checked: Checked, letter: Letter
) -> dict[str, Any]:
    """What the page says of the mail, and of the last test of it."""
    path = f"{composing.HERE}/{checked.draft.id}"
    view = View.of(request, f"{path}/check", people=checked.reach.gets)
    samples = letter_reach.samples(conn, checked.digest, letter.segment)
    those = preview.readers(conn, request, view, [(number, 0) for number in samples])
    shown = preview.page(request, view, _mail_of(conn, site, checked.digest, letter, view, ""), those)
    account = door.of(request).account
    tested = trials.told(conn, site, account, _thing(checked.draft.id))
    return shown | {"everything": "Someone it is for", "tested": tested}


def _thing(draft_id: int) -> str:
    return f"letter draft {draft_id}"


def _check(conn: Connection, site: Site, draft: Draft, letter: Letter) -> Checked:
    settings, now = site.home.settings, site.clock()
    digest = publications.by_id(conn, draft.text.digest_id)
    looked = letters.look_over(conn, settings, digest, letter, digest.languages[0], now=now)
    twin, fault = None, ""
    try:
        letters.check_order(conn, settings, Order(digest, letter), now=now)
    except Twin as error:
        twin = error
    except (Refused, NotFound) as error:
        fault = str(error)
    return Checked(draft, digest, looked, letter_reach.count(conn, digest, letter.segment), twin, fault)


def mail(request: WebRequest) -> Response[Any]:
    """The mail as a page that does nothing; `part=text` is its text, `language` one of the digest's."""
    site, language = look.of(request), request.query_params.get("language", "")

    def make(view: View) -> Mail:
        with site.home.db.reading() as conn:
            digest, letter = _written(conn, request, site)
            return _mail_of(conn, site, digest, letter, view, language)

    return preview.answer(request, make, people=request.query_params.get("people", ""))


def _written(conn: Connection, request: WebRequest, site: Site) -> tuple[Digest, Letter]:
    """The letter as it stands, and the digest to whose readers it goes. Raises BadInput while it is unfinished."""
    draft = letter_drafts.find(conn, composing.draft_id(request))
    digest = publications.by_id(conn, draft.text.digest_id)
    return digest, letter_drafts.letter_of(draft.text, site_url=site.home.settings.site.url)


def _mail_of(conn: Connection, site: Site, digest: Digest, letter: Letter, view: View, language: str) -> Mail:
    """The mail as one person gets it, or as whoever reads a language of the digest's, by default the first."""
    people, now = frame.number(str(view.kept.get("people", ""))) or 1, site.clock()  # as the page around it says
    proof = Proof(language)
    if view.reader is not None:
        audience = Audience(site.home.keys, site.home.settings.site.url)
        proof = proofs.of_letter(conn, audience, digest, letter.segment, view.reader, now=now)
    tongue = languages.choose(proof.language, digest.languages)
    looked = letters.look_over(conn, site.home.settings, digest, letter, tongue, people=people, now=now)
    slots = previews.sample_slots(looked.shell) | dict(proof.slots or {})
    return Mail(looked.shell, None if proof.why else looked.rendered, slots, proof.why)


def send_test(request: WebRequest, form: Form) -> Response[Any]:
    """Sends the mail as it is looked at to whoever presses."""
    site, account, draft_id = look.of(request), door.of(request).account, composing.draft_id(request)
    with site.home.db.reading() as conn:
        digest, letter = _written(conn, request, site)
        people = letter_reach.count(conn, digest, letter.segment).gets
        asked = {name: form.one(name) for name in ("view", "colors", "reader")}
        view = View.read(request, asked, f"{composing.HERE}/{draft_id}/check", people=people)
        made = _mail_of(conn, site, digest, letter, view, "")
    try:
        thing = _thing(draft_id)
        site.home.db.run(lambda conn: trials.send(conn, site, account, thing, made, reader=view.reader))
    except Refused as error:
        return _page(request, {}, status=409, wrong={"preview": str(error)})
    return frame.redirect(view.to(done="tested"))


# --- sending it ------------------------------------------------------------------------------------------------


def send(request: WebRequest, form: Form) -> Response[Any]:
    """Locks the letter; it starts when the time to stop it is over, or at the moment that was chosen.

    Where a second person approves what is sent, it waits for that first.
    """
    site, account = look.of(request), door.of(request).account
    try:
        edition = site.home.db.run(partial(_send, site, account, composing.draft_id(request), form))
    except NotFound:
        raise
    except (Unconfirmed, DigestError) as error:
        typed = form.typed(*WHEN)
        return _page(request, typed, status=409, wrong=_wrong(error))
    return frame.redirect(f"{pages.HERE}/{edition.id}")


def _send(site: Site, account: Account, draft_id: int, form: Form, conn: Connection) -> Edition:
    now, draft = site.clock(), letter_drafts.find(conn, draft_id)
    if draft.edition_id is not None:
        return editions.find(conn, draft.edition_id)
    clock_watch.refuse_jump(conn)
    reached = letter_reach.count(conn, publications.by_id(conn, draft.text.digest_id), draft.text.segment).gets
    if not reached:
        raise Unconfirmed("There is nobody whom it would go to.")
    confirming.check(form, reached)
    edition = letter_drafts.send(
        conn,
        site.home.settings,
        draft_id,
        revision=frame.number(form.one("revision")) or 0,
        sender=approvals.colleague(account),
        starts_at=_starts(site, form),
        again=form.one("again") == "1",
        now=now,
    )
    after: dict[str, object] = {"subject": draft.text.subject, "people": reached}
    deed = "sent"
    if edition.state != REVIEW or form.one("when") == "later":
        after["starts"] = frame.moment(site, edition.starts_at or now)
    if edition.state == REVIEW:
        deed = "asked for approval of"
        staff_mail.needs_approval(conn, site.home, edition, now=now)
    activity.record(conn, account, deed, f"edition {edition.id}", now=now, after=after)
    return edition


def _starts(site: Site, form: Form) -> datetime:
    """When it starts: after the time to stop it, or at the chosen moment. Raises BadInput with its field."""
    now, minutes = site.clock(), site.home.settings.staff.undo_minutes
    soonest = now + timedelta(minutes=minutes)
    if form.one("when") != "later":
        if form.one("day") or form.one("time"):
            raise BadInput("day", "A moment is filled in, and Now is chosen.", "Choose Later, or empty it.")
        return soonest
    zone = rules.zone("zone", form.one("zone"))
    day = _read("day", form.one("day"), date.fromisoformat, "is no day", "Write it as 2026-09-30.")
    at = _read("time", form.one("time"), time.fromisoformat, "is no time of day", "Write it as 14:30.")
    starts = schedules.resolve(day, at.hour, zone, at.minute)
    if starts < soonest:
        raise BadInput("day", "This moment has passed, or is a few minutes away.", "Choose a later one, or Now.")
    if starts > now + FARTHEST:
        raise BadInput("day", "This is more than a year away.", "Choose an earlier day.")
    return starts


T = TypeVar("T")


def _read(name: str, text: str, read: Callable[[str], T], fault: str, remedy: str) -> T:
    try:
        return read(text)
    except ValueError:
        raise BadInput(name, f"{text[:20]!r} {fault}.", remedy) from None


def _wrong(error: Exception) -> dict[str, str]:
    if isinstance(error, BadInput):
        return {error.problem.where: f"{error.problem.why} {error.problem.remedy}"}
    if isinstance(error, Twin):
        return {"again": f"The same words were sent as edition {error.edition} {error.when}. Tick that it is meant."}
    return {"typed": str(error)}


HANDLERS = [
    frame.page_at("/letters/{id:str}/check", EDITOR, show),
    frame.page_at("/letters/{id:str}/mail", EDITOR, mail),
    frame.deed_at("/letters/{id:str}/test", EDITOR, send_test),
    frame.deed_at("/letters/{id:str}/send", EDITOR, send),
]
