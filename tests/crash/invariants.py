"""What must hold after any crash, checked from outside: the receiver's record, the program's JSON, the rows.

The names are those that `python -m tests.crash` prints. With P, A, S, F, U and R for planned, accepted, skipped,
failed, unsure and remaining, D for those whose mail the receiver keeps, and W for the rows under way at once:

I1  P = A + S + F + U + R at every look; R = 0 when sent; P is everybody, and stays so
I2  nobody has two copies; each copy has the bytes that a run without a crash sends
I3  A is within D (no loss), D without A is within U (no lie), D is within P; nobody is left out
I4  U <= W for each kill, and none for a transport that can be asked again, or after a polite end
I5  who opted out before his row was marked has no copy
I6  one run of the calendar makes one edition
I7  a process that comes back after its lease changes nothing but its own unsure rows
I8  the database is sound, on the newest schema, and no half-made file is left
I9  what is left is taken up within a minute
I10 no address stands in what the processes print, and no traceback of what nobody foresaw
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from digest.tables import State
from tests.crash.receivers import Copies, Receiver
from tests.crash.strace import ERRORS
from tests.crash.witness import Snapshot

SOON = 60.0  # seconds
POLITE = 25.0  # seconds that a process asked to end may take
COUNTS = ("planned", "accepted", "skipped", "failed", "unsure", "remaining")


@dataclass(frozen=True)
class Ended:
    """How one process of the run ended, and the ledger as it left it."""

    action: str  # kill, term, stop
    code: int
    seconds: float  # from the strike to the end
    left: Snapshot


@dataclass
class Evidence:
    """What was found outside after one run."""

    receiver: Receiver
    addresses: Sequence[str]  # everybody who is in the edition
    unhurt: Copies  # what a run without a crash leaves at the receiver
    copies: Copies
    end: Snapshot
    shown: Mapping[str, Any]  # `digest editions show --json`
    editions: Sequence[Mapping[str, Any]]  # `digest editions list --json`
    occurrences: int
    ended: list[Ended] = field(default_factory=list)
    woken: tuple[Snapshot, Snapshot] | None = None  # before and after a stopped process went on
    opted_out: Collection[str] = ()
    journaled: Collection[str] = ()  # of these, who is in the journal
    faults: list[str] = field(default_factory=list)  # what the witness saw on the way
    database: list[str] = field(default_factory=list)  # what is wrong with the database itself
    leftovers: list[str] = field(default_factory=list)
    resumed: float = 0.0  # seconds that the last, unhurt process took
    printed: str = ""


def violations(found: Evidence) -> list[str]:
    """Every invariant that does not hold, with what was found instead."""
    checks = (_sums, _once, _truth, _bound, _consent, _one_edition, _fence, _sound, _soon, _silent)
    return [fault for check in checks for fault in check(found)]


def _who(found: Evidence, *states: State) -> set[str]:
    return {f"reader{reader}@example.org" for reader, (_, state) in found.end.rows.items() if state in states}


def _some(addresses: Collection[str]) -> str:
    named = sorted(addresses)
    return ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")


def _sums(found: Evidence) -> Iterator[str]:
    for fault in found.faults:
        yield f"I1 {fault}"
    shown = {name: found.shown.get(name) for name in COUNTS}
    rows = dict(zip(COUNTS, _counted(found.end), strict=True))
    if shown != rows:
        yield f"I1 shown are {shown}, the rows are {rows}"
    if found.shown.get("state") != "sent" or rows["remaining"]:
        yield f"I1 the edition is {found.shown.get('state')} with {rows['remaining']} remaining"
    if rows["planned"] != len(found.addresses):
        yield f"I1 {rows['planned']} are planned of {len(found.addresses)}"


def _counted(end: Snapshot) -> tuple[int, ...]:
    ended = (end.count(one) for one in (State.ACCEPTED, State.SKIPPED, State.FAILED, State.UNSURE))
    return (len(end.rows), *ended, end.remaining)


def _once(found: Evidence) -> Iterator[str]:
    if twice := {address for address, copies in found.copies.items() if len(copies) > 1}:
        yield f"I2 more than one copy for {_some(twice)}"
    other = {a for a, copies in found.copies.items() if not set(copies) <= set(found.unhurt.get(a, ()))}
    if other:
        yield f"I2 other bytes than without a crash for {_some(other)}"


def _truth(found: Evidence) -> Iterator[str]:
    kept, accepted, unsure = set(found.copies), _who(found, State.ACCEPTED), _who(found, State.UNSURE)
    if lost := accepted - kept:
        yield f"I3 accepted, and the receiver has nothing for {_some(lost)}"
    if lied := kept - accepted - unsure:
        yield f"I3 the receiver has a mail, and the row says otherwise for {_some(lied)}"
    if strangers := kept - set(found.addresses):
        yield f"I3 mail for {_some(strangers)}, who is not planned"
    owed = {f"reader{reader}@example.org" for reader in found.end.owed} & _who(found, State.FAILED)
    settled = owed if found.woken else set()  # a process that lost its lease can prove that nothing was handed over
    if forgotten := set(found.addresses) - accepted - unsure - settled - set(found.opted_out):
        yield f"I3 neither accepted nor unsure: {_some(forgotten)}"
    named = {one["email"] for one in found.shown.get("exceptions", ()) if one["state"] == "unsure"}
    if named != unsure:
        yield f"I3 the program names {len(named)} as unsure, the rows {len(unsure)}"


def _bound(found: Evidence) -> Iterator[str]:
    unsure = found.end.count(State.UNSURE)
    kills = [one for one in found.ended if one.action != "term"]
    most = found.receiver.bound * len(kills)
    if unsure > most:
        yield f"I4 {unsure} unsure after {len(kills)} kills, at most {most} can be"
    before = 0  # under way that an earlier process has left
    for one in found.ended:
        more, before = one.left.trying - before, one.left.trying
        if one.action in ERRORS and one.code not in (0, 1):
            yield f"I4 after an error of the system it ended with {one.code}"
        if one.action == "kill" and found.receiver.bound and more > found.receiver.bound:
            yield f"I4 a kill left {more} under way, at most {found.receiver.bound} can be"
        if one.action == "term" and (one.code != 0 or one.seconds > POLITE):
            yield f"I4 asked to end, it ended with {one.code} after {one.seconds:.0f} s"
        if one.action == "term" and more > 0:
            yield f"I4 asked to end, it left {more} under way"


def _consent(found: Evidence) -> Iterator[str]:
    if mailed := set(found.opted_out) & set(found.copies):
        yield f"I5 opted out, and mailed: {_some(mailed)}"
    if unsaid := set(found.opted_out) - set(found.journaled):
        yield f"I5 opted out, and not in the journal: {_some(unsaid)}"
    if other := set(found.opted_out) - _who(found, State.SKIPPED) - _unplanned(found):
        yield f"I5 opted out, and not skipped: {_some(other)}"


def _unplanned(found: Evidence) -> set[str]:
    return set(found.opted_out) - _who(found, *State)


def _one_edition(found: Evidence) -> Iterator[str]:
    if len(found.editions) != 1 or found.occurrences > 1:
        yield f"I6 {len(found.editions)} editions, {found.occurrences} runs of the calendar"


def _fence(found: Evidence) -> Iterator[str]:
    for one in found.ended:
        if one.action == "stop" and (one.code != 0 or one.seconds > POLITE):
            yield f"I7 the woken process ended with {one.code} after {one.seconds:.0f} s"
    if found.woken is None:
        return
    before, after = found.woken
    for reader, (batch, state) in after.rows.items():
        old_batch, old = before.rows.get(reader, (0, None))
        settled = old is State.UNSURE and state in (State.ACCEPTED, State.FAILED)
        if (batch, state) != (old_batch, old) and not settled:
            yield f"I7 the woken process turned reader{reader} from {old} into {state}"
    if before.rows.keys() - after.rows.keys() or before.state != after.state:
        yield f"I7 the woken process changed the edition: {before.state} to {after.state}"


def _sound(found: Evidence) -> Iterator[str]:
    for fault in found.database:
        yield f"I8 {fault}"
    if found.leftovers:
        yield f"I8 left behind: {', '.join(found.leftovers[:5])}"


def _soon(found: Evidence) -> Iterator[str]:
    if found.resumed > SOON:
        yield f"I9 it took {found.resumed:.0f} s to go on to the end"


def _silent(found: Evidence) -> Iterator[str]:
    if "\nTraceback (most recent call last)" in f"\n{found.printed}":
        yield f"I10 a traceback is printed: {found.printed.rstrip().splitlines()[-1][:160]}"
    for line in found.printed.splitlines():
        if "@example.org" in line:
            yield f"I10 an address is printed: {line[:160]}"
            return
