"""What SendGrid refuses of a mail/send request beyond its shape, in the service's own words where they are known.

Sources: the pages "Errors" and "Limitations" of the v3 Mail Send reference, and live answers quoted in the issues of
sendgrid's client libraries. All faults of a request are found; there is no partial acceptance. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tests.standins.sendgrid_shapes import REQUEST, Fault, is_address

LARGEST = 30_000_000  # bytes, "The total message size should not exceed 30MB"
RESERVED = {
    "x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding", "to", "from",
    "subject", "reply-to", "cc", "bcc",
}  # fmt: skip
DAYS_AHEAD = 72 * 3600


def faults(request: object, *, now: float, batches: Collection[str] = ()) -> list[Fault]:
    """All that is wrong with it, `now` in seconds of Unix time; `batches` are the batch ids that were given out."""
    found = list(REQUEST(request, ""))
    if isinstance(request, dict):
        for rule in (_people, _addressing, _content, _sending):
            found += rule(request)
        found += _times(request, now)
        batch = request.get("batch_id")
        if isinstance(batch, str) and batch not in batches:
            found.append(("The batch_id is not valid.", "batch_id"))
    return list(dict.fromkeys(found))


def merged(request: Mapping[str, Any], person: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object that may stand above and in a personalization: that of the personalization wins."""
    return {**_object(request.get(name)), **_object(person.get(name))}


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    return [_object(one) for one in value] if isinstance(value, list) else []


def _people(request: dict[str, Any]) -> Iterator[Fault]:
    people = _objects(request.get("personalizations"))
    if not people:
        yield "You must have at least one personalization.", "personalizations"
    if len(people) > 1000:
        yield (
            "The personalization block is limited to 1000 personalizations per API request. You have provided "
            f"{len(people)} personalizations.",
            "personalizations",
        )
    if sum(len(_objects(person.get(kind))) for person in people for kind in ("to", "cc", "bcc")) > 1000:
        yield "There is a limit of 1000 total recipients (to + cc + bcc) per request.", "personalizations"
    for place, person in enumerate(people):
        yield from _recipients(person, f"personalizations.{place}")
        yield from _own(request, person, f"personalizations.{place}")


def _recipients(person: dict[str, Any], path: str) -> Iterator[Fault]:
    seen: set[str] = set()
    for kind in ("to", "cc", "bcc"):
        people = _objects(person.get(kind))
        valid = all(isinstance(one.get("email"), str) and is_address(one["email"]) for one in people)
        if kind == "to" and not (people and valid):
            yield (
                "The to array is required for all personalization objects, and must have at least one email object "
                "with a valid email address.",
                f"{path}.to",
            )
        elif not valid:
            yield f"The {kind} array must have email objects with valid email addresses.", f"{path}.{kind}"
        for place, one in enumerate(people):
            if isinstance(one.get("name"), str) and set(one["name"]) & set(";,"):
                yield "The name must not contain ; or ,", f"{path}.{kind}.{place}.name"
            address = str(one.get("email")).lower()
            if address in seen:
                yield (
                    "Each email address in the personalization block should be unique between to, cc, and bcc. We "
                    f"found the first duplicate instance of [{address}] in the {path}.{kind} field.",
                    None,
                )
            seen.add(address)


def _own(request: dict[str, Any], person: dict[str, Any], path: str) -> Iterator[Fault]:
    """What differs from reader to reader."""
    yield from _headers(person, f"{path}.headers")
    substitutions = _object(person.get("substitutions"))
    if len(substitutions) > 10_000:
        yield "There is a limit of 10000 substitutions per personalization block.", f"{path}.substitutions"
    if sum(len(f"{name}{value}".encode("utf-8", "replace")) for name, value in substitutions.items()) > 10_000:
        yield "The substitutions are limited to 10000 bytes per personalization block.", f"{path}.substitutions"
    dynamic = _is_dynamic(request)
    if substitutions and dynamic:
        yield "Substitutions may not be used with dynamic templating", f"{path}.substitutions"
    if "dynamic_template_data" in person and not dynamic:
        yield "dynamic_template_data needs a template_id of a dynamic template.", f"{path}.dynamic_template_data"
    if len(json.dumps(merged(request, person, "custom_args")).encode()) >= 10_000:
        yield "The custom_args are limited to 10000 bytes.", f"{path}.custom_args"
    if not person.get("subject") and not request.get("subject") and not request.get("template_id"):
        yield (
            "The subject is required. You can get around this requirement if you use a template with a subject "
            "defined or if every personalization has a subject defined.",
            "subject",
        )


def _headers(within: dict[str, Any], path: str) -> Iterator[Fault]:
    for name, value in _object(within.get("headers")).items():
        if name.lower() in RESERVED:
            yield f"The header {name} is reserved and may not be set.", f"{path}.{name}"
        if not name or not name.isascii() or not name.isprintable() or set(name) & set(" :"):
            yield "A header's name must be printable ASCII without spaces and colons.", f"{path}.{name}"
        if isinstance(value, str) and any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
            yield "A header's value must not contain control characters.", f"{path}.{name}"


def _addressing(request: dict[str, Any]) -> Iterator[Fault]:
    yield from _headers(request, "headers")
    name = _object(request.get("from")).get("name")
    if isinstance(name, str) and not name.isascii():
        yield "Unicode encoding is not supported for the from field.", "from.name"
    if "reply_to" in request and "reply_to_list" in request:
        yield "Only one of reply_to and reply_to_list may be given.", "reply_to"


def _is_dynamic(request: dict[str, Any]) -> bool:
    return str(request.get("template_id") or "").startswith("d-")


def _content(request: dict[str, Any]) -> Iterator[Fault]:
    content = _objects(request.get("content"))
    if not content and not request.get("template_id"):
        yield (
            "Unless a valid template_id is provided, the content parameter is required. There must be at least one "
            "defined content block.",
            "content",
        )
    kinds = [part.get("type") for part in content]
    wanted = [kind for kind in ("text/plain", "text/html") if kind in kinds]
    if kinds[: len(wanted)] != wanted or len(set(map(str, kinds))) < len(kinds):
        yield (
            "Following RFC 1341, section 7.2, if either text/html or text/plain are to be sent in your email: "
            "text/plain needs to be first, followed by text/html, followed by any other content.",
            "content",
        )
    for place, attachment in enumerate(_objects(request.get("attachments"))):
        if attachment.get("disposition", "attachment") not in ("inline", "attachment"):
            yield "The disposition must be inline or attachment.", f"attachments.{place}.disposition"


def _sending(request: dict[str, Any]) -> Iterator[Fault]:
    settings = _object(request.get("mail_settings"))
    on = {name for name, setting in settings.items() if _object(setting).get("enable") is True}
    others = {f"bypass_{what}_management" for what in ("spam", "bounce", "unsubscribe")}
    if "bypass_list_management" in on and on & others:
        yield "bypass_list_management cannot be combined with other bypass settings.", "mail_settings"


def _times(request: dict[str, Any], now: float) -> Iterator[Fault]:
    places = [("", request)]
    places += [(f"personalizations.{n}.", one) for n, one in enumerate(_objects(request.get("personalizations")))]
    for path, within in places:
        moment = within.get("send_at")
        if isinstance(moment, int) and moment > now + DAYS_AHEAD:
            yield "Scheduling more than 72 hours in advance is forbidden.", f"{path}send_at"
