"""A variant compiled to byte parts and slots; joins one recipient's MIME message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipient:
    """One person at the moment of hand-over. `slots` fills the variant's slots: unsubscribe and preferences (full
    addresses), masked (their address as pages may show it), asked (when they asked, in words)."""

    subscriber_id: int
    address: str
    name: str
    slots: Mapping[str, str]


@dataclass(frozen=True)
class Compiled:
    """A variant ready to be joined; see `compile`."""

    uid: str  # of the edition

    def message_id(self, recipient: Recipient) -> str:
        raise NotImplementedError

    def join(self, recipient: Recipient) -> bytes:
        raise NotImplementedError
