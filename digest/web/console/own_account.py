"""What each of the staff does about their own account: name, password, second factor, recovery codes, sessions.

Promises: a change of the password, of the second factor or of the address asks for the password first; the first two
end all other sessions and give this one a new id; recovery codes are shown once; what is typed together is stored
together or not at all. Refuses: a second factor whose first code does not fit, and too many tries of a password.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from functools import partial
from typing import Any

from litestar import Response
from litestar.datastructures import Cookie
from markupsafe import Markup
from sqlalchemy import Connection

from digest.errors import BadInput, Refused
from digest.staff import accounts, activity, passwords, second_factor, sessions
from digest.staff.accounts import VIEWER, Account
from digest.web import look
from digest.web.console import again, door, frame
from digest.web.console.door import Visitor
from digest.web.forms import Form
from digest.web.look import Site, WebRequest

# The first mark that fits names it: most browsers also claim to be others.
_PROGRAMS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
)
DONE = {
    "changed": "Changed.",
    "password": "Your password is set. You are signed out everywhere else.",
    "off": "The second step is off. Your password alone lets you in. You are signed out everywhere else.",
    "ended": "Signed out there.",
}


def show(request: WebRequest) -> Response[Any]:
    """The account as it is."""
    return _page(request)


def _page(request: WebRequest, *, status: int = 200, **more: Any) -> Response[Any]:
    site, visitor = look.of(request), door.of(request)
    with site.home.db.reading() as conn:
        live = sessions.of_account(conn, visitor.account.id, now=site.clock())
        left = second_factor.recovery_left(conn, visitor.account)
    given: dict[str, Any] = {
        "wrong": {},
        "typed": vars(visitor.account),
        "live": live,
        "browser": browser,
        "left": left,
        "done": DONE.get(request.query_params.get("done", "")),
    }
    return frame.page(request, "account.html", status=status, shortest=passwords.SHORTEST, **(given | more))


def browser(agent: str) -> str:
    """A browser as people call it, from what it says of itself: "Firefox on Windows"."""
    program = next((name for mark, name in _PROGRAMS if mark in agent), "A browser")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return f"{program} on {system}" if system else program


def change(request: WebRequest, form: Form) -> Response[Any]:
    """Another name or address; the address lets somebody in, so it asks for the password."""
    site, visitor = look.of(request), door.of(request)
    typed = form.typed("name", "email")
    fault, status = again.fault(request, form) if typed["email"] != visitor.account.email else ("", 400)
    wrong = {"proof": fault} if fault else _tried(site, partial(_change, site, visitor, form))
    if wrong:
        return _page(request, status=status, wrong=wrong, typed=typed)
    return frame.redirect(f"{door.ACCOUNT}?done=changed")


def _tried(site: Site, step: Callable[[Connection], object]) -> dict[str, str]:
    """Does the step in one transaction; what is wrong with what was typed, by field, when something is."""
    try:
        site.home.db.run(step)
    except (BadInput, Refused) as error:
        return frame.wrong(error, "email")
    return {}


def _change(site: Site, visitor: Visitor, form: Form, conn: Connection) -> Account:
    before = visitor.account
    after = accounts.change(conn, before.id, name=form.one("name"), email=form.one("email", most=254))
    told = {"before": {"name": before.name}, "after": {"name": after.name}}
    activity.record(conn, after, "changed their account", "account", now=site.clock(), **told)
    return after


def set_password(request: WebRequest, form: Form) -> Response[Any]:
    """A new password; the other sessions end. The first time they also say who they are."""
    site, visitor = look.of(request), door.of(request)
    fault, status = again.fault(request, form)
    cookies = list[Cookie]()
    wrong = {"current": fault} if fault else {}
    wrong = wrong or _tried(site, lambda conn: cookies.append(_set_password(site, visitor, form, conn)))
    if wrong:
        typed = vars(visitor.account) if visitor.account.has_password else form.typed("name", "email")
        return _page(request, status=status, wrong=wrong, typed=typed)
    return frame.redirect(f"{door.ACCOUNT}?done=password", cookies[-1])


def _set_password(site: Site, visitor: Visitor, form: Form, conn: Connection) -> Cookie:
    new, repeated = form.secret("password", most=1000), form.secret("repeated", most=1000)
    if new != repeated:
        raise BadInput("repeated", "It is not the same as the first one.", "Type both again.")
    account = visitor.account if visitor.account.has_password else _change(site, visitor, form, conn)
    passwords.set(conn, account, new)
    activity.record(conn, account, "set their password", "account", now=site.clock())
    return _alone(conn, site, visitor)


def _alone(conn: Connection, site: Site, visitor: Visitor) -> Cookie:
    """Ends all other sessions, and gives this one a new id: the cookie with it."""
    sessions.end_all(conn, visitor.account.id, but=visitor.session.id)
    return door.session_cookie(site, sessions.renew_now(conn, visitor.session))


# --- second factor ---------------------------------------------------------------------------------------------


def factor_page(request: WebRequest) -> Response[Any]:
    """A picture to scan, and the form for the first code."""
    return _factor(request, second_factor.propose())


def _factor(
    request: WebRequest, nonce: bytes, *, status: int = 200, wrong: dict[str, str] | None = None
) -> Response[Any]:
    site, visitor = look.of(request), door.of(request)
    keyring, issuer = site.home.keys, site.home.settings.site.name
    picture = second_factor.picture(second_factor.address(keyring, nonce, visitor.account, issuer))
    return frame.page(
        request,
        "factor.html",
        status=status,
        picture=Markup(picture),  # noqa: S704 - our own drawing
        secret=second_factor.secret(keyring, nonce),
        seed=base64.urlsafe_b64encode(nonce).decode(),
        wrong=wrong or {},
    )


def switch_on(request: WebRequest, form: Form) -> Response[Any]:
    """The second factor, once its first code fits; then recovery codes."""
    site, visitor = look.of(request), door.of(request)
    nonce = _seed(form.one("seed"))
    fault, status = again.fault(request, form)
    if fault:
        return _factor(request, nonce, status=status, wrong={"current": fault})
    made = site.home.db.run(partial(_switch_on, site, visitor, nonce, form.typed("code")["code"]))
    if made is None:
        said = "That code does not fit. Is the clock of your phone right?"
        return _factor(request, nonce, status=400, wrong={"code": said})
    codes, cookie = made
    return frame.with_cookies(frame.page(request, "codes.html", codes=codes), cookie)


def _switch_on(
    site: Site, visitor: Visitor, nonce: bytes, code: str, conn: Connection
) -> tuple[list[str], Cookie] | None:
    account, now = visitor.account, site.clock()
    if not second_factor.switch_on(conn, site.home.keys, account, nonce, code, now=now):
        return None
    activity.record(conn, account, "switched a second step on", "account", now=now)
    return second_factor.recovery_codes(conn, site.home.keys, account), _alone(conn, site, visitor)


def switch_off(request: WebRequest, form: Form) -> Response[Any]:
    """Without a second factor from now on; the other sessions end."""
    site, visitor = look.of(request), door.of(request)
    fault, status = again.fault(request, form)
    if fault:
        return _page(request, status=status, wrong={"off": fault})
    return frame.redirect(f"{door.ACCOUNT}?done=off", site.home.db.run(partial(_switch_off, site, visitor)))


def _switch_off(site: Site, visitor: Visitor, conn: Connection) -> Cookie:
    second_factor.switch_off(conn, visitor.account)
    activity.record(conn, visitor.account, "switched their second step off", "account", now=site.clock())
    return _alone(conn, site, visitor)


def new_codes(request: WebRequest, form: Form) -> Response[Any]:
    """New recovery codes; the old ones end."""
    site, visitor = look.of(request), door.of(request)
    if not visitor.account.has_second_factor:
        return frame.redirect(door.ACCOUNT)
    fault, status = again.fault(request, form)
    if fault:
        return _page(request, status=status, wrong={"off": fault})
    return frame.page(request, "codes.html", codes=site.home.db.run(partial(_new_codes, site, visitor)))


def _new_codes(site: Site, visitor: Visitor, conn: Connection) -> list[str]:
    activity.record(conn, visitor.account, "made new recovery codes", "account", now=site.clock())
    return second_factor.recovery_codes(conn, site.home.keys, visitor.account)


# --- sessions --------------------------------------------------------------------------------------------------


def end_sessions(request: WebRequest, form: Form) -> Response[Any]:
    """Signs out elsewhere: one session, or everywhere, this one included."""
    site, visitor = look.of(request), door.of(request)
    which = form.one("session")
    site.home.db.run(partial(_end_sessions, site, visitor, which))
    if which == "all":
        return frame.redirect(frame.SIGN_IN, door.no_cookie(site))
    return frame.redirect(f"{door.ACCOUNT}?done=ended")


def _end_sessions(site: Site, visitor: Visitor, which: str, conn: Connection) -> None:
    if which == "all":
        sessions.end_all(conn, visitor.account.id)
        activity.record(conn, visitor.account, "signed out everywhere", "session", now=site.clock())
    elif which.isascii() and which.isdigit() and len(which) < 10:
        sessions.end(conn, int(which), visitor.account.id)


def _seed(text: str) -> bytes:
    try:
        nonce = base64.urlsafe_b64decode(text.encode("ascii"))
    except (binascii.Error, ValueError):
        nonce = b""
    if len(nonce) != 16:
        raise BadInput("seed", "This form is not whole.", "Begin again from your account.")
    return nonce


HANDLERS = [
    frame.page_at("/account", VIEWER, show),
    frame.deed_at("/account", VIEWER, change),
    frame.deed_at("/account/password", VIEWER, set_password),
    frame.page_at("/account/second-step", VIEWER, factor_page),
    frame.deed_at("/account/second-step", VIEWER, switch_on),
    frame.deed_at("/account/second-step/off", VIEWER, switch_off),
    frame.deed_at("/account/second-step/codes", VIEWER, new_codes),
    frame.deed_at("/account/sessions", VIEWER, end_sessions),
]
