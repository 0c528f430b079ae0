"""The settings: how everything is set up, section by section, and what is missing before the first mail.

Promises: what the environment sets is shown as set there; a secret is shown nowhere, only since when it is set; when a
section is refused all its faults are shown at once and what was typed stays; when somebody else changed it meanwhile
both versions are shown. Only owners see this page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import accents, config, contrast, credentials, publications, settable
from digest.delivery.transports.base import OURS
from digest.publications import Digest
from digest.settable import Texts
from digest.staff import arranging
from digest.staff.accounts import OWNER
from digest.web import look
from digest.web.console import frame, setting_fields
from digest.web.console.setting_fields import SECTIONS
from digest.web.look import Site, WebRequest

HERE = "/staff/settings"
SECRETS = ("transport.smtp.password_file", "transport.sendgrid.api_key_file")
SENDER = ("from_name", "from_address", "reply_to")
KINDS = {
    "maildir": "Into a folder of this machine, and to nobody",
    "smtp": "Through a mail server (SMTP)",
    "sendgrid": "Through SendGrid",
}
SAVED = "saved"


@dataclass(frozen=True)
class Shown:
    """What is shown otherwise than it is set, in the section that somebody works at.

    `typed` are its texts, `wrong` its faults by field, `theirs` what somebody else has saved meanwhile; `seen` is the
    mark of what they were shown, as long as that is so.
    """

    section: str = ""
    typed: Texts = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)
    theirs: Texts = field(default_factory=dict)
    seen: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


def show(request: WebRequest) -> Response[Any]:
    """Everything as it is."""
    return page(request)


def page(request: WebRequest, shown: Shown | None = None, *, status: int = 200) -> Response[Any]:
    """The page; with what is typed in one section."""
    site, shown = look.of(request), shown or Shown()
    settings = site.home.settings
    with site.home.db.reading() as conn:
        digests = publications.all(conn)
    kept = {key: text for one in SECTIONS for key, text in settable.texts(settings, one.keys).items()}
    kept |= settable.texts(settings, (settable.CALLS,))
    seen = {one.slug: mark(settings, one.keys) for one in SECTIONS} | {"calls": mark(settings, (settable.CALLS,))}
    seen |= {f"sender-{one.slug}": settable.mark(sender(one)) for one in digests}
    return frame.page(
        request,
        "settings.html",
        status=status,
        here=HERE,
        done=told(request),
        sections=SECTIONS,
        typed={**kept, **shown.typed},
        seen=seen | ({shown.section: shown.seen} if shown.seen else {}),
        outside=arranging.outside([*kept, *SECRETS, "looks.logo"]),
        wrong=dict(shown.wrong),
        theirs=shown.theirs,
        theirs_calls=settable.understand(settable.CALLS, shown.theirs.get(settable.CALLS, "[]")),
        busy=shown.section,
        missing=missing(site, digests),
        digests=digests,
        senders={one.slug: sender(one) for one in digests} | dict(shown.more.get("senders", {})),
        kinds=_kinds(settings.transport.kind),
        calls=rows_of(shown.typed.get(settable.CALLS, kept[settable.CALLS])),
        **_secrets(site),
        **_looks(site, {**kept, **shown.typed}),
        **{"tried": None, "unsure": "", **{key: value for key, value in shown.more.items() if key != "senders"}},
    )


def mark(settings: config.Settings, keys: tuple[str, ...]) -> str:
    """Stands for these settings as they are, in the form that may change them: of those that it asks for."""
    outside = arranging.outside(keys)
    return settable.mark(settable.texts(settings, [key for key in keys if key not in outside]))


def sender(digest: Digest) -> dict[str, str]:
    """Who a digest's mail is from."""
    return {name: str(getattr(digest, name)) for name in SENDER}


def rows_of(text: str) -> list[dict[str, str]]:
    """The invitations that are typed, and empty rows up to three."""
    rows: list[dict[str, str]] = settable.understand(settable.CALLS, text)
    return rows + [dict.fromkeys(("title", "text", "link", "label"), "")] * max(0, 3 - len(rows))


def missing(site: Site, digests: list[Digest]) -> list[tuple[str, str]]:
    """What must be set before the first mail reaches anybody: in words, and the section where."""
    said, found = site.home.settings, []
    if not said.site.address.strip():
        found.append(("Your postal address. Nothing is sent without it.", "contact"))
    if config.is_loopback(said.site.url):
        found.append(("The address of the site: the one that is set works on this machine alone.", "address"))
    elif not said.site.url.startswith("https://"):
        found.append(("An address of the site that begins with https://. Nothing is sent without it.", "address"))
    if said.transport.kind == "maildir":
        found.append(("A mail server: until then mail stays in a folder of this machine.", "carrier"))
    for digest in digests:
        if digest.from_address.endswith((".localdomain", "@localhost")):
            found.append((f"Who the mail of {digest.name} is from.", f"sender-{digest.slug}"))
    if not said.site.staff_to:
        found.append(("An address of your staff, for word when something needs a person.", "contact"))
    return found


def told(request: WebRequest) -> str:
    """What was done, on the page that follows it."""
    section = setting_fields.BY_SLUG.get(request.query_params.get("section", ""))
    words = {
        SAVED: f"Saved{f': {section.title}' if section else ''}. It holds from now on.",
        "same": "Nothing was different.",
        "senders": "Saved. The next edition that is locked has it.",
        "calls": "Saved: the invitations.",
        "consent": "Saved. Who signs up from now on agrees to the new words.",
    }
    return words.get(request.query_params.get("done", ""), "")


def _kinds(kind: str) -> list[tuple[str, str]]:
    """The carriers to choose from; one that only the file can name stays as it is."""
    return [(one, KINDS[one]) for one in OURS] + ([] if kind in OURS else [(kind, f"By {kind}, as the file names it")])


def _secrets(site: Site) -> dict[str, Any]:
    said, home = site.home.settings.transport, site.home.path
    return {
        "password_on": credentials.set_on(home, said.smtp.password_file),
        "key_on": credentials.set_on(home, said.sendgrid.api_key_file),
    }


def _looks(site: Site, typed: Texts) -> dict[str, Any]:
    """The colors as typed where they are colors, else as they are, with their figures."""
    pair = accents.of(site.home.settings.looks)
    colors = {}
    for mode, key, used in (("light", "looks.accent", pair.day), ("dark", "looks.accent_dark", pair.night)):
        text = "" if arranging.faults({key: typed[key]}) else str(settable.understand(key, typed[key]))
        colors[mode] = text or ({"light": accents.DAY, "dark": accents.NIGHT}[mode] if not typed[key] else used)
    figures = {mode: accents.figures(color, mode) for mode, color in colors.items()}
    return {"colors": colors, "figures": figures, "on": accents.ON, "needed": contrast.TEXT}


def digest_of(conn: Connection, request: WebRequest) -> Digest:
    """The digest that an address names. Raises NotFound."""
    return publications.find(conn, str(request.path_params["digest"]))


HANDLERS = [frame.page_at("/settings", OWNER, show)]
