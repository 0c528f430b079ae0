"""The journey of an item in words: what each step is called, and what it says."""

from __future__ import annotations

from digest.coming import Coming
from digest.items import Item
from digest.journeys import Step
from digest.web.console import editions, frame
from digest.web.look import Site


def words(site: Site, item: Item, step: Step) -> tuple[str, str]:
    """The name of a step and its sentence."""
    if step.edition is not None:
        return editions.name(site, step.edition), step.note if step.what == "skipped" else _of_edition(step)
    if step.run is not None:
        return f"Waits for the next {frame.CADENCES[step.run.series.cadence]}", _of_run(step.run)
    feeds = 2 + len(item.topics)  # everything, its kind, its topics
    return {
        "begun": ("Draft", step.note),
        "scheduled": ("Scheduled", "Appears by itself."),
        "published": ("Published", step.note or f"On the site and in {feeds} feeds."),
        "yearless": ("Waits for its year", "On the site, in no feed and no digest until its date is complete."),
        "update": ("Told as “Updated”", step.note),
        "again": ("Came back", "Goes to those who do not have it."),
        "withdrawn": ("Withdrawn", step.note),
        "held": (f"Held back: {step.series}", step.note),
    }[step.what]


def _of_edition(step: Step) -> str:
    place = f"Place {step.place[0]} of {step.place[1]}." if step.place else "For those to whom it was owed."
    people = f"{step.people:,} {'person' if step.people == 1 else 'people'} got it."
    return f"{place} {people}" if step.done else place


def _of_run(run: Coming) -> str:
    told = len({item.id for _, item in run.told})
    fewest = "" if run.enough else f", and it needs at least {run.series.fewest}"
    return f"{told} {'item' if told == 1 else 'items'} so far{fewest}."
