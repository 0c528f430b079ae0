"""An office: everything one process needs to keep an installation going, and how it stops work.

Joins content and people: the home, the transport that its settings name, the audience, a sender, and a clock. Promises:
SIGTERM and Ctrl-C let the sender end what is under way, so that nothing is left unsure. Decides nothing about what
is due: that is the scheduler's.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from digest import clock_watch
from digest.clock_watch import Jump, Steady
from digest.delivery import owners, staff_mail
from digest.delivery.pace import Pace
from digest.delivery.sender import Sender
from digest.delivery.transports import base
from digest.delivery.transports.base import Transport
from digest.home import Home
from digest.intake.checking import Asked
from subscribers.audience import Audience

SOON = timedelta(minutes=2)  # what is due within this time is waited for

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, aware and in UTC."""
    return datetime.now(UTC)


@dataclass
class Office:
    """Everything one process needs to keep an installation going. `post` carries notices, beside the bulk."""

    home: Home
    transport: Transport
    post: Transport
    people: Audience
    sender: Sender
    clock: Clock
    owner: str = field(default_factory=owners.me)
    steady: Steady | None = None  # what the clock is compared with; None where it is given by hand
    jump: Jump | None = None  # of the clock, that waits for an answer
    asked: Asked | None = None  # watched sources that have not all answered yet
    tidied: datetime | None = None  # when what is of no use any more was last forgotten
    summed: datetime | None = None  # when what is under way was last counted
    passed: datetime | None = None  # when this process last noted that the clock goes

    def close(self) -> None:
        self.transport.close()
        self.post.close()
        self.home.close()


def open_office(home: Home, *, clock: Clock = utc_now, transport: Transport | None = None) -> Office:
    """The office of a home, with the transport that its settings name unless another is given."""
    carrier = transport or base.open_transport(home.settings.transport.kind, home)
    people = Audience(home.keys, home.settings.site.url)
    sender = Sender(
        home.db,
        carrier,
        people,
        clock=clock,
        owner=owners.me(),
        key=home.keys.derive_fixed("message-id"),
        pace=Pace(home.settings.pace, zone=home.settings.site.time_zone, carrier=carrier.name),
        only_to=home.settings.transport.only_to,
        stopped=partial(staff_mail.stopped, home),
    )
    steady = clock_watch.since_boot if clock is utc_now else None
    return Office(home, carrier, carrier.single(), people, sender, clock, steady=steady)


def opened_with(home: Home) -> tuple[object, ...]:
    """What of the settings an office takes when it is opened, and keeps."""
    said = home.settings
    return said.transport, said.pace, said.feeds, said.site.url, said.site.time_zone


@contextmanager
def ending_gently(office: Office) -> Iterator[None]:
    """SIGTERM and Ctrl-C let the sender end what is under way, so that nothing is unsure; a second one ends at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def end(*_: object) -> None:
        office.sender.stop()
        restore()

    before.update({number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)})
    try:
        yield
    finally:
        restore()


def sleep_until(office: Office, wake: datetime | None) -> bool:
    """Waits for a moment that is near; False when it is far, when there is none, or after a stop."""
    now = office.clock()
    if wake is None or wake > now + SOON or office.sender.stops_at is not None:
        return False
    time.sleep(max(0.05, min((wake - now).total_seconds(), 1.0)))
    return True
