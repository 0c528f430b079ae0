"""Who is owed what, told by what people did: an oracle that knows nothing of marks, starts, carries, or planning.

It holds, for each reader, their choices and the entries of the log that were written while they wanted them. An entry
is forgiven when its reader turned its topics off, left, or woke without what came meanwhile, and when staff dropped
it. At the end `faults` compares this with what each reader was handed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

CADENCES = ("instant", "daily", "weekly", "monthly")
OFF = "off"

Choice = Mapping[str, str]  # topic -> how often


@dataclass(frozen=True)
class Entry:
    """One entry of the publication log, with the topics that its item had then."""

    sequence: int
    item: str
    what: str
    topics: frozenset[str]


@dataclass
class Reader:
    """What the oracle knows of one reader."""

    choice: Choice
    state: str = "active"
    owed: set[int] = field(default_factory=set)
    free: set[int] = field(default_factory=set)


def how_often(choice: Choice, topics: frozenset[str]) -> str:
    """The most frequent of what was chosen for these topics."""
    chosen = {choice.get(topic, OFF) for topic in topics}
    return next((cadence for cadence in CADENCES if cadence in chosen), OFF)


def fitting(choice: Choice, offered: Sequence[str]) -> dict[str, str]:
    """The choice with the next slower cadence for each that is not offered, or the slowest that is."""
    ranks = sorted(map(CADENCES.index, offered))
    found = {}
    for topic, cadence in choice.items():
        slower = [rank for rank in ranks if cadence != OFF and rank >= CADENCES.index(cadence)]
        found[topic] = OFF if cadence == OFF else CADENCES[slower[0] if slower else ranks[-1]]
    return found


class Oracle:
    """The readers, the log so far, and what is offered."""

    def __init__(self, offered: Sequence[str]) -> None:
        self.offered = tuple(offered)
        self.log: dict[int, Entry] = {}
        self._told: dict[str, set[int]] = {}
        self.readers: dict[str, Reader] = {}

    # --- what people do

    def wrote(self, entry: Entry) -> None:
        """An entry was written: it is owed to everyone who is there and wants it."""
        self.log[entry.sequence] = entry
        self._told.setdefault(entry.item, set()).add(entry.sequence)
        for reader in self.readers.values():
            if reader.state == "left":
                continue
            if how_often(reader.choice, entry.topics) != OFF:
                reader.owed.add(entry.sequence)
            elif entry.what == "again":  # it takes the place of what was withdrawn, and this reader does not want it
                reader.free |= self.of_item(entry.item)

    def joined(self, name: str, choice: Choice) -> None:
        """A new reader."""
        self.readers[name] = Reader(dict(choice))

    def chose(self, name: str, choice: Choice) -> None:
        """Other topics: what is off by now is forgiven."""
        reader = self.readers[name]
        reader.choice = dict(choice)
        for sequence in reader.owed - reader.free:
            entry = self.log[sequence]
            if how_often(choice, entry.topics) == OFF:
                reader.free.add(sequence)
                if entry.what == "again":
                    reader.free |= {s for s in self.of_item(entry.item) if s < sequence}

    def offers(self, offered: Sequence[str]) -> None:
        """Other cadences: everybody has the nearest."""
        self.offered = tuple(offered)
        for reader in self.readers.values():
            reader.choice = fitting(reader.choice, offered)

    def forgave(self, name: str) -> None:
        """Nothing that was written so far is owed to this reader."""
        reader = self.readers[name]
        reader.free |= reader.owed

    def dropped(self, name: str, sequences: Sequence[int]) -> None:
        """Staff gave up these entries, and with them their items as they are told now."""
        for sequence in sequences:
            self.readers[name].free |= self.of_item(self.log[sequence].item)

    def of_item(self, item: str) -> set[int]:
        """The entries of one item."""
        return self._told.get(item, set())

    # --- the judge

    def faults(self, name: str, had: Sequence[int]) -> Iterator[str]:
        """What is wrong with the entries that a reader was handed, one for each copy: twice, or never."""
        reader = self.readers[name]
        of_item: dict[str, list[int]] = {}
        for sequence in sorted(had):
            of_item.setdefault(self.log[sequence].item, []).append(sequence)
        for first, second in (pair for mine in of_item.values() for pair in combinations(mine, 2)):
            if first == second:
                yield f"{name} had entry {first} twice"
            elif self._same_news(first, second):
                yield f"{name} had {self.log[first].item} twice, as entries {first} and {second}"
        for sequence in sorted(reader.owed - reader.free - set(had)):
            mine = of_item.get(self.log[sequence].item, [])
            if not self._forgiven_by_later(reader, sequence) and not self._covered(sequence, mine):
                entry = self.log[sequence]
                yield f"{name} never had entry {sequence} ({entry.what} {entry.item}); had {sorted(had)}"

    def _same_news(self, first: int, second: int) -> bool:
        """Whether two entries of one item tell the same: neither is an update, and none came between them."""
        one, other = self.log[first], self.log[second]
        if "update" in (one.what, other.what):
            return False
        return not any(first < s < second and self.log[s].what == "update" for s in self.of_item(one.item))

    def _forgiven_by_later(self, reader: Reader, sequence: int) -> bool:
        return any(s >= sequence for s in self.of_item(self.log[sequence].item) & reader.free)

    def _covered(self, sequence: int, mine: Sequence[int]) -> bool:
        """Whether the reader has the item as this entry tells it, or later; `mine` is what they had of it."""
        entry, same = self.log[sequence], self.of_item(self.log[sequence].item)
        told = max((s for s in same if self.log[s].what == "update" and s < sequence), default=0)
        return any(s >= sequence or (entry.what != "update" and s >= told) for s in mine)
