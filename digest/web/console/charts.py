"""Charts as SVG made here: sizes are attributes and colors are classes, since pages carry no styles of their own.

Promises: every chart says its numbers in its label, and reads without color.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from markupsafe import Markup

WIDTH, HEIGHT, GAP, LEAST = 720, 30, 2, 6
DAY = 22  # how wide a day is on a strip
NAMES = {"D": "daily", "W": "weekly", "M": "monthly", "L": "letter"}


def stacked_bar(parts: Sequence[tuple[str, str, int]]) -> Markup:
    """A bar of parts (class, word, number): each in its share, the small ones still to be seen."""
    told = [part for part in parts if part[2]]
    total = sum(number for _, _, number in told)
    label = ", ".join(f"{number:,} {word}" for _, word, number in told) or "nothing yet"
    room = WIDTH - GAP * max(0, len(told) - 1)
    small = [part for part in told if part[2] / total * room < LEAST]
    rest = total - sum(number for _, _, number in small)
    drawn, x = [], 0.0
    for look, word, number in told:
        width = LEAST if (look, word, number) in small else number / rest * (room - LEAST * len(small))
        drawn.append(Markup('<rect class="{}" x="{:.1f}" width="{:.1f}" height="{}"/>').format(look, x, width, HEIGHT))
        x += width + GAP
    return Markup(
        '<svg class="bar" role="img" aria-label="{}" viewBox="0 0 {} {}" preserveAspectRatio="none">'
        '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect class="unsure-ground" width="6" height="6"/><rect class="unsure-line" width="3" height="6"/></pattern>'
        '<pattern id="dots" width="6" height="6" patternUnits="userSpaceOnUse">'
        '<rect class="skipped-ground" width="6" height="6"/><circle class="skipped-dot" cx="3" cy="3" r="1.2"/>'
        "</pattern></defs>{}</svg>"
    ).format(label, WIDTH, HEIGHT, Markup("").join(drawn))


def sparkline(values: Sequence[int], label: str) -> Markup:
    """A line without axes, 240 by 44, with a dot on the last value; `label` says what it shows, in numbers."""
    width, height, margin = 240, 44, 5
    low, high = min(values), max(values)
    step = (width - 2 * margin) / max(1, len(values) - 1)
    rise = (height - 2 * margin) / max(1, high - low)
    points = [(margin + n * step, height - margin - (value - low) * rise) for n, value in enumerate(values)]
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return Markup(
        '<svg class="spark" role="img" aria-label="{}" width="{}" height="{}" viewBox="0 0 {} {}">'
        '<polyline points="{}"/><circle cx="{:.1f}" cy="{:.1f}" r="4"/></svg>'
    ).format(label, width, height, width, height, drawn, *points[-1])


def calendar_strip(days: Sequence[tuple[date, Sequence[str]]], today: date) -> Markup:
    """Days side by side, 22 wide, with a letter for each run: weekends are sunken, today is outlined."""
    drawn, months = [], []
    for n, (day, letters) in enumerate(days):
        x = n * DAY
        look = "today" if day == today else "weekend" if day.weekday() > 4 else "day"
        drawn.append(Markup('<rect class="{}" x="{}" y="20" width="{}" height="56"/>').format(look, x, DAY))
        drawn.append(Markup('<text class="number" x="{}" y="36">{}</text>').format(x + DAY / 2, day.day))
        if n == 0 or day.day == 1:
            months.append(Markup('<text class="month" x="{}" y="13">{}</text>').format(x + 2, f"{day:%b}"))
        for row, letter in enumerate(letters[:2]):
            y = 42 + 17 * row
            drawn.append(Markup('<rect class="run {}" x="{}" y="{}" width="18" height="16"/>').format(letter, x + 2, y))
            drawn.append(Markup('<text class="letter" x="{}" y="{}">{}</text>').format(x + DAY / 2, y + 12, letter))
    told = [f"{day:%B} {day.day}: {', '.join(NAMES[one] for one in letters)}" for day, letters in days if letters]
    label = "; ".join(told) or "Nothing is planned"
    width = DAY * len(days)
    return Markup(
        '<svg class="strip" role="img" aria-label="{}" width="{}" height="80" viewBox="0 0 {} 80">{}{}</svg>'
    ).format(label, width, width, Markup("").join(months), Markup("").join(drawn))
