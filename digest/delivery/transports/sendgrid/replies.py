"""What a reply of SendGrid means, and what it means that none came.

Promises: accepted is only what the service has named (202 with its id); what was refused as a whole was accepted in no
part, so the others of a request may be asked for again; whatever leaves a doubt is unsure, for all of the request and
never asked for again. Texts are kept as they came, on one line, without anything that looks like a key. Pure.

Codes of receipts: the status, with a word where one status says several things ("401 credits", "400 reader"); or
"connect", "certificate", "no answer", "too large".
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import orjson

from digest.delivery.transports.base import Answer, Receipt
from digest.render.shapes import clean

LONGEST = 500  # letters of a text that is kept
WAIT = 30.0  # seconds after a 429 that names no moment
WAITS = (1.0, 300.0)  # the shortest and the longest wait that is believed

_NAMED = re.compile(r"personalizations\W(\d{1,4})\b(?:\W+(\S+))?")
_KEY = re.compile(r"SG\.[\w.-]+")


@dataclass(frozen=True)
class Reply:
    """A status line and what came after it: names of headers in small letters; `cut` when the body ended early."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: bool = False


@dataclass(frozen=True)
class Meaning:
    """What became of a request.

    `named` are answers for some of its readers, by their place in it, `receipt` is everyone else's. Nothing was
    accepted, and the others are asked for again at once, when `again` (without the named) or `halve` (in two requests)
    is set. For `pause` seconds no request may begin.
    """

    receipt: Receipt
    named: Mapping[int, Receipt] = field(default_factory=dict)
    again: bool = False
    halve: bool = False
    pause: float = 0.0


def understand(reply: Reply, *, size: int, now: float) -> Meaning:
    """The meaning of a reply to a request for `size` readers, `now` in seconds of Unix time."""
    match reply.status:
        case 202:
            return _accepted(reply, now)
        case 400:
            return _bad(reply, size)
        case 401 if "credit" in text(reply).lower():
            return _refused(reply, "401 credits", "The account's credits are used up. Raise its plan, then resume.")
        case 401:
            return _refused(reply, "401 key", "The key is not valid (any more). Put a new one into the key file.")
        case 403:
            return _refused(reply, "403", "Verify the sender in SendGrid, and that the key may send mail.")
        case 408:
            # RFC 9110 s.15.5.9: the request did not arrive as a whole.
            return Meaning(Receipt(Answer.AWAY, "408", text(reply)))
        case 413:
            return Meaning(Receipt(Answer.POLICY, "413", text(reply)), halve=True)
        case 429:
            wait = _until_reset(reply, now)
            return Meaning(Receipt(Answer.AWAY, "429", text(reply), wait=wait), pause=wait)
        case status if 300 <= status < 400:
            return _refused(reply, str(status), "The service points elsewhere; it was not followed. Check base_url.")
        case status if 400 <= status < 500:
            return _refused(reply, str(status), "")
        case status:
            return Meaning(Receipt(Answer.UNSURE, str(status), text(reply) or "It does not say what became of it."))


def unreached(error: Exception) -> Receipt:
    """The answer when no connection came about: nothing was written, so nothing was accepted."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Receipt(Answer.RELAY, "certificate", _line(f"The certificate is not to be trusted: {error}"))
    return Receipt(Answer.AWAY, "connect", _line(f"The service cannot be reached: {error}"))


def lost(error: Exception) -> Receipt:
    """The answer when the connection failed after the request had begun: nobody knows."""
    return Receipt(Answer.UNSURE, "no answer", _line(f"{type(error).__name__}: {error}"))


def text(reply: Reply) -> str:
    """The service's own words: the messages of its errors, or the body as it is."""
    messages = [message for message, _ in _errors(reply)]
    return _line("; ".join(messages) or reply.body[: 4 * LONGEST].decode("utf-8", "replace"))


def _accepted(reply: Reply, now: float) -> Meaning:
    name = clean(reply.headers.get("x-message-id", ""))
    spent = reply.headers.get("x-ratelimit-remaining", "").strip() == "0"
    pause = _until_reset(reply, now) if spent else 0.0
    if not name:
        return Meaning(Receipt(Answer.UNSURE, "202", "It was accepted, but not named."), pause=pause)
    return Meaning(Receipt(Answer.ACCEPTED, "202", provider_id=name[:200]), pause=pause)


def _bad(reply: Reply, size: int) -> Meaning:
    """Readers that it names are answered by what is wrong with them; if anything else is wrong, it is for everyone."""
    errors = list(_errors(reply))
    if reply.cut and not errors:
        return Meaning(Receipt(Answer.AWAY, "400", "It was refused, but the reason was cut off.", wait=WAIT))
    named: dict[int, Receipt] = {}
    others: list[str] = []
    for message, where in errors:
        found = _NAMED.match(where) or _NAMED.search(message)
        if found is None or int(found[1]) >= size:
            others.append(message)
            continue
        answer = Answer.HARD if _is_address(where, message) else Answer.POLICY
        place = int(found[1])
        if place not in named or answer is Answer.HARD:
            named[place] = Receipt(answer, "400 reader", _line(message))
    # What is said of one reader may hold the address, and is nobody else's.
    everyone = Receipt(Answer.RELAY, "400", _line("; ".join(others)) if named else text(reply))
    return Meaning(everyone, named, again=bool(named) and not others)


def _is_address(where: str, message: str) -> bool:
    """Whether the error at `where` is that the address is none; a duplicate or a name is not the reader's fault."""
    found = _NAMED.match(where)
    path = (found[2] or "") if found else ""
    of_address = re.fullmatch(r"to(\W\d+\]?)?(\Wemail)?", path) is not None
    return of_address and "unique" not in message.lower() and "duplicate" not in message.lower()


def _errors(reply: Reply) -> Iterator[tuple[str, str]]:
    """(message, field) of each error in the body; `field` may be null, and the body may be anything."""
    try:
        errors = orjson.loads(_whole(reply))["errors"]
    except (ValueError, KeyError, TypeError, IndexError):
        return
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, dict):
            message, where = error.get("message"), error.get("field")
            yield message if isinstance(message, str) else "", where if isinstance(where, str) else ""


def _whole(reply: Reply) -> bytes:
    """The body, of a list of errors that was cut off what is whole of it."""
    return reply.body[: reply.body.rfind(b"}") + 1] + b"]}" if reply.cut else reply.body


def _refused(reply: Reply, code: str, remedy: str) -> Meaning:
    return Meaning(Receipt(Answer.RELAY, code, _line(" ".join(filter(None, (text(reply), remedy))))))


def _until_reset(reply: Reply, now: float) -> float:
    """Seconds until the moment that X-RateLimit-Reset names in Unix time, as far as that is to be believed."""
    named = reply.headers.get("x-ratelimit-reset", "").strip()
    if not re.fullmatch(r"\d{1,12}", named):
        return WAIT
    return min(max(int(named) - now, WAITS[0]), WAITS[1])


def _line(words: str) -> str:
    return _KEY.sub("SG....", clean(words))[:LONGEST]
