"""Looks at feeds on other hosts: asks for one, reads it, and tells what came of it.

Promises: a look ends within its limits, however slow the host; several are taken at once, so that no host keeps
another waiting; what went wrong is told in a sentence. A page in a feed's place is told with the feeds that it names.
Refuses what `fetch` and `feed` refuse. Touches no database.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import structlog

from digest import __version__, fetch
from digest.config import Settings
from digest.errors import BadInput, DigestError, Refused
from digest.fetch import Answer
from digest.intake import discovery, feed, polling
from digest.intake.feed import Feed
from digest.intake.polling import Standing

log = structlog.get_logger(__name__)

ACCEPTED = "application/rss+xml, application/atom+xml, application/feed+json, application/xml;q=0.9, */*;q=0.1"
FOUND = 200
LATEST = 90.0  # seconds for one look; a name that nobody answers for can outlast the limits of the asking
FAULT = "The program failed at it; its log says how."
TURN = 0.2  # seconds between two questions whether to stop


@dataclass(frozen=True)
class Look:
    """What came of one: the answer if there was one, the feed if it was sent anew, or why there is nothing."""

    answer: Answer | None = None
    feed: Feed | None = None
    why: str = ""


def first(settings: Settings, address: str) -> tuple[Answer, Feed]:
    """The feed at an address. Raises BadInput for what is none, with those that a page names; Refused without any."""
    answer = _get(settings, address)
    if answer.status != FOUND:
        raise Refused(f"{address} answers {answer.status}. Open it in a browser, and correct the address.")
    try:
        return answer, _read(answer)
    except BadInput as error:
        named = discovery.feeds(answer.body, answer.url)
        if not named:
            raise
        told = " or ".join(f"{one.address} ({one.title})" if one.title else one.address for one in named)
        raise BadInput(address, "It is a page and no feed.", f"It names a feed: {told}. Write that.") from error


def again(settings: Settings, standing: Standing) -> Look:
    """What there is now at the address of a source; that nothing has changed is an answer too."""
    fields = polling.validators(standing)
    answer = None
    try:
        answer = _get(settings, standing.address, fields)
        if answer.status == polling.UNCHANGED and fields:
            return Look(answer)
        if answer.status == polling.GONE:
            return Look(answer, why="Its host says that it is gone for good (410).")
        if answer.status != FOUND:
            return Look(answer, why=f"Its host answers {answer.status}.")
        return Look(answer, _read(answer))
    except BadInput as error:
        return Look(answer, why=f"{error.problem.where}: {error.problem.why}")
    except DigestError as error:
        return Look(answer, why=f"{str(error).partition('. ')[0].rstrip('.')}.")  # what to do is not for a host to say


class Looks:
    """Looks at several sources at once, by their numbers, each in a thread of its own."""

    def __init__(self, settings: Settings, standings: Mapping[int, Standing]) -> None:
        self._came: queue.SimpleQueue[tuple[int, Look]] = queue.SimpleQueue()
        self._left, self._until = {*standings}, time.monotonic() + LATEST
        for number, standing in standings.items():  # nobody waits for them at the end of the process
            threading.Thread(target=self._look, args=(settings, number, standing), daemon=True).start()

    def come(self, stopping: Callable[[], bool], within: float = LATEST) -> Iterator[tuple[int, Look]]:
        """Those that come within so many seconds, as they come; in the end those too that will not come any more."""
        until = min(self._until, time.monotonic() + within)
        while self._left and not stopping():
            left = until - time.monotonic()
            try:
                number, look = self._came.get(timeout=max(0.0, min(left, TURN)))
            except queue.Empty:
                if left <= 0:
                    break
                continue
            self._left.discard(number)
            yield number, look
        if time.monotonic() >= self._until and not stopping():
            while self._left:
                yield self._left.pop(), Look(why=f"There was no answer within {LATEST:.0f} seconds.")

    def _look(self, settings: Settings, number: int, standing: Standing) -> None:
        try:
            self._came.put((number, again(settings, standing)))
        except Exception:
            log.exception("a look at a source failed", source=number)
            self._came.put((number, Look(why=FAULT)))


def _get(settings: Settings, address: str, fields: Mapping[str, str] | None = None) -> Answer:
    way = fetch.also(settings.intake.inner_networks)
    ours = {
        "Accept": ACCEPTED,
        "User-Agent": f"Digest/{__version__} (+{settings.site.url})",
    }  # many refuse the nameless
    return fetch.get(address, fields={**ours, **(fields or {})}, limits=fetch.Limits(size=feed.LARGEST), way=way)


def _read(answer: Answer) -> Feed:
    return feed.read(answer.body, address=answer.url, media_type=answer.fields.get("content-type", ""))
