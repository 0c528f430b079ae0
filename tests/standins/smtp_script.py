"""What a hostile mail server does to whom: fates of mails by address and attempt, faults of connections by number.

A fate is "ok", or "STAGE:REPLY" (rcpt, data or dot, answered with that text), or one of the tricks: "lost" (kept, then
the line is cut before the 250), "cut" (cut after the last dot, not kept), "half" (cut in mid-body), "dropped" (250, and
told to have been thrown away), "let in" (RCPT is refused, DATA is not), "early" (250 beside the 354, before the body),
"silent" (no answer to the last dot). A fault is "STAGE:REPLY" too (greeting, ehlo, starttls, auth, mail), or "silent",
or "drip" (replies byte by byte). A reply that begins with 421 closes the connection. Chances are drawn from a seed,
so that the same address at the same attempt always has the same fate.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

OFFERS = ("PIPELINING", "SIZE 10485760", "8BITMIME", "DSN", "SMTPUTF8", "ENHANCEDSTATUSCODES")
REFUSALS = {
    "greylisted": "rcpt:451 4.7.1 Greylisted, come back later",
    "hard": "rcpt:550 5.1.1 No such user",
    "full": "rcpt:552 5.2.2 Mailbox full",
    "doubtful": "rcpt:550 No",
    "policy": "dot:554 5.7.1 Spam",
    "closing rcpt": "rcpt:421 4.3.2 Going down",
    "closing data": "data:421 4.3.2 Going down",
    "closing dot": "dot:421 4.3.2 Going down",
    "garbage": "dot:What do you mean?",
}


@dataclass(frozen=True)
class Script:
    """How one server behaves; `addresses` gives a fate, or one for each attempt of which the last stays."""

    offers: Sequence[str] = OFFERS
    addresses: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    chances: Mapping[str, float] = field(default_factory=dict)
    connections: Sequence[str] = ()  # faults of the first, second, ... connection
    connection_chances: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    limit: int = 0  # connections at once; the next is told 421
    close_after: int = 0  # mails on one connection
    one_by_one: bool = False  # each reply in a packet of its own
    tls: str = ""  # starttls, implicit, or the tricks: inject, garbage
    certificate: str = ""
    key: str = ""
    username: str = ""
    password: str = ""
    mechanisms: str = "PLAIN LOGIN"

    @classmethod
    def read(cls, text: str) -> Script:
        """From JSON."""
        given: dict[str, Any] = json.loads(text)
        return cls(**given)

    def json(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    def fate(self, address: str, attempt: int) -> str:
        """What becomes of a mail to this address, the first attempt being 0."""
        named = self.addresses.get(address)
        if named is None:
            fate = _drawn(self.chances, f"{self.seed} {address} {attempt}")
        else:
            fate = named if isinstance(named, str) else named[min(attempt, len(named) - 1)]
        return REFUSALS.get(fate, fate)

    def fault(self, number: int) -> str:
        """What happens to a connection, the first being 0."""
        if number < len(self.connections):
            return self.connections[number]
        return _drawn(self.connection_chances, f"{self.seed} connection {number}")


def _drawn(chances: Mapping[str, float], seed: str) -> str:
    dice = random.Random(seed).random()
    for fate, chance in chances.items():
        dice -= chance
        if dice < 0:
            return fate
    return "ok"
