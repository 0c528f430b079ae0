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
    n: Annotated[int, typer.Option("--n", min=1, max=10_000_000, help="How many people.")] = 100_000,
    as_json: desk.AsJson = False,
) -> None:
    """Plan and deliver an edition to N made-up people, into memory; the home is left alone."""
    from digest import bench  # loaded only here: no other command needs it

    measured = bench.plan(n)
    desk.answer(measured, *bench.lines(measured), as_json=as_json)
