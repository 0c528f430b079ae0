"""Reads the gettext catalogs that lie beside this file.

Promises: each is read once per process, when it is first asked for, straight from its .po file, so that nothing must
be compiled when we are installed; plurals follow the `Plural-Forms` of the catalog; entries marked fuzzy are not used.
"""

from __future__ import annotations

from functools import cache
from gettext import NullTranslations
from importlib.resources import files
from io import BytesIO

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

SOURCE = "en"  # the language of the text in the code

_FOLDER = files(__package__)


@cache
def known() -> frozenset[str]:
    """The languages that we speak, as codes without a region."""
    names = (entry.name for entry in _FOLDER.iterdir())
    return frozenset([SOURCE, *(name.removesuffix(".po") for name in names if name.endswith(".po"))])


@cache
def of(code: str) -> NullTranslations:
    """The catalog of a language that is known; that of the source gives back what it is asked."""
    if code == SOURCE:
        return NullTranslations()
    with (_FOLDER / f"{code}.po").open("rb") as file:
        catalog = read_po(file, locale=code, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return Translations(compiled)
