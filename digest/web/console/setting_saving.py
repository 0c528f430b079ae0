"""Saving one section of the settings: read, confirmed, kept; or shown again with all that is wrong.

Promises: nothing is saved in part; the password is asked for where a stolen browser could turn mail or staff away;
who would lock themselves out by another address of the site is asked first. Refuses: what the environment sets, which
such a form does not even ask for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import Response

from digest import markup, settable
from digest.config import Settings
from digest.errors import ConfigError, DigestError, NotFound
from digest.staff import arranging
from digest.staff.accounts import OWNER
from digest.staff.arranging import Moved, Wish
from digest.web import look
from digest.web.console import again, door, frame, setting_fields, settings
from digest.web.console.setting_fields import TEXT, YES, Section
from digest.web.console.settings import HERE, Shown
from digest.web.forms import Form
from digest.web.look import WebRequest

LONG = 2_000  # characters of a line
LONGER = 10_000  # of a field with lines
SURE = "sure"
MOVED = "Somebody changed this meanwhile. What you typed is still here, with theirs below it. Save again to keep yours."


def save(request: WebRequest, form: Form) -> Response[Any]:
    """Keeps one section."""
    section = setting_fields.BY_SLUG.get(str(request.path_params["section"]))
    if section is None:
        raise NotFound("There is no such section.")
    typed = typed_in(form, section)
    wrong = arranging.faults(typed)
    if section is setting_fields.ADDRESS:
        wrong = wrong or _sure(request, form, typed)
    return keep(request, form, section, Wish(section.title, typed, form.one("seen")), wrong=wrong)


def typed_in(form: Form, section: Section) -> dict[str, str]:
    """What is typed in the section, however long, of what can be set here."""
    outside = arranging.outside(section.keys)
    typed = {}
    for one in section.fields:
        if one.key in outside:
            continue
        came = form.typed(one.key)[one.key]
        read = came.strip() if one.look == TEXT else markup.line(came)
        typed[one.key] = ("yes" if read == "yes" else "no") if one.look == YES else read
    return typed


def too_long(form: Form, section: Section) -> dict[str, str]:
    """What is wrong with the length of what is typed in the section, by field."""
    texts = [one.key for one in section.fields if one.look == TEXT]
    lines = [one.key for one in section.fields if one.look != TEXT]
    return form.faults(*lines, most=LONG) | form.faults(*texts, most=LONGER)


def keep(
    request: WebRequest,
    form: Form,
    section: Section,
    wish: Wish,
    *,
    wrong: dict[str, str] | None = None,
    check: Callable[[Settings], None] = arranging.fits,
    done: str = settings.SAVED,
    more: dict[str, Any] | None = None,
) -> Response[Any]:
    """Keeps what is wished, when nothing is wrong with it; else the page again, with everything that is."""
    site, account = look.of(request), door.of(request).account
    wrong = too_long(form, section) | dict(wrong or {})
    fault, status = again.fault(request, form) if section.guarded else ("", 400)
    if fault:
        wrong[f"{section.slug}-{again.FIELD}"] = fault
    theirs: settable.Texts = {}
    if not wrong:
        try:
            changed = arranging.change(site.home, account, wish, now=site.clock(), check=check)
            told = done if changed else "same"
            return frame.redirect(f"{HERE}?done={told}&section={section.slug}#{section.slug}")
        except Moved as error:
            theirs = {key: text for key, text in error.now.items() if text != wish.typed[key]}
            wrong = {f"{section.slug}-save": MOVED}
            site.home.follow()
        except ConfigError as error:
            wrong = dict(error.by_key) or {f"{section.slug}-save": str(error)}
        except DigestError as error:
            wrong = {f"{section.slug}-save": str(error)}
    shown = Shown(section.slug, wish.typed, wrong, theirs, "" if theirs else wish.seen, more or {})
    return settings.page(request, shown, status=409 if theirs else status)


def _sure(request: WebRequest, form: Form, typed: settable.Texts) -> dict[str, str]:
    """Another address may lock everybody out of the console, who can then only change it in the file."""
    key = "site.url"
    if typed.get(key, "").rstrip("/") in ("", look.of(request).home.settings.site.url) or form.one(SURE) == "yes":
        return {}
    return {SURE: "Open the new address in your browser. When this site shows there, tick the box."}


HANDLERS = [frame.deed_at("/settings/{section:str}", OWNER, save)]
