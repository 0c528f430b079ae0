"""What owners may set of the installation in the console, and how their words are read. Pure.

Promises: a setting has one spelling, in which it is shown, compared and typed (`texts`); what cannot be read is refused
with its key, what was typed and what it may be. Refuses: what would hand the machine to whoever holds a browser, such
as paths of files that hold secrets, code that carries mail, or networks that count as trusted: those are for the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from digest import markup, rules
from digest.config import Settings, StaffSection
from digest.errors import BadInput

Texts = Mapping[str, str]  # settings by key, as they are typed

CALLS, CONSENT = "site.calls_to_action", "sign_up.consent"
SMTP = tuple(
    f"transport.smtp.{name}" for name in ("host", "port", "security", "username", "connections", "envelope_domain")
)
SENDGRID = ("transport.sendgrid.region", "transport.sendgrid.webhook_public_keys")
STAFF = tuple(f"staff.{name}" for name in StaffSection.model_fields)


def texts(settings: Settings, keys: Iterable[str]) -> dict[str, str]:
    """These settings as they would be typed."""
    return {key: _text(key, _value(settings, key)) for key in keys}


def understand(key: str, text: str) -> Any:
    """The plain value that is typed for a setting, as the file holds it. Raises BadInput naming the key."""
    return (_READERS.get(key) or _reader(field(key)))(key, text.strip())


def field(key: str) -> FieldInfo:
    """What is known of a setting."""
    model: type[BaseModel] = Settings
    *sections, name = key.split(".")
    for section in sections:
        inner = model.model_fields[section].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            raise KeyError(key)
        model = inner
    return model.model_fields[name]


def choices(key: str) -> tuple[str, ...]:
    """What a setting may be, where it is one of a few."""
    annotation = field(key).annotation
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def mark(value: object) -> str:
    """Stands for what a page showed, to tell whether it is still so."""
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=12).hexdigest()


# --- as text ---------------------------------------------------------------------------------------------------


def _value(settings: Settings, key: str) -> Any:
    found: Any = settings
    for part in key.split("."):
        found = getattr(found, part)
    return found


def _text(key: str, value: Any) -> str:
    if key == CALLS:
        return json.dumps([call.model_dump() for call in value])
    if key == CONSENT:
        return json.dumps(value)
    if key == "site.languages":
        return ", ".join(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return "\n".join(f"{name} = {rate:g}" for name, rate in value.items())
    if isinstance(value, tuple):
        return "\n".join(f"{one[0]}: {one[1]}" if isinstance(one, tuple) else str(one) for one in value)
    return str(value)


# --- as it is read ---------------------------------------------------------------------------------------------


def _reader(known: FieldInfo) -> Callable[[str, str], Any]:
    annotation: Any = known.annotation
    if get_origin(annotation) is Literal:
        return lambda key, text: _one_of(key, text, get_args(annotation))
    if annotation is bool:
        return rules.yes
    if annotation in (int, float):
        return lambda key, text: _number(key, text, known)
    if get_origin(annotation) is tuple:
        return _lines
    return _line


def _line(key: str, text: str) -> str:
    return markup.line(text)


def _lines(key: str, text: str) -> list[str]:
    return [one for one in (markup.line(part) for part in text.replace(",", "\n").split("\n")) if one]


def _one_of(key: str, text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise BadInput(key, f"{text[:20]!r} is none of these.", f"Choose one: {', '.join(known)}.")
    return text


def _number(key: str, text: str, known: FieldInfo) -> int | float:
    least = next((limit.ge for limit in known.metadata if hasattr(limit, "ge")), 0)
    most = next((limit.le for limit in known.metadata if hasattr(limit, "le")), 1_000_000)
    try:
        found: int | float = int(text) if known.annotation is int else float(text)
        fits = text.isascii() and least <= found <= most
    except ValueError:
        fits = False
    if not fits:
        kind = "a whole number" if known.annotation is int else "a number"
        raise BadInput(key, f"{text[:20]!r} does not fit.", f"Write {kind} from {least} to {most}.")
    return found


def _name(key: str, text: str) -> str:
    if not (name := markup.line(text)):
        raise BadInput(key, "It is empty.", "Write the name that readers see.")
    return name


def _maybe_address(key: str, text: str) -> str:
    return rules.address(key, text) if text else ""


def _site_address(key: str, text: str) -> str:
    try:
        parts = urlsplit(text) if text.isprintable() and " " not in text else None
    except ValueError:  # brackets that hold no address
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise BadInput(key, f"{text[:60]!r} is no address of a site.", "Write one such as https://news.example.org.")
    return text.rstrip("/")


def _language(key: str, text: str) -> str:
    return rules.languages(key, text)[0]


def _domains(key: str, text: str) -> list[str]:
    return [one.lower().lstrip("@") for one in _lines(key, text)]


def _addresses(key: str, text: str) -> list[str]:
    return [rules.address(key, one) for one in _lines(key, text)]


def _rates(key: str, text: str) -> dict[str, float]:
    found = {}
    for one in filter(None, (markup.line(part) for part in text.split("\n"))):
        name, sign, rate = (part.strip() for part in one.partition("="))
        try:
            found[name.lower()] = float(rate)
            fits = bool(name and sign) and 0 < found[name.lower()] <= 1_000_000
        except ValueError:
            fits = False
        if not fits:
            raise BadInput(key, f"{one[:40]!r} does not fit.", "Write a line such as gmail.com = 20.")
    return found


def _steps(key: str, text: str) -> list[list[int]]:
    found: list[list[int]] = []
    for one in filter(None, (markup.line(part) for part in text.split("\n"))):
        day, sign, most = (part.strip() for part in one.partition(":"))
        if not (sign and day.isascii() and day.isdigit() and most.isascii() and most.isdigit() and len(one) < 20):
            raise BadInput(key, f"{one[:40]!r} does not fit.", "Write a line such as 1: 200, a day and its mails.")
        found.append([int(day), int(most)])
    return found


def _hours(key: str, text: str) -> str:
    first, dash, last = text.replace(" ", "").partition("-")
    if text and not (dash and first.isdecimal() and last.isdecimal() and int(first) < int(last) <= 24):
        raise BadInput(key, f"{text[:20]!r} does not fit.", "Write two hours of a day such as 8-20, or nothing.")
    return text.replace(" ", "")


def _color(key: str, text: str) -> str:
    digits = text.lower().removeprefix("#")
    if text and (len(digits) != 6 or digits.strip("0123456789abcdef")):
        raise BadInput(key, f"{text[:20]!r} is no color.", "Write six digits such as #0b5663, or nothing.")
    return f"#{digits}" if text else ""


def _kept(key: str, text: str) -> Any:
    return json.loads(text)


_READERS: dict[str, Callable[[str, str], Any]] = {
    "site.name": _name,
    "site.url": _site_address,
    "site.time_zone": rules.zone,
    "site.language": _language,
    "site.languages": rules.languages,
    "site.questions_to": _maybe_address,
    "site.staff_to": _maybe_address,
    "site.press_contact": _maybe_address,
    "transport.only_to": _addresses,
    "sign_up.refused_domains": _domains,
    "pace.per_domain": _rates,
    "pace.warm_up": _steps,
    "pace.hours": _hours,
    "looks.accent": _color,
    "looks.accent_dark": _color,
    CALLS: _kept,
    CONSENT: _kept,
}
