"""Commands that measure: bench."""

from __future__ import annotations

from typing import Annotated

import typer

from digest.cli import desk

bench_app = typer.Typer(
    help="Measure on this machine; docs/reference/performance.md has figures.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(bench_app, name="bench")


@bench_app.command("plan")
def plan(
    context: typer.Context,
    n: Annotated[int, typer.Option("--n", help="How many subscribers.")] = 100_000,
    as_json: desk.AsJson = False,
) -> None:
    """Plan and deliver an edition to N made-up subscribers, into memory."""
    from digest import bench  # loaded only here: no other command needs it

    measured = bench.plan(n)
    if as_json:
        desk.document(measured)
        return
    desk.say(*bench.lines(measured))
