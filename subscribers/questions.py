"""Questions that visitors send to the publisher's people: one notice each, which can be answered by a reply.

Promises: it goes to the address that the settings name, with the visitor's own as Reply-To; the same guards as for
signing up; what cannot be taken is refused with everything that was typed kept. Refuses: a question without words,
and one without an address to answer to.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from digest import editions, publications, render
from digest.delivery import notices
from digest.errors import Refused
from digest.home import Home
from subscribers import limits, suppression

FROM_ONE_ADDRESS = ((5, limits.HOUR),)
LONGEST = 5_000  # characters


@dataclass(frozen=True)
class Question:
    """What somebody asks; `public` says that it may be answered where others can read it."""

    address: suppression.Address
    name: str
    text: str
    public: bool
    ip: str


def send(conn: Connection, home: Home, question: Question, *, now: datetime) -> datetime | None:
    """Queues it for the publisher's people; or says from when on it may be asked. Raises Refused without an address."""
    site, keys = home.settings.site, home.keys
    digest = next(iter(publications.all(conn)), None)
    if not site.questions_to or digest is None:
        raise Refused("There is no address for questions. Set [site] questions_to.")
    if later := limits.at_form(conn, keys, home.settings.sign_up, question.ip, now=now):
        return later
    if later := limits.allow(conn, limits.of_asker(keys, question.address), FROM_ONE_ADDRESS, now=now):
        return later
    plain = editions.snapshot(home.settings, digest, cadence="", edition=0, day=now, since="")
    shell = replace(render.Shell.from_json(plain), reply_to=question.address.email)
    who = f"{question.name} <{question.address.email}>" if question.name else question.address.email
    rendered = render.notice(
        shell,
        subject=f"A question from {question.name or question.address.email}",
        heading="A question",
        paragraphs=[paragraph for paragraph in question.text.split("\n") if paragraph.strip()],
        after=[
            f"From {who}. Answer this mail and it goes to them.",
            "They allow an answer in public." if question.public else "They asked for an answer to themselves alone.",
        ],
    )
    letter = notices.Letter(f"question {secrets.token_hex(16)}", "question", site.questions_to, rendered)
    notices.queue(conn, letter, shell, key=keys.derive_fixed("message-id"), now=now)
    return None
