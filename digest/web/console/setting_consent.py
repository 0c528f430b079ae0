"""The words that people agree to when they sign up: as they are, and every version that anybody has agreed to.

Promises: what somebody agreed to stays in their proof, whatever is written here; before new words are kept the page
shows them as people will see them. Refuses: an empty name in braces, and anything longer than a reader takes in.
"""

from __future__ import annotations

import json
from typing import Any

from litestar import Response
from sqlalchemy import Connection

from digest import languages, markup, publications, settable, settings_file
from digest.errors import ConfigError, DigestError
from digest.staff import arranging
from digest.staff.accounts import OWNER
from digest.staff.arranging import Moved, Wish
from digest.web import look
from digest.web.console import door, frame, setting_saving, settings
from digest.web.console.settings import HERE
from digest.web.forms import Form
from digest.web.look import Site, WebRequest
from subscribers import consent, wording

LONGEST = 600  # characters


def show(request: WebRequest) -> Response[Any]:
    """The words as they are, and the versions."""
    site = look.of(request)
    own = site.home.settings.sign_up.consent
    typed = {tag: own.get(tag, "") for tag in _tags(site)}
    return _page(request, typed, seen=settings.mark(site.home.settings, (settable.CONSENT,)))


def look_ahead(request: WebRequest, form: Form) -> Response[Any]:
    """How the words would read; nothing is saved."""
    typed = _typed(look.of(request), form)
    return _page(request, typed, seen=form.one("seen"), wrong=_faults(typed), look_at=True)


def save(request: WebRequest, form: Form) -> Response[Any]:
    """Keeps the words: a new version from now on."""
    site, account = look.of(request), door.of(request).account
    typed, seen, status = _typed(site, form), form.one("seen"), 400
    wrong = _faults(typed)
    if not wrong:
        text = json.dumps({tag: words for tag, words in typed.items() if words})
        wish = Wish("Words of consent", {settable.CONSENT: text}, seen)
        try:
            changed = arranging.change(site.home, account, wish, now=site.clock())
            return frame.redirect(f"{HERE}/consent?done={'consent' if changed else 'same'}")
        except Moved as error:
            site.home.follow()
            theirs = json.loads(error.now[settable.CONSENT])
            wrong, status = {"save": f"{setting_saving.MOVED} {' '.join(theirs.values())}".strip()}, 409
            seen = settings.mark(site.home.settings, (settable.CONSENT,))
        except ConfigError as error:
            wrong = {"save": " ".join(error.by_key.values()) or str(error)}
        except DigestError as error:
            wrong = {"save": str(error)}
    return _page(request, typed, seen=seen, wrong=wrong, status=status)


def _page(
    request: WebRequest,
    typed: dict[str, str],
    *,
    seen: str,
    wrong: dict[str, str] | None = None,
    look_at: bool = False,
    status: int = 200,
) -> Response[Any]:
    site, wrong = look.of(request), wrong or {}
    now = {tag: wording.sentence(languages.of(tag), site.home.settings) for tag in typed}
    with site.home.db.reading() as conn:
        versions = consent.versions(conn)
    return frame.page(
        request,
        "consent.html",
        status=400 if wrong and status == 200 else status,
        here=HERE,
        done=settings.told(request),
        typed=typed,
        seen=seen,
        wrong=wrong,
        now=now,
        ahead=_ahead(site, typed) if look_at and not wrong else {},
        version=consent.version,
        versions=versions,
        used={consent.version(words) for words in now.values()},
        outside=settings_file.is_outside(settable.CONSENT),
    )


def _ahead(site: Site, typed: dict[str, str]) -> dict[str, str]:
    return {tag: wording.sentence(languages.of(tag), site.home.settings, words) for tag, words in typed.items()}


def _tags(site: Site) -> list[str]:
    """The languages in which people sign up."""
    with site.home.db.reading() as conn:
        spoken = [*site.home.settings.site.languages, *_of_digests(conn)]
    return list(dict.fromkeys(languages.of(tag).tag for tag in [site.home.settings.site.language, *spoken]))


def _of_digests(conn: Connection) -> list[str]:
    return [tag for digest in publications.all(conn) for tag in digest.languages]


def _typed(site: Site, form: Form) -> dict[str, str]:
    return {tag: markup.line(form.typed(f"words-{tag}")[f"words-{tag}"]) for tag in _tags(site)}


def _faults(typed: dict[str, str]) -> dict[str, str]:
    wrong = {}
    for tag, words in typed.items():
        if len(words) > LONGEST:
            wrong[f"words-{tag}"] = f"It has {len(words)} characters. Say it in {LONGEST}."
        elif set("{}") & set(words.replace(wording.NAME, "")):
            wrong[f"words-{tag}"] = f"Braces stand for your name alone: {wording.NAME}."
    return wrong


HANDLERS = [
    frame.page_at("/settings/consent", OWNER, show),
    frame.deed_at("/settings/consent", OWNER, save),
    frame.deed_at("/settings/consent/ahead", OWNER, look_ahead),
]
