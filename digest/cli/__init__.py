"""The services as commands: `digest ...`. Reads the arguments, calls one service, prints the result.

Promises: `--json` prints one JSON document on stdout and nothing else; exit code 0 is done, 1 refused or failed (one
line on stderr says why and what to do), 2 wrong use. Refuses nothing of its own: what is refused, a service refused.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from digest import errors

from . import content, desk, measuring, people, processes, publishing, sending, setting_up

app = typer.Typer(
    name="digest",
    help="Dated items become feeds and an e-mail digest, each subscriber exactly once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

EXIT_CODES: dict[type[errors.DigestError], int] = {errors.BadInput: 2}  # every other refusal is 1


@app.callback()
def home(
    context: typer.Context,
    folder: Annotated[
        Path | None, typer.Option("--home", help="The folder that holds everything; else DIGEST_HOME, else ./var.")
    ] = None,
) -> None:
    """Dated items become feeds and an e-mail digest, each subscriber exactly once."""
    context.obj = desk.Desk(folder)


for part in (setting_up, content, publishing, sending, people, processes, measuring):
    part.register(app)


def main() -> None:
    """The entry point: runs a command, and turns errors into one line and an exit code."""
    try:
        app()
    except errors.ConfigError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        sys.exit(1)
    except errors.DigestError as error:
        print(str(error), file=sys.stderr)
        sys.exit(EXIT_CODES.get(type(error), 1))
    except BrokenPipeError:
        sys.exit(1)
