"""Charts as SVG made here: sizes are attributes and colors are classes, since pages carry no styles of their own.

Promises: every chart says its numbers in its label, and reads without color.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

WIDTH, HEIGHT, GAP, LEAST = 720, 30, 2, 6


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
