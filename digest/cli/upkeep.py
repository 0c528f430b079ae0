"""Commands that keep an installation safe: for now, new keys."""

from __future__ import annotations

from typing import Annotated

import typer

from digest import keys
from digest.cli import desk
from digest.errors import Refused

keys_app = typer.Typer(help="The secrets in keys/.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(keys_app, name="keys")


@keys_app.command("rotate")
def rotate(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    as_json: desk.AsJson = False,
) -> None:
    """Make a new key for links. Unsubscribe links of old mails go on; links to settings end, and new mails have new."""
    home = desk.desk(context).home()
    if not yes and not as_json and not typer.confirm("Links to settings in mails already sent end. Go on?", err=True):
        raise Refused("Nothing was changed.")
    number = keys.rotate(home.path)
    lines = (
        f"Key {number} signs from now on; the old ones are kept, and unsubscribe links of old mails go on.",
        "Start the processes of this installation again, and back up keys/: without it all links break.",
    )
    desk.answer({"key": number}, *lines, as_json=as_json)
