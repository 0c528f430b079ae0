"""The password once more, before what a browser that was left open must not do by itself.

Promises: tries are counted as at the sign-in, until one is right. Refuses nothing by itself: it says what is wrong.
"""

from __future__ import annotations

from digest.errors import BadInput
from digest.staff import passwords
from digest.staff.accounts import Account
from digest.web import look
from digest.web.console import door, tries
from digest.web.forms import Form
from digest.web.look import Site, WebRequest

FIELD = "current"
NOT_YOURS = "That is not your password."


def fault(request: WebRequest, form: Form) -> tuple[str, int]:
    """What is wrong with the current password in the form, and the status that says so: 429 after too many tries.

    An account without a password has none to show.
    """
    site, account = look.of(request), door.of(request).account
    if not account.has_password:
        return "", 400
    ip = door.client(request).ip
    if until := tries.count(site, account.email, ip):
        return tries.locked(site, until), 429
    if right := _is_right(site, account, form):
        tries.forgive(site, account.email, ip)
    return "" if right else NOT_YOURS, 400


def _is_right(site: Site, account: Account, form: Form) -> bool:
    try:
        typed = form.secret(FIELD, most=1000)
    except BadInput:
        return False
    with site.home.db.reading() as conn:
        return bool(passwords.match(conn, account, typed))
