"""One turn of a lease's holder: a transaction that proves the lease, writes what is known, and marks more.

Promises: each turn begins with the gate; what is known is written before anything new is marked; a pause, a cancel,
a person who leaves and the pace are seen in every turn; what stops the whole edition is said in it, and staff are
told in the same transaction. A turn whose answer was lost is read back, not repeated. Refuses: to write for a lease
that has passed on (`Stale`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple, Protocol, overload

import sqlalchemy as sa
from sqlalchemy import Connection

from digest import editions, tables
from digest.delivery import closing, leases, ledger, message, outcomes, variants
from digest.delivery.allotment import Audience
from digest.delivery.leases import Carrier
from digest.delivery.ledger import AddressBook, Lease, Marked
from digest.delivery.outcomes import Outcome
from digest.delivery.pace import Pace
from digest.delivery.refusals import Refusals, domain_of
from digest.delivery.transports.base import Answer, Receipt
from digest.editions import Edition

SOON = timedelta(seconds=2)  # a wait for the pace that is worth keeping the batch for
DEFERRALS = 3  # put-off mails of a domain in one turn, with none accepted, make the domain wait
LATE = "late"  # the code of what came back only because the lease was over: it says nothing of the carrier
MOVES = (Answer.TRANSIENT, Answer.AWAY, Answer.RELAY, Answer.POLICY)  # may move rows or stop the edition


class People(Audience, AddressBook, Protocol):
    """Both answers of the people's side: who is in an edition, and who is at an address."""


@dataclass
class Holding:
    """A batch in a sender's hands: what is not handed over yet, what has no answer, and what is known."""

    lease: Lease
    edition: Edition  # as it was when the batch was leased
    renewed: float = 0.0  # monotonic second of the last turn
    unbegun: list[Marked] = field(default_factory=list)  # marked, certainly not handed over
    under_way: int = 0  # begun, without an outcome
    known: list[Outcome] = field(default_factory=list)
    drained: bool = False  # nothing more is to be marked
    trouble: str = ""  # why nothing can be handed over to anyone
    lost: bool = False  # the lease has passed on; what is still learnt settles what is unsure by now
    recalled: bool = False  # what the transport had not begun was taken back, since the edition stopped
    in_doubt: frozenset[int] | None = None  # the last turn may not have been committed: positions under way then


class Turn(NamedTuple):
    """What one turn leaves: rows to hand over, whether the batch was let go, and what the next mark waits for."""

    edition: Edition
    marked: list[Marked]
    released: bool
    drained: bool
    wait: datetime | None
    goes_on: bool


Stopped = Callable[[Connection, Edition, datetime], object]


class Clerk:
    """Writes the turns of one sender. `stopped` is told, in the same transaction, when an edition stops by itself.

    `only_to` limits a test installation to named addresses.
    """

    def __init__(
        self, people: People, pace: Pace, carrier: Carrier, *, clock: Callable[[], datetime], owner: str,
        only_to: Sequence[str], stopped: Stopped,
    ) -> None:  # fmt: skip
        self._people, self._pace, self._carrier = people, pace, carrier
        self._clock, self._owner, self._stopped = clock, owner, stopped
        only = frozenset(address.lower() for address in only_to)
        self._book: AddressBook = Limited(people, only) if only else people
        self._refusals = Refusals()
        self._edition: Edition | None = None
        self._ailing = True  # the carrier may have been blocked by a process before this one
        self.hours = True  # whether sending hours are kept

    def take(
        self, edition_id: int, room: int, in_hand: Collection[int] | None, conn: Connection
    ) -> tuple[Holding, Turn] | None:
        """The next due batch with the first of its rows marked, or None. First what was withdrawn leaves its rows.

        Once is enough: a withdrawal pauses the edition, and the answer raises its fence; who holds a batch then marks
        nothing more of it and leases anew. `in_hand`, after a lease of which nothing was heard, names the batches
        that are known: others of this owner are let go first, since nothing of them was handed over.
        """
        if in_hand is not None:
            leases.let_go_others(conn, edition_id, owner=self._owner, besides=in_hand)
        lease = leases.lease(conn, edition_id, owner=self._owner, carrier=self._carrier, now=self._clock())
        if lease is None:
            return None
        edition = self._edition = self._as_it_is(conn, edition_id)
        variants.take_out_withdrawn(conn, edition, lease.n)
        holding = Holding(lease, edition)
        return holding, self.turn(holding, room, False, conn)

    def _as_it_is(self, conn: Connection, edition_id: int) -> Edition:
        """The edition as it is now: of the one worked on last only what may change is read again."""
        last = self._edition
        return editions.refreshed(conn, last) if last and last.id == edition_id else editions.find(conn, edition_id)

    def turn(self, holding: Holding, room: int, stopping: bool, conn: Connection) -> Turn:
        """Gate, record, mark up to `room` more; the batch is let go when there is nothing to wait for."""
        now, lease, known = self._clock(), holding.lease, holding.known
        moves = any(outcome.receipt.answer in MOVES for outcome in _exceptions(known))
        edition = editions.refreshed(conn, holding.edition, lock=moves or bool(holding.trouble))
        leases.gate(conn, lease)
        unbegun = holding.unbegun
        if holding.in_doubt is not None:
            known, unbegun = _read_back(conn, holding, holding.in_doubt)
        outcomes.record(conn, lease, edition, self._people, known, now=now)
        outcomes.hand_back(conn, lease, edition, unbegun, now=now)
        trouble = holding.trouble or self._learn(conn, edition, known, now)
        if trouble:
            self._pause(conn, edition, trouble, now)
        may = _goes_on(edition) and edition.plan_fence == holding.edition.plan_fence and now < lease.deadline
        goes_on = may and not trouble and not stopping
        marked, drained, wait = self._mark(conn, holding, edition, room if goes_on else 0, now)
        patient = goes_on and not drained and (wait is None or wait - now <= SOON)
        released = not marked and not holding.under_way and not patient
        if released:
            leases.release(conn, lease)
        return Turn(edition, marked, released, drained or not goes_on, wait, _goes_on(edition) and not trouble)

    def _mark(
        self, conn: Connection, holding: Holding, edition: Edition, room: int, now: datetime
    ) -> tuple[list[Marked], bool, datetime | None]:
        """Rows under way from now on; whether that was all; and, when the pace allows none, until when."""
        if room <= 0 or holding.drained:
            return [], holding.drained, None
        grant = self._pace.grant(conn, room, now, hours=self.hours)
        if not grant.rows:
            return [], False, grant.wait
        lease = holding.lease
        admit = partial(self._admit, lease.paced, now)
        marked = ledger.mark(conn, lease, edition, self._book, room=grant.rows, admit=admit, now=now)
        if len(marked) < grant.rows:
            self._pace.refund(conn, grant.rows - len(marked), now)
        return marked, len(marked) < grant.rows, None

    def _admit(
        self, paced: bool, now: datetime, conn: Connection, recipients: Sequence[message.Recipient]
    ) -> Sequence[datetime | None]:
        return self._pace.admit(conn, _Domains(recipients), now, paced=paced)

    def _learn(self, conn: Connection, edition: Edition, known: Sequence[Outcome], now: datetime) -> str:
        """What the answers say of the carrier and the domains; why the edition must stop, or nothing."""
        exceptions = [outcome.receipt for outcome in _exceptions(known)]
        away = [one for one in exceptions if one.answer is Answer.AWAY and one.code != LATE]
        if away:
            self._ailing = True
            self._pace.failed(conn, _said(away[0]), now, wait=away[0].wait)
        elif self._ailing and len(exceptions) < len(known):
            self._ailing = False
            self._pace.worked(conn, now)
        if any(one.answer is Answer.TRANSIENT for one in exceptions):
            self._defer(conn, known, now)
        relay = next((one for one in exceptions if one.answer is Answer.RELAY), None)
        if relay is not None:
            return f"The mail server refuses everyone. {_said(relay)}"[:500]
        return self._refusals.note(edition.id, known)[:500]

    def _defer(self, conn: Connection, known: Iterable[Outcome], now: datetime) -> None:
        """A domain that puts off several mails and takes none waits; the others go on."""
        put_off: Counter[str] = Counter()
        taken: set[str] = set()
        said: dict[str, str] = {}
        for outcome in known:
            domain = domain_of(outcome.row.recipient.address)
            if outcome.receipt.answer is Answer.TRANSIENT:
                put_off[domain] += 1
                said[domain] = _said(outcome.receipt)
            elif outcome.receipt.answer is Answer.ACCEPTED:
                taken.add(domain)
        for domain, times in sorted(put_off.items()):
            if times >= DEFERRALS and domain not in taken:
                self._pace.failed(conn, said[domain], now, domain=domain)

    def _pause(self, conn: Connection, edition: Edition, why: str, now: datetime) -> None:
        """What failed would fail for everyone: the edition stops, keeps its place, says why, and staff are told."""
        if edition.paused_at is not None:
            return
        change = sa.update(tables.editions).where(tables.editions.c.id == edition.id)
        conn.execute(change.values(paused_at=now, paused_why=why))
        self._stopped(conn, editions.find(conn, edition.id), now)

    def contradict(self, lease: Lease, known: Sequence[Outcome], conn: Connection) -> None:
        """After the lease was lost: what is known all the same settles the rows that are unsure now."""
        self._people.hold(conn, editions.find(conn, lease.edition_id).digest_id)
        edition = editions.find(conn, lease.edition_id, lock=True)
        failed = outcomes.contradict(conn, lease, known, now=self._clock())
        if failed and edition.state in editions.ENDED:
            closing.repay(conn, edition, self._people, failed)


def _read_back(conn: Connection, holding: Holding, under_way: frozenset[int]) -> tuple[list[Outcome], list[Marked]]:
    """What the turn of which nothing was heard left to be written: all of it, or nothing."""
    mine = {outcome.row.pos for outcome in holding.known} | {row.pos for row in holding.unbegun} | under_way
    left = outcomes.still_under_way(conn, holding.lease, mine)
    return (
        [outcome for outcome in holding.known if outcome.row.pos in left],
        [row for row in holding.unbegun if row.pos in left],
    )


def _exceptions(known: Iterable[Outcome]) -> list[Outcome]:
    """What was not simply accepted."""
    return [outcome for outcome in known if outcome.receipt.answer is not Answer.ACCEPTED]


class _Domains(Sequence[str]):
    """The domains of some recipients, found only when somebody looks at them."""

    def __init__(self, recipients: Sequence[message.Recipient]) -> None:
        self._recipients = recipients

    def __len__(self) -> int:
        return len(self._recipients)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[str]: ...
    def __getitem__(self, at: int | slice) -> str | Sequence[str]:
        return _Domains(self._recipients[at]) if isinstance(at, slice) else domain_of(self._recipients[at].address)


def _goes_on(edition: Edition) -> bool:
    return edition.state == editions.SENDING and edition.paused_at is None and edition.cancelling is None


def _said(receipt: Receipt) -> str:
    """The server's own words; a code of ours says nothing that the text does not say better."""
    code = receipt.code if receipt.code[:1].isdigit() or not receipt.text else ""
    return " ".join(filter(None, (code, receipt.text)))


class Limited:
    """An address book of a test installation: only the named addresses are mailed."""

    def __init__(self, book: AddressBook, only_to: frozenset[str]) -> None:
        self._book, self._only_to = book, only_to

    def resolve(self, conn: Connection, edition: Edition, ids: Sequence[int]) -> dict[int, message.Recipient | str]:
        """As the book answers, but whoever is not named is refused."""
        answers = self._book.resolve(conn, edition, ids)
        return {
            i: a if isinstance(a, str) or a.address.lower() in self._only_to else "only_to" for i, a in answers.items()
        }

    def refuse(self, conn: Connection, subscriber_id: int, reason: str, now: datetime) -> None:
        """As the book does."""
        self._book.refuse(conn, subscriber_id, reason, now)
