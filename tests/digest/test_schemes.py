"""A mail in light or in dark, whatever the page around it."""

from __future__ import annotations

import re

import pytest

from digest import render
from digest.render import schemes
from tests.digest.mail_example import ENTRIES, SEQUENCES, SHELL

MAIL = render.Press(SHELL, "en", ENTRIES).variant(SEQUENCES, most=12).html
NIGHT = "@media (prefers-color-scheme:dark){"


def test_the_rules_for_the_dark_hold_in_the_dark_and_not_in_the_light() -> None:
    assert NIGHT in MAIL
    assert "@media (min-width:0){" in schemes.shown(MAIL, "dark")
    assert "@media (max-width:0){" in schemes.shown(MAIL, "light")
    for scheme in ("dark", "light"):
        shown = schemes.shown(MAIL, scheme)
        assert f'<meta name="color-scheme" content="{scheme}">' in shown
        assert f'<meta name="supported-color-schemes" content="{scheme}">' in shown
        assert "prefers-color-scheme" not in shown


def test_nothing_but_rules_is_touched() -> None:
    """What an author writes about style sheets stays as it is written."""
    said = f"Write {NIGHT} and content=&quot;light dark&quot;."
    mail = MAIL.replace("</body>", f"<p>{said}</p></body>")
    for scheme in ("dark", "light"):
        shown = schemes.shown(mail, scheme)
        assert said in shown
        bare = re.compile(r"<style.*?</style>|<meta [^>]*>", re.DOTALL)
        assert bare.sub("", shown) == bare.sub("", mail)


@pytest.mark.parametrize(
    ("css", "dark", "light"),
    [
        ("@media (prefers-color-scheme: light) and (max-width:480px){a{}}", "(max-width:0)", "(min-width:0)"),
        ("@media screen and ( prefers-color-scheme : dark ){a{}}", "(min-width:0)", "(max-width:0)"),
    ],
)
def test_rules_in_every_way_of_writing_are_met(css: str, dark: str, light: str) -> None:
    for scheme, answer in (("dark", dark), ("light", light)):
        assert answer in schemes.shown(f"<style type='text/css'>{css}</style>", scheme)
