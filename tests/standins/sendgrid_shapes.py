"""The shape of a mail/send request: every property there is, its type and its limits, as SendGrid publishes them.

After components.requestBodies.PostMailSend of twilio/sendgrid-oai (`tsg_mail_v3`), with what the live service is known
to do otherwise: `custom_args` is an object everywhere, and a property that is not known is refused. Types are JSON's
own: "true" is no boolean and 1.0 no integer. Every fault is told, each with the dotted path of its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

Fault = tuple[str, str | None]  # what is wrong, and where
Shape = Callable[[object, str], Iterator[Fault]]

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
_NAMES = {dict: "object", list: "array", str: "string", int: "integer", float: "number", bool: "boolean"}


def is_address(value: str) -> bool:
    """Whether it is an address in plain ASCII with a domain of at least two labels (RFC 5321 s.4.1.2, 4.5.3.1)."""
    local, at, domain = value.rpartition("@")
    fits = len(local) <= 64 and len(domain) <= 255
    return bool(at and fits and _LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain))


def _within(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def _typed(expected: type) -> Shape:
    def check(value: object, path: str) -> Iterator[Fault]:
        if type(value) is not expected:
            given = _NAMES.get(type(value), "null")
            yield f"Invalid type. Expected: {_NAMES[expected]}, given: {given}.", path

    return check


flag, integer, anything_named = _typed(bool), _typed(int), _typed(dict)


def text(least: int = 0, most: int | None = None) -> Shape:
    """A string with so many characters."""

    def check(value: object, path: str) -> Iterator[Fault]:
        yield from _typed(str)(value, path)
        if isinstance(value, str) and len(value) < least:
            number = "one character" if least == 1 else f"{least} characters"
            yield f"The {path.split('.')[-1]} value must be a string at least {number} in length.", path
        if isinstance(value, str) and most is not None and len(value) > most:
            yield f"The {path.split('.')[-1]} value must have at most {most} characters.", path

    return check


def texts(value: object, path: str) -> Iterator[Fault]:
    """An object whose values are strings."""
    yield from _typed(dict)(value, path)
    for name, one in value.items() if isinstance(value, dict) else ():
        yield from _typed(str)(one, _within(path, name))


def items(shape: Shape, most: int | None = None, *, unique: bool = False) -> Shape:
    """An array of these."""

    def check(value: object, path: str) -> Iterator[Fault]:
        yield from _typed(list)(value, path)
        members = value if isinstance(value, list) else []
        for place, member in enumerate(members):
            yield from shape(member, _within(path, place))
        if most is not None and len(members) > most:
            yield f"The {path} array is limited to {most}. You have provided {len(members)}.", path
        if unique and len({repr(member) for member in members}) < len(members):
            yield f"The members of {path} must be unique.", path

    return check


def fields(known: dict[str, Shape], *required: str) -> Shape:
    """An object with these properties and no others."""

    def check(value: object, path: str) -> Iterator[Fault]:
        yield from _typed(dict)(value, path)
        given = value if isinstance(value, dict) else dict.fromkeys(required)
        for name, one in given.items():
            if name not in known:
                yield f"Additional property {name} is not allowed", _within(path, name)
            elif isinstance(value, dict):
                yield from known[name](one, _within(path, name))
        for name in required:
            if name not in given:
                yield f"The {name} parameter is required.", _within(path, name)

    return check


def address(value: object, path: str) -> Iterator[Fault]:
    """An address in the form that all but recipients have it."""
    yield from fields({"email": text(), "name": text()})(value, path)
    email = value.get("email") if isinstance(value, dict) else None
    if not isinstance(email, str) or not is_address(email):
        yield "Does not contain a valid address.", _within(path, "email")


_recipient = fields({"email": text(), "name": text()})  # whether it is one, rules.py says with `to`
_switch = fields({"enable": flag})
_moment = integer

PERSONALIZATION = fields({
    "from": address,
    "to": items(_recipient),
    "cc": items(_recipient, 1000),
    "bcc": items(_recipient, 1000),
    "subject": text(1),
    "headers": texts,
    "substitutions": texts,
    "dynamic_template_data": anything_named,
    "custom_args": anything_named,
    "send_at": _moment,
})  # fmt: skip

REQUEST = fields({
    "personalizations": items(PERSONALIZATION),
    "from": address,
    "reply_to": address,
    "reply_to_list": items(address, 1000, unique=True),
    "subject": text(1),
    "content": items(fields({"type": text(1), "value": text(1)}, "type", "value")),
    "attachments": items(fields({
        "content": text(1),
        "type": text(1),
        "filename": text(1),
        "disposition": text(),
        "content_id": text(),
    }, "content", "filename")),
    "template_id": text(),
    "headers": texts,
    "categories": items(text(0, 255), 10, unique=True),
    "custom_args": anything_named,
    "send_at": _moment,
    "batch_id": text(),
    "asm": fields({"group_id": integer, "groups_to_display": items(integer, 25)}, "group_id"),
    "ip_pool_name": text(2, 64),
    "mail_settings": fields({
        "bypass_list_management": _switch,
        "bypass_spam_management": _switch,
        "bypass_bounce_management": _switch,
        "bypass_unsubscribe_management": _switch,
        "footer": fields({"enable": flag, "text": text(), "html": text()}),
        "sandbox_mode": _switch,
    }),
    "tracking_settings": fields({
        "click_tracking": fields({"enable": flag, "enable_text": flag}),
        "open_tracking": fields({"enable": flag, "substitution_tag": text()}),
        "subscription_tracking": fields({"enable": flag, "text": text(), "html": text(), "substitution_tag": text()}),
        "ganalytics": fields({
            "enable": flag,
            **dict.fromkeys(("utm_source", "utm_medium", "utm_term", "utm_content", "utm_campaign"), text()),
        }),
    }),
}, "personalizations", "from")  # fmt: skip
