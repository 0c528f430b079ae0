"""The sentence that somebody agrees to who asks for mail, in each language: the program's own, or the publisher's.

Promises: it is the same beside the button and in the proof; `{organization}` in it is the publisher's name. Pure.
"""

from __future__ import annotations

from digest.config import Settings
from digest.languages import Language

NAME = "{organization}"


def sentence(say: Language, settings: Settings, own: str | None = None) -> str:
    """The sentence in this language, with the name in it; `own` instead of what the settings have."""
    text = settings.sign_up.consent.get(say.tag, "") if own is None else own
    name = settings.site.organization or settings.site.name
    return (text or _standing(say)).replace(NAME, name)


def _standing(say: Language) -> str:
    return say.gettext(
        "By pressing the button you ask {organization} to e-mail you what you chose above. Your address is used for "
        "nothing else.",
        organization=NAME,
    )
