"""Notices when a domain refuses mail for what it is: the difference between one bad address and a bad name.

Promises: counts, per edition and domain, from a domain's first refusal on, and says so once when more than 2 % of
what was handed over since is refused. Lives in one process: after a restart it counts anew. Refuses nothing itself;
whether the edition stops is for who asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from digest.delivery.outcomes import Outcome
from digest.delivery.transports.base import Answer

SHARE = 0.02  # of a domain's mail; more is trouble with the sender's name, not with a reader
LEAST = 5  # refusals before a share means anything


def domain_of(address: str) -> str:
    """The domain of an address, in small letters."""
    return address.rpartition("@")[2].lower()


class Refusals:
    """What the domains of the editions under way refused so far."""

    def __init__(self) -> None:
        self._refused: Counter[tuple[int, str]] = Counter()
        self._handed: Counter[tuple[int, str]] = Counter()

    def note(self, edition_id: int, known: Sequence[Outcome]) -> str:
        """Takes in what became of some deliveries; why the edition should stop, or nothing."""
        refused = [outcome for outcome in known if outcome.receipt.answer is Answer.POLICY]
        for outcome in refused:
            self._refused[edition_id, domain_of(outcome.row.recipient.address)] += 1
        if not self._refused:
            return ""
        for outcome in known:
            if (key := (edition_id, domain_of(outcome.row.recipient.address))) in self._refused:
                self._handed[key] += 1
        return next((why for outcome in refused if (why := self._too_many(edition_id, outcome))), "")

    def _too_many(self, edition_id: int, outcome: Outcome) -> str:
        key = (edition_id, domain_of(outcome.row.recipient.address))
        refused, handed = self._refused[key], self._handed[key]
        if refused < LEAST or refused <= SHARE * handed:
            return ""
        del self._refused[key], self._handed[key]  # when staff say go on, it counts anew
        said = " ".join(filter(None, (outcome.receipt.code, outcome.receipt.text)))
        return f"{key[1]} refuses the mail for what it is ({refused} of {handed}), not for a reader. It says: {said}"
