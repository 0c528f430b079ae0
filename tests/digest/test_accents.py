from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest import accents, contrast, editions, render
from digest.config import LooksSection, Settings, Site
from digest.publications import Digest
from digest.render import templates
from tests.conftest import NOW
from tests.digest.mail_example import ENTRIES, SEQUENCES, SHELL

OWN = LooksSection(accent="#5b2a86", accent_dark="#d9b8f5")
colors = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def test_the_designs_own_colors_stand_out_everywhere() -> None:
    assert accents.fault(accents.DAY, "light") == accents.fault(accents.NIGHT, "dark") == ""
    assert {accents.DAY.upper(), accents.NIGHT.upper()} == {templates.DAY.upper(), templates.NIGHT.upper()}
    assert not accents.of(LooksSection()).is_own


@given(colors, st.sampled_from(["light", "dark"]))
def test_a_color_is_refused_exactly_when_a_figure_falls_short(color: str, mode: str) -> None:
    figures = accents.figures(color, mode)
    assert bool(accents.fault(color, mode)) == any(one.ratio < 4.5 for one in figures)
    assert all(float(one.short) <= one.ratio for one in figures)
    if not accents.fault(color, mode):  # and so does the one under the pointer
        assert accents.fault(accents.hover(color, mode), mode) == ""


def test_every_figure_that_falls_short_is_said() -> None:
    told = accents.fault("#767676", "light")
    assert "on tinted panels 3.8" in told
    assert "on fields and panels" not in told
    assert "4.5 is needed. Take a darker one." in told
    assert "Take a lighter one." in accents.fault("#0b5663", "dark")


def test_a_weak_color_in_the_file_is_not_used() -> None:
    pair = accents.of(LooksSection(accent="#ffff00", accent_dark="#d9b8f5"))
    assert pair == accents.Pair(accents.DAY, "#d9b8f5")
    assert "#ffff00" not in accents.style_sheet(pair)


def test_mails_have_the_color_and_what_is_locked_keeps_it() -> None:
    digest = Digest(1, "weekly", "Weekly", "", "News", "news@example.org", "", ("en",), "UTC", "nothing", "", "", 0)
    said = Settings(site=Site(name="News"), looks=OWN)
    plain = editions.snapshot(said, digest, cadence="weekly", edition=1, day=NOW, since="")
    assert (plain["accent"], plain["accent_dark"]) == (OWN.accent, OWN.accent_dark)
    without = editions.snapshot(Settings(), digest, cadence="weekly", edition=1, day=NOW, since="")
    assert "accent" not in without
    assert render.Shell.from_json(without).accent == ""


@pytest.mark.parametrize("own", [False, True])
def test_no_part_of_a_mail_has_another_accent(own: bool) -> None:
    shell = replace(SHELL, accent=OWN.accent, accent_dark=OWN.accent_dark) if own else SHELL
    button = render.Button("Yes", "https://example.org/c/1")
    mails = [
        render.Press(shell, "en", ENTRIES).variant(SEQUENCES, most=12),
        render.letter(
            shell,
            "en",
            subject="Hello",
            preheader="",
            body='<p><strong><a href="https://a.example">Go</a></strong></p>',
        ),
        render.notice(shell, subject="S", heading="H", paragraphs=["P"], button=button),
    ]
    for mail in mails:
        lower = mail.html.lower()
        assert (accents.DAY in lower, accents.NIGHT in lower) == (not own, not own)
        assert (OWN.accent in lower, OWN.accent_dark in lower) == (own, own)
    assert contrast.ratio(OWN.accent, "#fdfefd") >= contrast.TEXT
