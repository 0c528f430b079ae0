"""What is measured beside our own sending: other clients, handing over mails of the same bytes to the same far end.

Promises: each runs in a process of its own, without any ledger; only the handing over is timed. Refuses: nothing; a
peer whose package is not installed is left out, and that is said. `PACKAGES` names them.
"""

from __future__ import annotations

import asyncio
import json
import smtplib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count, islice
from pathlib import Path
from typing import Any

from digest.bench import processes
from digest.bench.measuring import Timer, timed
from digest.delivery.message import Compiled, Recipient

HOST = "127.0.0.1"
TOGETHER = 8  # connections of aiosmtplib
PER_REQUEST = 500  # personalizations, as our own transport sends them
KEY = "SG.bench.bench"

SMTP = {"smtplib with prepared bytes": "smtplib", "aiosmtplib": "aiosmtplib"}  # and the package each needs
SENDGRID = {"sendgrid with helpers": "sendgrid", "sendgrid with a dict": "sendgrid"}


@dataclass(frozen=True)
class Prepared:
    """A mail as both kinds of peers need it."""

    port: int
    sender: str
    whole: str  # the message, base of all
    subject: str
    text: str
    html: str
    headers: dict[str, str]
    slots: dict[str, str]

    def address(self, number: int) -> str:
        """Of the reader with this number."""
        return f"reader-{number}@example.org"


def prepare(path: Path, port: int, body: Compiled, reader: Recipient) -> Path:
    """Writes the mail for the peers' processes; the same file for all of them."""
    sheet = body.sheet
    values = {
        "port": port,
        "sender": body.sender,
        "whole": body.join(reader).decode("ascii"),
        "subject": sheet.subject,
        "text": sheet.text,
        "html": sheet.html,
        "headers": dict(sheet.headers),
        "slots": dict(reader.slots),
    }
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def measure(names: dict[str, str], mail: Path, n: int) -> tuple[dict[str, Any], dict[str, float | str]]:
    """Figures by name, and the names of those that are not installed."""
    there = {name for name, package in names.items() if find_spec(package)}
    figures = {name: processes.result("peers", name, mail, n) for name in names if name in there}
    return figures, dict.fromkeys((name for name in names if name not in there), "not installed")


# --- mail servers ----------------------------------------------------------------------------------------------


def _smtplib(mail: Prepared, n: int) -> Timer:
    data = mail.whole.encode("ascii")
    with timed() as timer, smtplib.SMTP(HOST, mail.port, local_hostname="localhost") as server:
        for number in range(n):
            server.sendmail(mail.sender, [mail.address(number)], data)
    return timer


def _aiosmtplib(mail: Prepared, n: int) -> Timer:
    import aiosmtplib

    data = mail.whole.encode("ascii")
    numbers = islice(count(), n)

    async def connection() -> None:
        server = aiosmtplib.SMTP(hostname=HOST, port=mail.port, use_tls=False, start_tls=False)
        async with server:
            for number in numbers:
                await server.sendmail(mail.sender, [mail.address(number)], data)

    async def together() -> None:
        await asyncio.gather(*(connection() for _ in range(TOGETHER)))

    with timed() as timer:
        asyncio.run(together())
    return timer


# --- providers -------------------------------------------------------------------------------------------------


def _client(mail: Prepared) -> Any:
    import sendgrid

    return sendgrid.SendGridAPIClient(KEY, host=f"http://{HOST}:{mail.port}")


def _with_helpers(mail: Prepared, n: int) -> Timer:
    from sendgrid.helpers import mail as helpers

    client = _client(mail)
    with timed() as timer:
        for start in range(0, n, PER_REQUEST):
            one = helpers.Mail(from_email=mail.sender, subject=mail.subject)
            one.content = [helpers.Content("text/plain", mail.text), helpers.Content("text/html", mail.html)]
            for number in range(start, min(n, start + PER_REQUEST)):
                person = helpers.Personalization()
                person.add_to(helpers.To(mail.address(number)))
                for name, value in mail.slots.items():
                    person.add_substitution(helpers.Substitution(f"@@{name}@@", value))
                for name, value in _own(mail, number).items():
                    person.add_header(helpers.Header(name, value))
                person.add_custom_arg(helpers.CustomArg("did", str(number)))
                one.add_personalization(person)
            client.send(one)
    return timer


def _with_a_dict(mail: Prepared, n: int) -> Timer:
    client = _client(mail)
    with timed() as timer:
        for start in range(0, n, PER_REQUEST):
            numbers = range(start, min(n, start + PER_REQUEST))
            people = [
                {
                    "to": [{"email": mail.address(number)}],
                    "substitutions": {f"@@{name}@@": value for name, value in mail.slots.items()},
                    "headers": _own(mail, number),
                    "custom_args": {"did": str(number)},
                }
                for number in numbers
            ]
            contents = [{"type": "text/plain", "value": mail.text}, {"type": "text/html", "value": mail.html}]
            client.send({"personalizations": people, "from": {"email": mail.sender}, "subject": mail.subject,
                         "content": contents, "headers": mail.headers})  # fmt: skip
    return timer


def _own(mail: Prepared, number: int) -> dict[str, str]:
    """The headers that differ from reader to reader."""
    return {"Message-ID": f"<{number:032x}@example.org>", "List-Unsubscribe": f"<{mail.slots['unsubscribe']}>"}


PEERS: dict[str, Callable[[Prepared, int], Timer]] = {
    "smtplib with prepared bytes": _smtplib,
    "aiosmtplib": _aiosmtplib,
    "sendgrid with helpers": _with_helpers,
    "sendgrid with a dict": _with_a_dict,
}

if __name__ == "__main__":
    prepared = Prepared(**json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
    rounds = int(sys.argv[3])
    print(json.dumps(PEERS[sys.argv[1]](prepared, rounds).of(rounds)))
