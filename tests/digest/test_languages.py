"""The catalogs: nothing is missing, nothing is left over, and what is filled in has the same names everywhere."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from digest import languages

KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}
FOLDER = Path(languages.__file__).parent
ROOT = FOLDER.parents[1]
SAYING = ("digest", "subscribers", "templates/web")
METHODS = [("**.py", "python"), ("**.html", "jinja2")]
CODES = sorted(languages.known() - {languages.SOURCE})


def said() -> set[tuple[str | None, str]]:
    """Context and English text of everything that the code says."""
    found = [one for folder in SAYING for one in extract_from_dir(ROOT / folder, method_map=METHODS, keywords=KEYWORDS)]
    return {(context, text if isinstance(text, str) else text[0]) for _, _, text, _, context in found}


def catalog(code: str) -> Catalog:
    with (FOLDER / f"{code}.po").open("rb") as file:
        return read_po(file, locale=code, abort_invalid=True)


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def forms(told: object) -> tuple[str, ...]:
    return (told,) if isinstance(told, str) else tuple(told)  # type: ignore[arg-type]


def key(message: Message) -> tuple[str | None, str]:
    return message.context, forms(message.id)[0]


@pytest.mark.parametrize("code", CODES)
def test_a_catalog_says_everything_and_nothing_else(code: str) -> None:
    messages = [message for message in catalog(code) if message.id]
    assert {key(message) for message in messages} == said()
    assert [message.id for message in messages if message.fuzzy or not all(forms(message.string))] == []


@pytest.mark.parametrize("code", CODES)
def test_what_is_filled_in_is_the_same_in_every_language(code: str) -> None:
    for message in catalog(code):
        english = set().union(*(names(text) for text in forms(message.id)))
        for text in forms(message.string):
            assert names(text) <= english, text
        assert names(forms(message.string)[-1]) == english, message.id


@pytest.mark.parametrize(
    ("wanted", "spoken"),
    [
        ("es-MX", "es"),
        ("ES", "es"),
        ("de", "en"),
        ("en_GB", "en"),
        ("", "en"),
        ("not a tag", "en"),
        ("esperanto", "en"),
    ],
)
def test_a_reader_gets_the_nearest_of_what_is_offered(wanted: str, spoken: str) -> None:
    assert languages.choose(wanted, ("en", "es")) == spoken
    assert languages.of(wanted).base == spoken
