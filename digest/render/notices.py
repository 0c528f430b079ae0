"""A mail about one affair in the same shell: a test's banner, a notice to staff. No slots, no ways out of a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from digest.render import plain, templates
from digest.render import words as wording
from digest.render.shapes import Rendered, Shell, address, clean, tidied


@dataclass(frozen=True)
class Button:
    """What there is to do; `link` may be relative to the site."""

    label: str
    link: str


def notice(
    shell: Shell,
    *,
    subject: str,
    heading: str,
    paragraphs: Sequence[str],
    button: Button | None = None,
    after: Sequence[str] = (),
    label: str = "",
    why: str = "",
    language: str = "en",
) -> Rendered:
    """The mail with these words, which are plain text: `after` stands below the button, `why` says why it comes."""
    shell, words = tidied(shell), wording.of(language)
    subject, heading, label, why = clean(subject), clean(heading), clean(label), clean(why)
    paragraphs, after = [clean(paragraph) for paragraph in paragraphs], [clean(paragraph) for paragraph in after]
    if button:
        button = Button(clean(button.label), address(button.link, shell.site_url))
    html = templates.page(
        "notice.html",
        shell,
        words,
        subject=subject,
        heading=heading,
        label=heading,
        label_line=label,
        paragraphs=paragraphs,
        button=button,
        ground=shell.accent or templates.DAY,
        after=after,
        why=why,
    ).replace("@@:preheader@@", "")
    blocks = [plain.head(shell, label), plain.title(heading), *map(plain.fold, paragraphs)]
    blocks += [plain.link(button.label, button.link)] if button else []
    blocks += map(plain.fold, after)
    return Rendered(subject, html, "\n\n".join([*blocks, plain.foot(shell, words, own=why)]))
