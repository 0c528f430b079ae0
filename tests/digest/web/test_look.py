"""Dates, kinds and titles as pages write them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from digest.home import Home
from digest.web import look
from digest.web.look import Site
from tests.conftest import NOW
from tests.digest.feed_samples import item

SPACE = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("value", "short", "long"),
    [
        ("2026-08-17", f"Aug{SPACE}17", f"August{SPACE}17, 2026"),
        ("2023-08-17", f"Aug{SPACE}17, 2023", f"August{SPACE}17, 2023"),
        ("--02-29", f"Feb{SPACE}29", f"February{SPACE}29"),
        (date(2026, 9, 1), f"Sep{SPACE}1", f"September{SPACE}1, 2026"),
        (datetime(2026, 9, 1, 2, tzinfo=UTC), f"Aug{SPACE}31", f"August{SPACE}31, 2026"),  # still Monday in New York
        ("last spring", "last spring", "last spring"),
        (None, "", ""),
    ],
)
def test_days_are_written_for_people(home: Home, value: str | date | None, short: str, long: str) -> None:
    book = Site(home, lambda: NOW).book()
    assert (book.day(value), book.long_day(value)) == (short, long)


@pytest.mark.parametrize(
    ("kind", "title", "shown"),
    [
        ("fact sheet", "Fact Sheet: Immigrants and Crime", "Immigrants and Crime"),
        ("executive summary", "EXECUTIVE SUMMARY: The Legal Questions", "The Legal Questions"),
        ("profile", "Profiles: Immigrants", "Immigrants"),
        ("fact sheet", "Policing: a fact sheet", "Policing: a fact sheet"),
        ("fact sheet", "Fact Sheet:", "Fact Sheet:"),
    ],
)
def test_a_list_drops_the_kind_from_the_title(kind: str, title: str, shown: str) -> None:
    assert look.short_title(replace(item(1), kind=kind, title=title)) == shown


def test_kinds_are_written_in_the_plural() -> None:
    assert [look.plural(kind) for kind in ("fact sheet", "profiles", "executive summary", "essay")] == [
        "Fact sheets",
        "Profiles",
        "Executive summaries",
        "Essays",
    ]
