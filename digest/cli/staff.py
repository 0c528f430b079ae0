"""Commands about who works here: add, list, let in again, another role, end."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer
from sqlalchemy import Connection

from digest.cli import desk, paper
from digest.home import Home
from digest.staff import accounts, links, roster
from digest.staff.accounts import Account

staff_app = typer.Typer(help="Who works in the console, and what they may do.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(metavar="ADDRESS", help="Their e-mail address.")]
Role = Annotated[str, typer.Option(metavar="ROLE", help="viewer, author, editor or owner.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(staff_app, name="staff")


@staff_app.command("list")
def show_all(context: typer.Context, as_json: desk.AsJson = False) -> None:
    """Everybody who works here."""
    home = desk.desk(context).home()
    with home.db.reading() as conn:
        found = accounts.every(conn)
    if as_json:
        desk.document(found)
        return
    zone = home.settings.site.time_zone
    rows = [
        (one.email, one.role, "yes" if one.has_second_factor else "no", _seen(one, zone), one.name) for one in found
    ]
    empty = 'Nobody yet. Add the first: digest staff add ADDRESS --name "NAME" --role owner'
    paper.table(("address", "role", "second step", "last here", "name"), rows, empty=empty)


def _seen(account: Account, zone: str) -> str:
    return desk.local(account.seen_at, zone) if account.seen_at else "never"


@staff_app.command("add")
def add(
    context: typer.Context,
    email: Email,
    name: Annotated[str, typer.Option(metavar="NAME", help="The name that colleagues know.")] = "",
    role: Role = accounts.AUTHOR,
    as_json: desk.AsJson = False,
) -> None:
    """Add somebody; prints a link that lets them in once, to choose a password."""
    home = desk.desk(context).home()
    account, token = home.db.run(partial(_add, email, name or email.partition("@")[0], role))
    _tell(home, account, token, f"{account.name} is {account.role} now.", as_json=as_json)


def _add(email: str, name: str, role: str, conn: Connection) -> tuple[Account, str]:
    return roster.invite(conn, desk.user(), email, name=name, role=role, now=desk.now())


@staff_app.command("link")
def link(
    context: typer.Context,
    email: Email,
    without: Annotated[
        bool, typer.Option("--without-second-step", help="Also switch their second step off: the phone is lost.")
    ] = False,
    as_json: desk.AsJson = False,
) -> None:
    """Print a link that lets somebody in once, when their password is lost."""
    home = desk.desk(context).home()
    account, token = home.db.run(partial(_link, email, without))
    _tell(home, account, token, f"A link for {account.name}.", as_json=as_json)


def _link(email: str, without: bool, conn: Connection) -> tuple[Account, str]:
    account = accounts.find(conn, email)
    return roster.let_in(conn, desk.user(), account.id, without_second_step=without, now=desk.now())


@staff_app.command("set")
def set_role(context: typer.Context, email: Email, role: Role, as_json: desk.AsJson = False) -> None:
    """Give somebody another role; they stay signed in."""
    after = desk.desk(context).home().db.run(partial(_set_role, email, role))
    desk.answer(after, f"{after.name} is {after.role} now.", as_json=as_json)


def _set_role(email: str, role: str, conn: Connection) -> Account:
    return roster.set_role(conn, desk.user(), accounts.find(conn, email).id, role, now=desk.now())


@staff_app.command("end")
def end(context: typer.Context, email: Email, yes: desk.Yes = False, as_json: desk.AsJson = False) -> None:
    """End an account: they are signed out at once and cannot sign in again."""
    home = desk.desk(context).home()
    with home.db.reading() as conn:
        account = accounts.find(conn, email)
    desk.confirm(f"End the account of {account.name}?", yes=yes)
    ended = home.db.run(partial(roster.end, by=desk.user(), staff_id=account.id, now=desk.now()))
    desk.answer(ended, f"The account of {ended.name} has ended.", as_json=as_json)


def _tell(home: Home, account: Account, token: str, line: str, *, as_json: bool) -> None:
    address = links.address(home.settings.site.url, token)
    facts = {"email": account.email, "name": account.name, "role": account.role, "link": address}
    desk.answer(facts, line, "This link lets them in once, within two days:", f"  {address}", as_json=as_json)
