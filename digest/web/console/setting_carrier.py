"""Who carries the mail: the settings of the mail server with their secrets, and the try without a mail.

Promises: a secret is taken and never shown; one that is kept goes only to the server and account that it was given
for, so that another server cannot be told it; what is saved can be opened, as far as that is known without asking.
Refuses: code and files of secrets that somebody would name from a browser.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from litestar import Response

from digest import credentials, publications, settable
from digest.config import Settings
from digest.delivery.transports import trial
from digest.delivery.transports.base import OURS
from digest.errors import ConfigError, Refused
from digest.home import Home
from digest.staff import arranging
from digest.staff.accounts import OWNER
from digest.staff.arranging import Wish
from digest.web import look
from digest.web.console import frame, setting_fields, setting_saving, settings
from digest.web.console.settings import Shown
from digest.web.forms import Form
from digest.web.look import Site, WebRequest

SECTION = setting_fields.CARRIER
FILES = {"smtp": "transport.smtp.password_file", "sendgrid": "transport.sendgrid.api_key_file"}
FIELDS = {"smtp": "password", "sendgrid": "key"}  # of the form
KINDS = {"smtp": credentials.PASSWORD, "sendgrid": credentials.KEY}
# Whoever gets the secret: it is typed again when one of them is another.
BOUND = {
    "smtp": ("transport.smtp.host", "transport.smtp.port", "transport.smtp.security", "transport.smtp.username"),
    "sendgrid": ("transport.sendgrid.region",),
}
LONGEST = 500  # characters of a secret


def save(request: WebRequest, form: Form) -> Response[Any]:
    """Keeps what is typed; a secret goes into a file of its own, which then stands in the settings."""
    site, typed = look.of(request), setting_saving.typed_in(form, SECTION)
    wrong = setting_saving.too_long(form, SECTION) | _faults(site, form, typed)
    old = {kind: str(settings_at(site.home.settings, key)) for kind, key in FILES.items()}
    fresh: dict[str, str] = {}
    if not wrong:
        try:
            fresh = _kept(site.home, form)
        except Refused as error:
            wrong = {f"{SECTION.slug}-save": str(error)}
    wish = Wish(
        SECTION.title,
        typed,
        form.one("seen"),
        also={FILES[kind]: name for kind, name in fresh.items()},
        told=dict.fromkeys((FIELDS[kind] for kind in fresh), "changed"),
    )
    saved = False
    try:
        answer = setting_saving.keep(
            request, form, SECTION, wish, wrong=wrong, check=lambda said: _check(site.home, said)
        )
        saved = answer.status_code == 303
    finally:
        for kind in fresh:  # whichever of the two holds now, the other is of no use
            credentials.forget(site.home.path, old[kind] if saved else fresh[kind])
    return answer


def try_out(request: WebRequest, form: Form) -> Response[Any]:
    """Tries the connection as it is typed; nothing is saved and no mail goes out."""
    site, typed = look.of(request), setting_saving.typed_in(form, SECTION)
    wrong = setting_saving.too_long(form, SECTION) | _faults(site, form, typed)
    tried = None
    if not wrong:
        try:
            with _as_typed(site.home, form, typed) as home, site.home.db.reading() as conn:
                sender = publications.first(conn).from_address
                tried = trial.attempt(home, sender)
        except ConfigError as error:
            wrong = dict(error.by_key) or {f"{SECTION.slug}-save": str(error)}
        except Refused as error:
            wrong = {f"{SECTION.slug}-save": str(error)}
    shown = Shown(SECTION.slug, typed, wrong, seen=form.one("seen"), more={"tried": tried})
    return settings.page(request, shown, status=400 if wrong else 200)


@contextlib.contextmanager
def _as_typed(home: Home, form: Form, typed: settable.Texts) -> Iterator[Home]:
    """The home as it would be with these settings. Raises ConfigError."""
    with contextlib.ExitStack() as lent:
        also = {
            FILES[kind]: lent.enter_context(credentials.lent(home.path, KINDS[kind], secret))
            for kind, secret in _secrets(form).items()
        }
        yield replace(home, settings=arranging.as_if(home, typed, also), seen=None)


def _faults(site: Site, form: Form, typed: settable.Texts) -> dict[str, str]:
    wrong = arranging.faults(typed)
    wrong |= _kind_fault(site, typed)
    given, kept = _secrets(form), settable.texts(site.home.settings, SECTION.keys)
    for kind, file in FILES.items():
        if typed.get("transport.kind", kept["transport.kind"]) != kind or kind in given or arranging.outside([file]):
            continue
        if settings_at(site.home.settings, file) and any(typed.get(key, kept[key]) != kept[key] for key in BOUND[kind]):
            wrong[FIELDS[kind]] = "What is kept was given for another server or account. Type the one of this one."
    if bad := [FIELDS[kind] for kind, secret in given.items() if not secret.isprintable()]:
        wrong |= dict.fromkeys(bad, "It holds signs that cannot be typed. Copy it once more.")
    return wrong


def _kind_fault(site: Site, typed: settable.Texts) -> dict[str, str]:
    kind = typed.get("transport.kind", "")
    if not kind or kind in OURS or kind == site.home.settings.transport.kind:
        return {}
    return {"transport.kind": "Choose one of these. Other carriers are named in digest.toml."}


def _secrets(form: Form) -> dict[str, str]:
    """The secrets that are typed; an empty field leaves what is kept."""
    found = {kind: form.secret(name, most=LONGEST).strip() for kind, name in FIELDS.items()}
    return {kind: secret for kind, secret in found.items() if secret}


def _kept(home: Home, form: Form) -> dict[str, str]:
    return {kind: credentials.keep(home.path, KINDS[kind], secret) for kind, secret in _secrets(form).items()}


def _check(home: Home, said: Settings) -> None:
    try:
        trial.check(replace(home, settings=said, seen=None))
    except Refused as error:
        raise ConfigError([str(error)], {f"{SECTION.slug}-save": str(error)}) from error


def settings_at(said: Settings, key: str) -> Any:
    """The value of a setting."""
    found: Any = said
    for part in key.split("."):
        found = getattr(found, part)
    return found


HANDLERS = [
    frame.deed_at("/settings/carrier", OWNER, save),
    frame.deed_at("/settings/carrier/try", OWNER, try_out),
]
