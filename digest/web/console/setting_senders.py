"""Who the mail of a digest is from: name, address, and where answers go.

Promises: before mail claims to be from a domain of which nobody knows whether we may send for it, somebody says so; a
change counts for editions that are locked after it. The password is asked for. Refuses: what is no address.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlsplit

from litestar import Response
from sqlalchemy import Connection

from digest import markup, publications, rules, settable
from digest.errors import BadInput
from digest.publications import Digest
from digest.staff import activity
from digest.staff.accounts import OWNER
from digest.web import look
from digest.web.console import again, door, frame, settings
from digest.web.console.setting_saving import LONG, MOVED, SURE
from digest.web.console.settings import HERE, SENDER, Shown
from digest.web.forms import Form
from digest.web.look import Site, WebRequest

# Who lends addresses to everybody lets nobody else send for them (DMARC with p=reject or quarantine).
LENT = frozenset(
    (
        *("gmail.com", "googlemail.com", "yahoo.com", "aol.com", "outlook.com", "hotmail.com", "live.com"),
        *("icloud.com", "me.com", "gmx.net", "gmx.de", "web.de", "proton.me", "protonmail.com", "mail.ru"),
    )
)


class _Moved(Exception):
    """What the page showed is not so any more."""


def save(request: WebRequest, form: Form) -> Response[Any]:
    """Keeps the sender of one digest."""
    site = look.of(request)
    typed = {name: markup.line(came) for name, came in form.typed(*SENDER).items()}
    with site.home.db.reading() as conn:
        digest, others = settings.digest_of(conn, request), publications.all(conn)
    wrong = form.faults(*SENDER, most=LONG) | _faults(typed)
    unsure = "" if wrong else doubt(site, others, typed["from_address"], but=digest.from_address)
    if unsure and form.one(SURE) != "yes":
        wrong["from_address"] = unsure
    fault, status = again.fault(request, form)
    if fault:
        wrong[again.FIELD] = fault
    if not wrong:
        try:
            done = site.home.db.run(partial(_save, request, form, typed))
            return frame.redirect(f"{HERE}?done={done}#sender-{digest.slug}")
        except _Moved:
            wrong, status = {"save": MOVED}, 409
    return _again(request, digest, typed, wrong, "" if status == 409 else form.one("seen"), unsure, status)


def _again(
    request: WebRequest,
    digest: Digest,
    typed: dict[str, str],
    wrong: dict[str, str],
    seen: str,
    unsure: str,
    status: int,
) -> Response[Any]:
    slug = f"sender-{digest.slug}"
    with look.of(request).home.db.reading() as conn:
        now = settings.sender(settings.digest_of(conn, request))
    theirs = {f"{slug}-{name}": text for name, text in now.items() if status == 409 and text != typed[name]}
    named = {f"{slug}-{name}": said for name, said in wrong.items()}
    more = {"senders": {digest.slug: typed}, "unsure": slug if unsure else ""}
    return settings.page(request, Shown(slug, {}, named, theirs, seen, more), status=status)


def _save(request: WebRequest, form: Form, typed: dict[str, str], conn: Connection) -> str:
    site, account = look.of(request), door.of(request).account
    digest = settings.digest_of(conn, request)
    before = settings.sender(digest)
    if settable.mark(before) != form.one("seen"):
        raise _Moved
    changes = {name: text for name, text in typed.items() if text != before[name]}
    if not changes:
        return "same"
    publications.set(conn, digest.slug, changes, now=site.clock())
    after = settings.sender(publications.find(conn, digest.slug))
    told = {"before": {name: before[name] for name in changes}, "after": {name: after[name] for name in changes}}
    activity.record(conn, account, "changed", f"the sender of {digest.slug}", now=site.clock(), **told)
    return "senders"


def _faults(typed: dict[str, str]) -> dict[str, str]:
    wrong = {}
    for name, text in typed.items():
        try:
            rules.understand(name, text)
        except BadInput as error:
            wrong[name] = error.problem.said
    return wrong


def doubt(site: Site, digests: list[Digest], address: str, *, but: str = "") -> str:
    """Why it is not known that we may send for the domain of this address; empty when it is, or it is the one `but`."""
    domain = address.rpartition("@")[2].lower()
    if domain in LENT:
        return f"{domain} lets nobody else send for it: most of this mail would be refused. Take a domain of your own."
    said = site.home.settings
    own = {(urlsplit(said.site.url).hostname or "").lower(), said.transport.smtp.envelope_domain.lower()}
    own |= {one.rpartition("@")[2].lower() for one in (said.site.staff_to, but, *(d.from_address for d in digests))}
    if any(_is_within(domain, one) or _is_within(one, domain) for one in own if "." in one):
        return ""
    return (
        f"We do not know whether you may send for {domain}. Ask whoever runs it to let your mail server send for it "
        "(SPF and DKIM), then tick the box."
    )


def _is_within(domain: str, other: str) -> bool:
    return domain == other or domain.endswith(f".{other}")


HANDLERS = [frame.deed_at("/settings/senders/{digest:str}", OWNER, save)]
