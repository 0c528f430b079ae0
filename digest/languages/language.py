"""One language as our texts use it: sentences from its catalog, and everything that its locale decides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, lru_cache
from gettext import NullTranslations

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time
from babel.lists import format_list
from babel.numbers import format_decimal

from digest.languages import catalogs

KB, MB = 1_000, 1_000_000

# Spanish says "u" for "o" before the sound of an o; the patterns of CLDR leave that to the program.
_SOUNDS_O = re.compile(r"(?<= )o(?= (?:h?[oó]|8|11\b))", re.IGNORECASE)


@dataclass(frozen=True)
class Language:
    """Words of `catalog`, dates, numbers and lists of `locale`.

    Sentences are gettext's: the English text is the key, a context tells apart what English says alike, and {names}
    in a text are filled from `values`. Without values a text comes as it stands, for those who fill it themselves.
    """

    locale: Locale
    catalog: NullTranslations

    # --- words

    def gettext(self, message: str, **values: object) -> str:
        """`message` in this language."""
        return _filled(self.catalog.gettext(message), values)

    def pgettext(self, context: str, message: str, **values: object) -> str:
        """`message` as it is said in this context."""
        return _filled(self.catalog.pgettext(context, message), values)

    def ngettext(self, one: str, many: str, number: int, **values: object) -> str:
        """The form that this language has for `number`, with {n} as `count` has it."""
        return _filled(self.catalog.ngettext(one, many, number), {"n": self.count(number)} | values)

    # --- what the locale decides

    @property
    def tag(self) -> str:
        """The language tag (BCP 47): en, es-MX."""
        return str(self.locale).replace("_", "-")

    @property
    def base(self) -> str:
        """The language alone: en, es."""
        return str(self.locale.language)

    @property
    def own_name(self) -> str:
        """English, español"""
        return str(self.locale.get_display_name(self.locale) or self.tag)

    def name_in(self, tag: str) -> str:
        """Spanish, for `en`: what another language calls it."""
        return str(self.locale.get_display_name(tag.replace("-", "_")) or self.tag)

    @property
    def direction(self) -> str:
        """ltr or rtl."""
        return str(self.locale.text_direction)

    def count(self, number: int) -> str:
        """`number` in words up to ten, else in digits."""
        return self._numbers[number] if 0 <= number < len(self._numbers) else self.digits(number)

    def digits(self, number: float) -> str:
        """1,250"""
        return str(format_decimal(number, locale=self.locale))

    def long(self, day: date) -> str:
        """September 1, 2026"""
        return str(format_date(day, "long", locale=self.locale))

    def month_day(self, day: date, beside: date) -> str:
        """September 1, with the year when it is not that of `beside`."""
        return self.long(day) if day.year != beside.year else str(format_skeleton("MMMMd", day, locale=self.locale))

    def short(self, day: date, beside: date) -> str:
        """Aug 17, with the year when it is not that of `beside`."""
        skeleton = "MMMd" if day.year == beside.year else "yMMMd"
        return str(format_skeleton(skeleton, day, locale=self.locale))

    def weekday(self, day: int) -> str:
        """Mondays, for 0: a day of the week as it is said of all of them."""
        names = self.pgettext("every week", "Mondays Tuesdays Wednesdays Thursdays Fridays Saturdays Sundays")
        return names.split(" ")[day]

    def hour(self, moment: datetime) -> str:
        """3:38 p.m., by the clock that `moment` shows."""
        shown = str(format_time(moment, "short", locale=self.locale)).replace("\N{NARROW NO-BREAK SPACE}", " ")
        return shown.replace(" AM", "\N{NO-BREAK SPACE}a.m.").replace(" PM", "\N{NO-BREAK SPACE}p.m.")

    def listed(self, names: Sequence[str]) -> str:
        """hiring, detainers and crime"""
        return str(format_list(names, "standard", locale=self.locale))

    def either(self, names: Sequence[str]) -> str:
        """hiring, detainers, or crime"""
        listed = str(format_list(names, "or", locale=self.locale))
        if self.base != "es" or len(names) < 2:
            return listed
        last = len(listed) - len(names[-1]) - len(" o ")
        return listed[:last] + _SOUNDS_O.sub("u", listed[last:], count=1)

    def size(self, size: int) -> str:
        """212 kB, 1.1 MB: decimal units."""
        if size < 999_500:
            return f"{self.digits(max(1, round(size / KB)))} kB"
        return f"{self.digits(round(size / MB, 1))} MB"

    @cached_property
    def _numbers(self) -> list[str]:
        return self.pgettext("zero to ten", "no one two three four five six seven eight nine ten").split()


@lru_cache(maxsize=512)
def of(tag: str) -> Language:
    """The language of a tag such as "es" or "es-MX"; English for one that we do not speak."""
    locale = _settled(tag)
    return Language(locale, catalogs.of(locale.language))


def _settled(tag: str) -> Locale:
    """The locale in which we say things to whoever reads `tag`."""
    tag = tag.strip().replace("_", "-")
    for name in (tag, tag.split("-")[0]):
        try:
            locale = Locale.parse(name, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
        if locale.language in catalogs.known():
            return locale
    return Locale(catalogs.SOURCE)


def choose(wanted: str, offered: Sequence[str]) -> str:
    """The one of the `offered` tags for whoever reads `wanted`: the same, then the nearest, then the first.

    Nearest means the longest beginning of `wanted` (RFC 4647, section 3.4), then any region of the same language.
    """
    parts = wanted.lower().replace("_", "-").split("-")
    by_name = {tag.lower(): tag for tag in reversed(offered)}
    for length in range(len(parts), 0, -1):
        if (found := by_name.get("-".join(parts[:length]))) is not None:
            return found
    return next((tag for tag in offered if tag.lower().split("-")[0] == parts[0]), offered[0])


def _filled(text: str, values: dict[str, object]) -> str:
    return text.format(**values) if values else text
