"""How our mail fares with each mail provider over some days: shares, and which of them mean something. Pure.

Promises: counted is what was handed over (accepted, failed, unsure), never what was left out on purpose; a share is of
all that was handed to that provider. Refuses to judge by a handful: below `ENOUGH` mails nothing can be told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from digest.delivery import refusals
from digest.delivery.provider_sums import Sum
from digest.tables import State

ENOUGH = 100  # mails; below it one more or one less moves a share by more than a limit
LIMIT = refusals.SHARE  # of what is handed over; beyond it an edition stops by itself
GONE = ("hard", "doubtful")  # the address does not exist, or its server says so
REFUSED = ("policy",)  # for what we are or sent
LATE = ("transient", "deadline")  # put off until it was too late


@dataclass(frozen=True)
class Span:
    """Some days in a row, from `first` to `last`."""

    first: date
    last: date
    handed: int
    failed: int

    @property
    def share(self) -> float | None:
        """What failed of what was handed over; None when that is too few to tell."""
        return self.failed / self.handed if self.handed >= ENOUGH else None


@dataclass(frozen=True)
class Fare:
    """How mail fared with one provider; `failed` by reason, the most first."""

    provider: int
    accepted: int
    failed: Mapping[str, int]
    unsure: int
    spans: tuple[Span, ...]

    @property
    def handed(self) -> int:
        """All that was handed over."""
        return self.accepted + sum(self.failed.values()) + self.unsure

    @property
    def tells(self) -> bool:
        """Whether shares of it mean something."""
        return self.handed >= ENOUGH

    def share(self, codes: Sequence[str]) -> float:
        """What failed for one of these reasons, of all that was handed over."""
        return sum(self.failed.get(code, 0) for code in codes) / self.handed if self.handed else 0.0

    def beyond(self) -> list[tuple[str, ...]]:
        """The groups of reasons whose share is beyond the limit."""
        return [codes for codes in (REFUSED, GONE, LATE) if self.tells and self.share(codes) > LIMIT]

    @property
    def worse(self) -> Span | None:
        """The latest span that tells something, when more than the limit failed in it; None when not."""
        latest = next((span for span in reversed(self.spans) if span.share is not None), None)
        return latest if latest is not None and (latest.share or 0.0) > LIMIT else None


def fares(told: Sequence[Iterable[Sum]], spans: Sequence[tuple[date, date]]) -> list[Fare]:
    """How mail fared, from what became of it in each of the spans; the provider with the most mail first."""
    sums = defaultdict[int, Counter[tuple[State, str]]](Counter)
    handed, failed = Counter[tuple[int, int]](), Counter[tuple[int, int]]()
    for n, those in enumerate(told):
        for one in those:
            if one.state in (State.ACCEPTED, State.FAILED, State.UNSURE):
                sums[one.provider][one.state, one.code] += one.people
                handed[one.provider, n] += one.people
                failed[one.provider, n] += one.people if one.state is State.FAILED else 0
    found = [
        Fare(
            provider,
            counted[State.ACCEPTED, ""],
            {code: people for (state, code), people in counted.most_common() if state is State.FAILED},
            counted[State.UNSURE, ""],
            tuple(Span(first, last, handed[provider, n], failed[provider, n]) for n, (first, last) in enumerate(spans)),
        )
        for provider, counted in sums.items()
    ]
    return sorted(found, key=lambda one: (-one.handed, one.provider))
