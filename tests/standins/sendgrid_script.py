"""What goes wrong at the stand-in for SendGrid, and what kind of account it plays: a JSON file, read at its start.

    {"addresses": {"a@example.org": ["503", "ok"]},  a fate for each time that the address is asked for; the last stays
     "requests": ["drip", "ok"],                     fates of the first requests, in the order of arrival
     "chances": {"429": 0.05, "reset": 0.05},        fates by probability, the same for the same seed and request number
     "seed": 1, "reset_in": 30, "drip_ms": 20, "domains": ["example.org"], "suppressed": {"b@example.org": "Bounced
     Address"}, "revoked": ["SG.old"], "powerless": ["SG.read-only"]}

Fates: ok; 429, 500, 502 (HTML), 503, 504, 302, 402, 403, 413, "401 credits", 401: refused so, nobody accepted;
"500 kept", "502 kept", "503 kept", "504 kept": answered so though all were accepted; "400 to", "400 headers",
"400 unnamed", "400 from": refused as if the first reader (or the address that has this fate) had such a fault;
"400 cut": of such a refusal only the beginning comes; reset, timeout: all accepted, the answer never comes; short,
no-id, spent: all accepted, and the 202 has half a body, no id, or says that nothing is left of the limit; drip: all
accepted, the answer comes a byte at a time; bye: all accepted and answered, then the connection ends unsaid; cut, half:
nobody accepted, the connection ends without an answer or within its first line; garbage, garbled: what comes back is
not HTTP, nobody or all were accepted; stall: the body is not read (by request number only).
"""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OK = "ok"


@dataclass
class Script:
    """The script, and how far it is."""

    addresses: Mapping[str, Sequence[str]] = field(default_factory=dict)
    requests: Sequence[str] = ()
    chances: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    reset_in: int = 30
    drip_ms: int = 20
    domains: Sequence[str] = ("example.org",)
    suppressed: Mapping[str, str] = field(default_factory=dict)
    revoked: Sequence[str] = ()
    powerless: Sequence[str] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _times: Counter[str] = field(default_factory=Counter)

    def by_number(self, number: int) -> str:
        """The fate of the request that came as the `number`th (from 0)."""
        if number < len(self.requests):
            return self.requests[number]
        dice = random.Random(f"{self.seed} {number}").random()
        for fate, chance in self.chances.items():
            dice -= chance
            if dice < 0:
                return fate
        return OK

    def of(self, number: int, addresses: Sequence[str]) -> tuple[str, int]:
        """The fate of a request to these, and the place of the one whose fate it is (else the first)."""
        for place, address in enumerate(addresses):
            if fates := self.addresses.get(address):
                with self._lock:
                    time = self._times[address]
                    self._times[address] += 1
                if (fate := fates[min(time, len(fates) - 1)]) != OK:
                    return fate, place
        return self.by_number(number), 0

    def verified(self, address: str) -> bool:
        """Whether mail may come from there."""
        domain = address.rpartition("@")[2].lower()
        return any(domain == known or domain.endswith(f".{known}") for known in self.domains)


def read(path: Path | None) -> Script:
    """The script in the file; without one all goes well."""
    given: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path else {}
    return Script(**given)
