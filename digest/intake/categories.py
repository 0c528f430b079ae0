"""What the categories and tags of a foreign post make of it here: kind and topics, by rules of the digest. Pure.

Promises: a rule wins; a name without a rule is a topic only where its way in says that it is one, or where there is
such a topic already, so that the tags of a feed do not become choices that subscribers see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from digest.intake.markdown import slugify

NONE = "uncategorized"  # what WordPress calls a post without a category


@dataclass(frozen=True)
class Rules:
    """What staff say of categories and tags, by their short names: which are kinds, and which other topics."""

    kinds: Mapping[str, str] = field(default_factory=dict)
    topics: Mapping[str, str] = field(default_factory=dict)  # an empty name: no topic
    known: Set[str] = frozenset()  # the topics that there are
    kind: str = "article"  # of what no category makes another


def sort(named: Iterable[tuple[str, bool]], rules: Rules, kind: str = "") -> tuple[str, tuple[str, ...]]:
    """Kind and topics, of names that each may or may not be a topic by itself."""
    kind, topics = kind or rules.kind, []
    for name, is_topic in named:
        short = slugify(name)
        if short in rules.kinds:
            kind = rules.kinds[short]
        elif short in rules.topics:
            topics += [rules.topics[short]] if rules.topics[short] else []
        elif short not in ("", NONE) and (is_topic or short in rules.known):
            topics.append(short)
    return kind, tuple(dict.fromkeys(topics))
