"""What a transport has in hand of a sender's batches: begun, answered, taken back, or given up.

Promises: every hand-over has a ticket of its own, so that no answer is taken for another's; what has no answer in the
end is unsure, unless it cannot double. Decides nothing about the ledger: outcomes go into the batches' `known`, what
was not handed over into their `unbegun`.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable

import structlog
from sqlalchemy.exc import DBAPIError

from digest.delivery.ledger import Marked
from digest.delivery.mails import Mails
from digest.delivery.outcomes import Outcome
from digest.delivery.transports.base import Answer, Group, Receipt, Transport
from digest.delivery.turns import Holding

log = structlog.get_logger(__name__)

TOGETHER = 50  # brought in one call to a carrier that takes mail by mail
MOST_IN_GROUP = 1_000_000  # tickets that one group may use
_numbers = itertools.count(1)


class Flight:
    """The rows under way through one transport."""

    def __init__(self, transport: Transport, mails: Mails) -> None:
        self._transport, self._mails = transport, mails
        self._most = transport.group if transport.group > 1 else TOGETHER
        self._under_way: dict[int, tuple[Holding, Marked]] = {}  # by ticket

    def __len__(self) -> int:
        return len(self._under_way)

    def positions(self, holding: Holding) -> frozenset[int]:
        """Positions of this batch's rows under way."""
        return frozenset(row.pos for held, row in self._under_way.values() if held is holding)

    def begin(self, holdings: Iterable[Holding], until: float) -> None:
        """Hands over what was marked, as long as the leases surely hold; the rest goes back in the next turn."""
        self._transport.hold(until)
        for holding in holdings:
            while holding.unbegun and time.monotonic() < until and self._begin(holding):
                pass

    def _begin(self, holding: Holding) -> bool:
        """Hands over the next rows of one variant; False when its mail cannot be made, or read, now."""
        rows, variant, most = holding.unbegun, holding.unbegun[0].variant_n, self._most
        size = next((n for n, row in enumerate(rows[:most]) if row.variant_n != variant), most)
        same = rows[:size]
        try:
            body = self._mails.get(holding.edition, variant)
        except DBAPIError:
            return False  # the rows go back in the next turn
        except Exception:
            log.exception("mail cannot be made", edition=holding.edition.id, variant=variant)
            holding.trouble = "A mail of it cannot be made; the log of the program says why."
            return False
        del rows[:size]
        first = next(_numbers) * MOST_IN_GROUP
        tickets = range(first, first + len(same))
        self._under_way.update(zip(tickets, ((holding, row) for row in same), strict=True))
        holding.under_way += len(same)
        self._transport.begin(Group(tickets, body, [row.recipient for row in same]))
        return True

    def collect(self, until: float, enough: int) -> None:
        """Takes answers until `enough` are known, all are, or the monotonic second `until` has come."""
        known, under_way = 0, self._under_way
        while under_way and known < enough and (now := time.monotonic()) < until:
            for ticket, receipt in self._transport.outcomes(until - now):
                begun = under_way.pop(ticket, None)
                if begun is None:  # of rows that were given up, told too late
                    continue
                holding, row = begun
                holding.known.append(Outcome(row, receipt))
                holding.under_way -= 1
                known += 1
                if not known & 63 and time.monotonic() > until:
                    break

    def recall(self) -> None:
        """Takes back what the transport certainly did not hand over."""
        for ticket in self._transport.recall():
            if (begun := self._under_way.pop(ticket, None)) is not None:
                holding, row = begun
                holding.under_way -= 1
                holding.unbegun.append(row)

    def give_up(self) -> None:
        """No more answers come: rows not handed over go back, the others are unsure if they could double."""
        self.recall()
        for holding, row in self._under_way.values():
            holding.under_way -= 1
            if self._transport.repeatable:
                holding.unbegun.append(row)
            else:
                holding.known.append(Outcome(row, Receipt(Answer.UNSURE, "no answer")))
        self._under_way.clear()

    def drop(self) -> None:
        """Forgets all: the sender ended with an error, and the ledger puts right what was under way."""
        self._transport.recall()
        self._under_way.clear()
