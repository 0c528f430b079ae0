"""The words of a mail's shell, one table per language, and how dates, numbers and sizes are written.

Promises: every word that a reader sees and no author wrote stands here, so a language is added by adding a table;
a language without one falls back to English, words and dates alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.lists import format_list
from babel.numbers import format_decimal

KB, MB = 1_000, 1_000_000


@dataclass(frozen=True)
class Words:
    """One language. Pairs are (for one, for many); `numbers` are zero, one, two ... in words."""

    language: str
    numbers: tuple[str, ...]
    small: frozenset[str]  # words at which no shortened title may end
    labels: Mapping[str, str]  # by cadence, to stand before a date
    digests: Mapping[str, str]  # by cadence, inside a sentence
    quoted: str
    and_more: tuple[str, str]
    new: tuple[str, str]
    updates: tuple[str, str]
    both: str
    summary: str
    summary_since: str
    minutes: tuple[str, str]
    updated: str
    first_sent: str
    changed_on: str
    changed: str
    by: str
    read: str
    read_plain: str
    pdf: str
    also: str
    more_online: tuple[str, str]
    reason: str
    sent_to: str
    fewer: str
    change: str
    unsubscribe: str
    on_web: str
    mail_label: str
    letter_from: str
    letter_reason: str
    letter_people: tuple[str, str]
    letter_apart: str

    @property
    def locale(self) -> Locale:
        return Locale.parse(self.language)

    @property
    def direction(self) -> str:
        return self.locale.text_direction

    def count(self, number: int) -> str:
        """`number` in words while there are words for it, else in digits."""
        return self.numbers[number] if number < len(self.numbers) else self.digits(number)

    def digits(self, number: float) -> str:
        return str(format_decimal(number, locale=self.locale))

    def plural(self, forms: tuple[str, str], number: int, shown: str = "") -> str:
        """The form for `number`, with {n} filled in."""
        return forms[number != 1].format(n=shown or self.count(number))

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

    def either(self, names: Sequence[str]) -> str:
        """hiring, detainers, or crime"""
        return str(format_list(names, "or", locale=self.locale))

    def size(self, size: int) -> str:
        """212 kB, 1.1 MB: decimal units."""
        if size < 999_500:
            return f"{self.digits(max(1, round(size / KB)))} kB"
        return f"{self.digits(round(size / MB, 1))} MB"


ENGLISH = Words(
    language="en",
    numbers=("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    small=frozenset(
        {"a", "an", "and", "at", "but", "by", "for", "from", "in", "into", "of", "on", "or", "the", "to", "under"}
        | {"vs", "with", "without"}
    ),
    labels={
        "instant": "Alert",
        "daily": "Daily digest",
        "weekly": "Weekly digest",
        "monthly": "Monthly digest",
    },
    digests={
        "instant": "alerts",
        "daily": "daily digest",
        "weekly": "weekly digest",
        "monthly": "monthly digest",
    },
    quoted="“{text}”",
    and_more=("{title}, and one more", "{title}, and {n} more"),
    new=("{n} new item", "{n} new items"),
    updates=("{n} update", "{n} updates"),
    both="{new} and {updates}",
    summary="{what} in your topics.",
    summary_since="{what} in your topics since {day}.",
    minutes=("About {n} minute of reading.", "About {n} minutes of reading."),
    updated="Updated",
    first_sent="first sent {day}",
    changed_on="Changed on {day}:",
    changed="Changed:",
    by="By {names}",
    read="Read {title}",
    read_plain="Read",
    pdf="PDF, {size}",
    also="More in your topics",
    more_online=("and {n} more online", "and {n} more online"),
    reason="You get this because you asked for the {digest} on {asked}.",
    sent_to="Sent to {masked}.",
    fewer="Fewer, please",
    change="Change topics or how often",
    unsubscribe="Unsubscribe",
    on_web="Read this digest on the web",
    mail_label="{label} of {site}",
    letter_from="A letter from {name}",
    letter_reason="You get this letter because you asked for {what} on {asked}.",
    letter_people=("It goes to {n} person.", "It goes to {n} people."),
    letter_apart="Your digest is not affected.",
)

WORDS = {words.language: words for words in (ENGLISH,)}


def of(language: str) -> Words:
    """The words of `language` (a tag such as "en" or "en-US"), or the English ones."""
    return WORDS.get(language.split("-")[0].lower(), ENGLISH)
