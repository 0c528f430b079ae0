"""Commands that measure: bench."""

from __future__ import annotations

from typing import Annotated

import typer

from digest.cli import desk

bench_app = typer.Typer(
    help="Measure on this machine; docs/reference/performance.md has figures.", no_args_is_help=True
)

Many = Annotated[int, typer.Option("--n", min=1, max=10_000_000, help="How many people.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(bench_app, name="bench")


# What they need is loaded only when they are called: no other command needs it.


@bench_app.command("plan")
def plan(
    n: Many = 100_000,
    owing: Annotated[
        float, typer.Option("--carries", min=0, max=100, metavar="PERCENT", help="How many are owed older items.")
    ] = 0,
    as_json: desk.AsJson = False,
) -> None:
    """Plan an edition for N made-up people and deliver it to nobody; the home is left alone."""
    from digest.bench import measuring
    from digest.bench.plan import plan

    measured = plan(n, owing=owing)
    desk.answer(measured, *measuring.lines(measured, "subscribers"), as_json=as_json)


@bench_app.command("smtp")
def smtp(
    n: Many = 20_000,
    connections: Annotated[int, typer.Option("--connections", min=1, max=100, help="To the mail server.")] = 8,
    as_json: desk.AsJson = False,
) -> None:
    """Deliver an edition to N made-up people into a mail server that is started for it; the home is left alone."""
    from digest.bench import measuring
    from digest.bench.smtp import smtp

    measured = smtp(n, connections=connections)
    desk.answer(measured, *measuring.lines(measured, "mails"), as_json=as_json)


@bench_app.command("sendgrid")
def sendgrid(n: Many = 100_000, as_json: desk.AsJson = False) -> None:
    """Deliver an edition to N made-up people into a stand-in of SendGrid that is started for it."""
    from digest.bench import measuring
    from digest.bench.sendgrid import sendgrid

    measured = sendgrid(n)
    desk.answer(measured, *measuring.lines(measured, "recipients"), as_json=as_json)


@bench_app.command("feed")
def feed(
    n: Annotated[int, typer.Option("--n", min=1, max=10_000_000, help="How many requests of each kind.")] = 50_000,
    as_json: desk.AsJson = False,
) -> None:
    """Ask for a 30 kB feed N times with wrk, whole and by its tag, beside nginx with the same file."""
    from digest.bench import measuring
    from digest.bench.feed import feed

    measured = feed(n)
    desk.answer(measured, *measuring.lines(measured, "answers"), as_json=as_json)


@bench_app.command("console")
def console(n: Many = 100_000, as_json: desk.AsJson = False) -> None:
    """Ask for every page of the console of a made-up home with N people and 1,000 editions."""
    from digest.bench import console as measuring

    measured = measuring.console(n)
    desk.answer(measured, *measuring.lines(measured), as_json=as_json)
