"""Charts as SVG made here: sizes are attributes and colors are classes, since pages carry no styles of their own.

Promises: every chart says its numbers in its label, and reads without color.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from markupsafe import Markup

from digest.web.console import badges

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


LEVELS = {"fine": "Fine", "look": "Look at this", "fix": "Must be fixed", "unknown": "Not known"}
_LEVEL_MARKS = {"fine": "sent", "look": "paused", "fix": "failed", "unknown": "unsure"}


def level_mark(level: str) -> Markup:
    """The mark of a finding, with its word for those who do not see it."""
    return Markup('{}<span class="unseen">{}: </span>').format(badges.mark(_LEVEL_MARKS[level]), LEVELS[level])


def share_bars(spans: Sequence[tuple[date, date, int, float | None]], limit: float) -> Markup:
    """What failed, span by span (first day, last day, mails, share or too few to tell), with the limit as a line.

    A share beyond twice the limit is drawn that high; its label has the figure.
    """
    width, height, top = 240, 60, max(limit * 2, *(min(share or 0.0, limit * 4) for *_, share in spans))
    wide = width / len(spans)
    drawn, told = [], []
    for n, (first, last, mails, share) in enumerate(spans):
        when = stretch(first, last)
        if not mails:
            continue
        if share is None:
            told.append(f"{when}: {mails:,} mails, too few to tell")
            look, tall = "few", 4.0
        else:
            told.append(f"{when}: {share:.1%} of {mails:,}".replace("%", " %"))
            look, tall = "beyond" if share > limit else "within", max(2.0, min(share / top, 1) * (height - 4))
        rect = Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')
        drawn.append(rect.format(look, n * wide + 1, height - tall, max(2.0, wide - 2), tall))
    at = height - limit / top * (height - 4)
    label = f"Share that failed, limit {limit:.0%}".replace("%", " %") + ". " + ("; ".join(told) or "No mail")
    return Markup(
        '<svg class="shares" role="img" aria-label="{}" width="{}" height="{}" viewBox="0 0 {} {}">{}'
        '<line class="limit" x1="0" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
        '<line class="ground" x1="0" x2="{}" y1="{}" y2="{}"/></svg>'
    ).format(label, width, height, width, height, Markup("").join(drawn), width, at, at, width, height, height)


def stretch(first: date, last: date) -> str:
    """A day, or from one to another, short."""
    return f"{first:%b} {first.day}" if first == last else f"{first:%b} {first.day} to {last:%b} {last.day}"


def day_bars(volumes: Sequence[tuple[date, int | None]], used: int) -> Markup | None:
    """How many mails each coming day allows (None: no limit), and what of the first day's is used; None for no days."""
    if not volumes:
        return None
    most = max(volume or 0 for _, volume in volumes) or 1
    wide, height = 36, 96
    drawn, told = [], []
    for n, (day, volume) in enumerate(volumes):
        tall = height if volume is None else max(2.0, volume / most * (height - 12))
        look = "free" if volume is None else "day"
        rect = Markup('<rect class="{}" x="{}" y="{:.1f}" width="{}" height="{:.1f}"/>')
        drawn.append(rect.format(look, n * wide + 2, height - tall, wide - 4, tall))
        if n == 0 and volume and used:
            part = min(used / volume, 1) * tall
            drawn.append(rect.format("used", 2, height - part, wide - 4, part))
        drawn.append(Markup('<text x="{}" y="{}">{}</text>').format(n * wide + wide / 2, height + 16, day.day))
        allows = "no limit" if volume is None else f"{volume:,}"
        told.append(f"{day:%b} {day.day}: {allows}" + (f", {used:,} used" if n == 0 and volume else ""))
    width = wide * len(volumes)
    return Markup(
        '<svg class="days" role="img" aria-label="{}" width="{}" height="{}" viewBox="0 0 {} {}">{}</svg>'
    ).format("; ".join(told), width, height + 22, width, height + 22, Markup("").join(drawn))
