"""The colors and the logo of a site.

Promises: a color that can be read badly anywhere is refused with the figure that falls short; before it is kept it can
be looked at, in pages and mails, by day and by night. A logo is made anew from what was sent, as pictures of items are.
Refuses: files that are no pictures.
"""

from __future__ import annotations

from typing import Any

from litestar import Response

from digest import accents, media, pictures, settable
from digest.errors import BadInput
from digest.staff import arranging
from digest.staff.accounts import OWNER
from digest.staff.arranging import Wish
from digest.web import look
from digest.web.console import frame, setting_fields, setting_saving, settings
from digest.web.console.settings import Shown
from digest.web.forms import Form
from digest.web.look import WebRequest

SECTION = setting_fields.LOOKS
COLORS = {"looks.accent": "light", "looks.accent_dark": "dark"}


def save(request: WebRequest, form: Form) -> Response[Any]:
    """Keeps colors and logo."""
    typed = setting_saving.typed_in(form, SECTION)
    wrong, also, told = faults(typed), {}, {}
    try:
        logo = _logo(request, form)
    except BadInput as error:
        logo, wrong["logo"] = None, error.problem.said
    if logo is not None:
        also, told = {"looks.logo": logo}, {"logo": "changed" if logo else "taken away"}
    wish = Wish(SECTION.title, typed, form.one("seen"), also=also, told=told)
    return setting_saving.keep(request, form, SECTION, wish, wrong=wrong)


def preview(request: WebRequest, form: Form) -> Response[Any]:
    """The colors as typed, with their figures; nothing is saved."""
    typed = setting_saving.typed_in(form, SECTION)
    wrong = setting_saving.too_long(form, SECTION) | faults(typed)
    shown = Shown(SECTION.slug, typed, wrong, seen=form.one("seen"))
    return settings.page(request, shown, status=400 if shown.wrong else 200)


def faults(typed: settable.Texts) -> dict[str, str]:
    """What is no color, and what would be read badly."""
    wrong = arranging.faults(typed)
    for key, mode in COLORS.items():
        if key not in wrong and typed.get(key) and (why := accents.fault(settable.understand(key, typed[key]), mode)):
            wrong[key] = why
    return wrong


def _logo(request: WebRequest, form: Form) -> str | None:
    """The file of a new logo, empty to take it away; None to leave it. Raises BadInput."""
    if form.one("no_logo") == "yes":
        return ""
    sent = form.file("logo")
    if sent is None or not sent.data:
        return None
    kept = media.keep(look.of(request).home.media, sent.data, sent.name, where="logo")
    if kept.role != "image":
        raise BadInput("logo", "It is no picture.", "Choose a PNG or JPEG file.")
    return media.narrow(kept.path) if kept.width and kept.width > pictures.NARROW else kept.path


HANDLERS = [
    frame.deed_at("/settings/looks", OWNER, save, files=True),
    frame.deed_at("/settings/looks/preview", OWNER, preview, files=True),
]
