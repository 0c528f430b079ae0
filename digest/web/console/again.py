"""The password once more, before what a browser that was left open must not do by itself.

Promises: tries are counted as at the sign-in, until one is right. Refuses nothing by itself: it says what is wrong.
"""

from __future__ import annotations

from digest.staff import passwords
from digest.web import look
from digest.web.console import door, tries
from digest.web.forms import Form
from digest.web.look import WebRequest

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
    with site.home.db.reading() as conn:
        right = passwords.match(conn, account, form.secret(FIELD, most=1000))
    if right:
        tries.forgive(site, account.email, ip)
    return "" if right else NOT_YOURS, 400
