"""Contrast by the formula of WCAG, against figures known from its tables."""

from __future__ import annotations

import pytest

from digest import contrast


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#777777", "#ffffff", 4.48),
        ("#0b5663", "#fdfefd", 8.2),
        ("#fdfefd", "#0b5663", 8.2),
        ("#4b5955", "#edf1ef", 6.5),
        ("#123456", "#123456", 1.0),
    ],
)
def test_the_ratio_of_two_colors(one: str, other: str, expected: float) -> None:
    assert contrast.ratio(one, other) == pytest.approx(expected, abs=0.06)
