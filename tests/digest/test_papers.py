"""PDFs looked at apart: their pages, their locks, and what a hostile one costs."""

from __future__ import annotations

import pytest

from digest import papers
from digest.papers import Paper
from tests.digest import samples


@pytest.mark.parametrize(
    ("data", "known"),
    [
        (samples.paper(3), Paper(3)),
        (samples.packed_paper(5), Paper(5)),
        (samples.paper(2, permits="secret"), Paper(2)),
        (samples.paper(2, opens="secret"), Paper(locked=True)),
        (samples.paper(1)[:-40], Paper()),
        (b"%PDF-1.7", Paper()),
    ],
)
def test_pages_are_counted_as_a_reader_s_program_would(data: bytes, known: Paper) -> None:
    assert papers.look(data) == known


@pytest.mark.parametrize("name", samples.HOSTILE_PAPERS)
def test_a_hostile_one_is_not_counted_and_costs_little(name: str) -> None:
    assert papers.look(samples.HOSTILE_PAPERS[name]()) == Paper()
