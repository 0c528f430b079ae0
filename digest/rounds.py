"""Work of a resident process that comes again and again, each kind in a thread of its own.

Promises: every kind begins at once, and again at the moment that its last round named; no round begins while the one
before it is at work, nor after the end; the end waits for what is at work. A wall clock that is set back keeps nothing
asleep. Refuses nothing; a work that may fail deals with that itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger

Work = Callable[[], datetime]  # does what is to be done, and names the moment (aware) of the next round


def keep_on(works: Iterable[Work], ended: threading.Event, *, look: timedelta, ending: Callable[[], None]) -> None:
    """Does the works until `ended` is set, then calls `ending` and waits for what is at work.

    No work names a moment later than `look` from its end.
    """
    wakes = BackgroundScheduler(timezone=UTC, job_defaults={"misfire_grace_time": None, "max_instances": 1})
    rounds = [_Round(work, wakes, ended) for work in works]
    wakes.start()
    for one in rounds:
        wakes.add_job(one.turn, DateTrigger(datetime.now(UTC), timezone=UTC))
    while not ended.wait(look.total_seconds()):
        _keep_near(wakes, look)
    ending()
    for one in rounds:
        with one.working:  # a round needs the scheduler to plan its next one
            pass
    wakes.remove_all_jobs()  # a scheduler that ends while it starts a job fails at removing that job
    wakes.shutdown()


def _keep_near(wakes: BackgroundScheduler, look: timedelta) -> None:
    """After the clock was set back a round would wait until it is as late as it was: it comes now."""
    now = datetime.now(UTC)
    for job in wakes.get_jobs():
        if job.next_run_time > now + look:
            with suppress(JobLookupError):  # it has begun meanwhile
                job.modify(next_run_time=now)


@dataclass
class _Round:
    """One kind of work."""

    work: Work
    wakes: BackgroundScheduler
    ended: threading.Event
    working: threading.Lock = field(default_factory=threading.Lock)

    def turn(self) -> None:
        """Does the work once, and plans the next time."""
        with self.working:
            if self.ended.is_set():
                return
            again = self.work()
            if not self.ended.is_set():
                self.wakes.add_job(self.turn, DateTrigger(again, timezone=UTC))
