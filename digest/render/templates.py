"""The mail templates of `templates/email/`: everything is escaped unless it says otherwise, nothing undefined passes.

Promises: a finished page carries the dark and narrow rules in its head untouched (premailer would drop half of them)
and a padded preheader, so that no other text leaks into the inbox's preview line.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from digest.render import inlining
from digest.render.shapes import Shell
from digest.render.words import Words

FOLDER = Path(__file__).resolve().parents[2] / "templates" / "email"

DAY, NIGHT = "#0B5663", "#7CC9D6"  # the accents as the style sheets have them

_PADDING = "&#847;&zwnj;&nbsp;" * 40
_PREHEADER = "@@:preheader@@"


@cache
def environment() -> Environment:
    """The one Jinja2 environment of mails."""
    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )


def css(name: str, shell: Shell) -> str:
    """The style sheet `name` of the folder, in the colors of the site."""
    return _css(name, shell.accent, shell.accent_dark)


@cache
def _css(name: str, day: str, night: str) -> str:
    text = (FOLDER / name).read_text(encoding="utf-8")
    return text.replace(DAY, day or DAY).replace(NIGHT, night or NIGHT)


def render(name: str, words: Words, **values: Any) -> str:
    """The template `name`, filled; not yet inlined."""
    start = "left" if words.direction == "ltr" else "right"
    return environment().get_template(name).render(words=words, start=start, **values)


def piece(name: str, *values: Any) -> str:
    """The macro `name` of the small pieces."""
    module: Any = environment().get_template("pieces.html").module
    return str(getattr(module, name)(*values)).strip()


def page(name: str, shell: Shell, words: Words, **values: Any) -> str:
    """A whole mail from template `name`, inlined, with the rules in its head; `@@:...@@` marks stay as they are."""
    rule = Markup(piece("double_rule"))  # noqa: S704  # our own template
    html = render(name, words, shell=shell, double_rule=rule, preheader=_PREHEADER, **values)
    whole = inlining.page(html, css("mail.css", shell))
    whole = whole.replace("</head>", f"<style>\n{css('head.css', shell)}</style>\n</head>", 1)
    return whole.replace(_PREHEADER, _PREHEADER + _PADDING, 1)
