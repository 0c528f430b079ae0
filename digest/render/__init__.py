"""Shell and entries become variants: subject, HTML and text with slots; sizes are kept in budget.

Promises: the shell and each entry are inlined once per edition and language, a variant is only a join of them; the
HTML of a variant stays under `budget.LIMIT` bytes as sent; no foreign text can forge a slot or end a header line.
Refuses: to decide which entries a reader gets, or in which order. What belongs to one person is a slot, see
`shapes.SLOTS`; `digest.delivery.message` fills them.
"""

from __future__ import annotations

from digest.render.letters import CADENCE as LETTER
from digest.render.letters import counted, letter
from digest.render.notices import Button, notice
from digest.render.press import Press, Welcome
from digest.render.shapes import SLOTS, Call, EntryView, Opening, Rendered, Shell, clean, slot

__all__ = [
    "LETTER",
    "SLOTS",
    "Button",
    "Call",
    "EntryView",
    "Opening",
    "Press",
    "Rendered",
    "Shell",
    "Welcome",
    "clean",
    "counted",
    "letter",
    "notice",
    "slot",
]
