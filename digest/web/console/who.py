"""Who gets a mail, in the open: the sum, a bar, and tables whose numbers lead to the people behind them.

Promises: the parts of the sum add up; each table says what it counts; a number is a link where those people can be
listed, and plain where they cannot. Pure: it is given what was counted. Serves editions and letters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from digest import languages
from digest.web import look
from digest.web.console import charts, frame
from subscribers import explaining
from subscribers.letter_reach import NOT_MEANT, LetterReach
from subscribers.reach import Part, Reach

SHADES = ("s1", "s2", "s3", "s4", "skipped")  # of the bar; what is left over shares the last one
OFTEN = {"instant": "at once", "daily": "daily", "weekly": "weekly", "monthly": "monthly"}
# As a part of the sum: "21 are left out: 9 have paused".
_LEFT_OUT = {
    "no topics": ("has nothing new in their topics", "have nothing new in their topics"),
    "paused": ("has paused", "have paused"),
    "suppressed": ("is on the do-not-mail list", "are on the do-not-mail list"),
    "alert cap": ("has had the alerts of the day", "have had the alerts of the day"),
    NOT_MEANT: ("is not among those it is for", "are not among those it is for"),
}
# As a row of a table.
_REASONS = {NOT_MEANT: "Not among those it is for", "paused": "Paused"}


@dataclass(frozen=True)
class Row:
    """One line of a table; `link` leads to these people, if anything does."""

    words: str
    people: int
    link: str = ""


@dataclass(frozen=True)
class Table:
    """Some of the people, by one thing."""

    head: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Shade:
    """One part of the bar, in words."""

    look: str
    words: str


@dataclass(frozen=True)
class Who:
    """Everything that is said of who gets it."""

    sentence: str
    total: int
    gets: int
    left_out: int
    bar: Markup
    legend: tuple[Shade, ...]
    tables: tuple[Table, ...]


def of_edition(found: Reach, topic_names: Mapping[str, str], path: str, **kept: object) -> Who:
    """Of an edition; below `path` lie the lists of people."""

    def table(head: str, name: str, words: Callable[[Any], str], order: Iterable[Any] | None = None) -> Table:
        counted = getattr(found, name)
        values = order if order is not None else [value for value, _ in counted.most_common()]
        return Table(head, tuple(Row(words(v), counted[v], _list(path, Part(name, v), kept)) for v in values))

    items = sorted(found.by_items, reverse=True)
    parts = [(f"get {n} {'item' if n == 1 else 'items'} each", found.by_items[n]) for n in items]
    return Who(
        sentence=sentence(found.gets, found.left_out),
        total=found.total,
        gets=found.gets,
        left_out=found.left_out.total(),
        **_drawn(parts),
        tables=(
            table("Left out because", "left_out", reason),
            table("Topic", "by_topic", lambda topic: topic_names.get(topic, topic)),
            table("Items each", "by_items", str, items),
            table("How often they hear from us", "by_often", often),
            table("Language of the mail", "by_language", language),
        ),
    )


def of_letter(found: LetterReach, topic_names: Mapping[str, str]) -> Who:
    """Of a letter."""

    def table(head: str, counted: Mapping[str, int], words: Callable[[str], str]) -> Table:
        ranked = sorted(counted.items(), key=lambda one: (-one[1], one[0]))
        return Table(head, tuple(Row(words(value), people) for value, people in ranked))

    return Who(
        sentence=sentence(found.gets, found.left_out),
        total=found.total,
        gets=found.gets,
        left_out=found.left_out.total(),
        **_drawn([("get it", found.gets), ("left out", found.left_out.total())], ("s1", "skipped")),
        tables=(
            table("Left out because", found.left_out, reason),
            table("Topic they take", found.by_topic, lambda topic: topic_names.get(topic, topic)),
            table("How often they hear from us", found.by_often, often),
            table("Language of the mail", found.by_language, language),
        ),
    )


def sentence(gets: int, left_out: Mapping[str, int]) -> str:
    """Goes to 774 people. 37 are left out: 21 have nothing new in their topics, ..."""
    goes = f"Goes to {gets:,} {'person' if gets == 1 else 'people'}."
    total = sum(left_out.values())
    if not total:
        return goes
    ranked = sorted(left_out.items(), key=lambda one: (-one[1], one[0]))
    parts = [f"{number:,} {_LEFT_OUT.get(code, (code, code))[number != 1]}" for code, number in ranked]
    return f"{goes} {total:,} {'is' if total == 1 else 'are'} left out: {', '.join(parts)}."


def reason(code: str) -> str:
    """Why somebody is left out, as a row of a table."""
    return _REASONS.get(code) or look.label(explaining.reason(code))


def often(cadences: str) -> str:
    """How often somebody chose to get mail: "At once and weekly"."""
    return look.label(" and ".join(OFTEN[cadence] for cadence in cadences.split())) or "Never"


def language(tag: str) -> str:
    """A language as the console calls it."""
    return languages.of(tag).name_in(frame.LANGUAGE)


def words(part: Part, topic_names: Mapping[str, str]) -> str:
    """Whom a list shows, after "People who ..."."""
    said: dict[str, Callable[[], str]] = {
        "left_out": lambda: f"are left out: {explaining.reason(str(part.value))}",
        "by_items": lambda: f"get {part.value} {'item' if part.value == 1 else 'items'}",
        "by_topic": lambda: f"get something on {topic_names.get(str(part.value), part.value)}",
        "by_often": lambda: f"get it, and hear from us {often(str(part.value)).lower()}",
        "by_language": lambda: f"get it in {language(str(part.value))}",
        "by_entry": lambda: "get this item",
    }
    return said[part.name]()


def _list(path: str, part: Part, kept: Mapping[str, object]) -> str:
    return look.address(f"{path}/people", **kept, by=part.name, value=part.value)


def _drawn(parts: list[tuple[str, int]], shades: tuple[str, ...] = SHADES) -> dict[str, Any]:
    """The bar and its legend; what is beyond the last shade is one."""
    if len(parts) > len(shades):
        rest = sum(people for _, people in parts[len(shades) - 1 :])
        parts = [*parts[: len(shades) - 1], ("get fewer", rest)]
    drawn = [(shade, words, people) for shade, (words, people) in zip(shades, parts, strict=False) if people]
    legend = tuple(Shade(shade, f"{look.label(words)}: {people:,}") for shade, words, people in drawn)
    return {"bar": charts.stacked_bar(drawn), "legend": legend}
