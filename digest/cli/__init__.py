"""The services as commands: `digest ...`. Reads the arguments, calls one service, prints the result.

Promises: `--json` prints one JSON document on stdout and nothing else; exit code 0 is done, 1 refused or failed (one
line on stderr says why and what to do), 2 wrong use. Refuses nothing of its own: what is refused, a service refused.
"""

from __future__ import annotations

import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from . import (
    content,
    desk,
    do_not_mail,
    editing,
    faults,
    importing,
    measuring,
    people,
    processes,
    publishing,
    scheduling,
    sending,
    setting_up,
    staff,
    upkeep,
    watching,
    writing,
)

app = typer.Typer(
    name="digest",
    help="Dated items become feeds and an e-mail digest, each subscriber exactly once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

INTERRUPTED = 130  # what typer makes of Ctrl-C
STOPPED = "Stopped. What was begun is safe, and goes on with the next `digest run`."


@app.callback()
def home(
    context: typer.Context,
    folder: Annotated[
        Path | None, typer.Option("--home", help="The folder that holds everything; else DIGEST_HOME, else ./var.")
    ] = None,
) -> None:
    """Dated items become feeds and an e-mail digest, each subscriber exactly once."""
    context.obj = desk.Desk(folder)
    context.call_on_close(context.obj.close)


for part in (
    setting_up,
    importing,
    content,
    watching,
    publishing,
    scheduling,
    sending,
    writing,
    editing,
    people,
    do_not_mail,
    staff,
    processes,
    upkeep,
    measuring,
):
    part.register(app)


def main() -> None:
    """The entry point: runs a command, and turns errors into one line and an exit code."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a title must not stop a terminal that knows only ASCII
    try:
        code = app(standalone_mode=False, prog_name="digest")
        sys.stdout.flush()
    except Exception as error:
        told = faults.told(error)
        if told is None:
            raise
        print(*told.lines, sep="\n", end="\n" if told.lines else "", file=sys.stderr)
        sys.exit(told.code)
    if code == INTERRUPTED:
        print(STOPPED, file=sys.stderr)
        sys.exit(1)
    sys.exit(code or 0)
