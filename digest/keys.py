"""The secrets in `keys/`: made once, rotated, derived per purpose, never logged.

Promises: a key file is written before it is used, with mode 0600; rotation keeps every old key, since links in old
mails must work for ever; the fixed key (suppression hashes, the journal) is never rotated. All MACs are keyed
BLAKE2b with 128 bits (RFC 7693). Refuses: to replace a key that is missing (`load`).
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from digest.errors import Refused

FIXED = "fixed.key"


def mac(key: bytes, *parts: bytes) -> bytes:
    """16 bytes that only a holder of `key` can make for these parts; lengths keep the parts apart."""
    digest = blake2b(key=key, digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return digest.digest()


@dataclass(frozen=True, repr=False)
class Keyring:
    """The keys of one home: `rotating` by number, the last one signs; `fixed` for what must never change."""

    rotating: dict[int, bytes]
    fixed: bytes

    @property
    def current(self) -> int:
        """The number of the key that signs today."""
        return max(self.rotating)

    def derive(self, purpose: str, number: int | None = None) -> bytes:
        """The 32-byte key of one purpose under key `number` (by default the current one); KeyError if there is none."""
        return blake2b(purpose.encode(), key=self.rotating[number or self.current], digest_size=32).digest()

    def derive_fixed(self, purpose: str) -> bytes:
        """The 32-byte key of one purpose under the key that is never rotated."""
        return blake2b(purpose.encode(), key=self.fixed, digest_size=32).digest()

    def __repr__(self) -> str:
        return f"Keyring({len(self.rotating)} keys)"


def load(home: Path) -> Keyring:
    """The keyring of `home`. Raises Refused when it is missing or unreadable: it is never made silently."""
    folder = home / "keys"
    try:
        rotating = {int(path.stem.removeprefix("link-")): _read(path) for path in folder.glob("link-*.key")}
        fixed = _read(folder / FIXED)
    except (OSError, ValueError) as error:
        raise Refused(_missing(folder)) from error
    if not rotating:
        raise Refused(_missing(folder))
    return Keyring(rotating, fixed)


def make(home: Path) -> Keyring:
    """The keyring of `home`, made when there is none yet; what exists is left alone."""
    folder = home / "keys"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / FIXED).exists():
        _write(folder / FIXED)
    if not list(folder.glob("link-*.key")):
        _write(folder / "link-1.key")
    return load(home)


def rotate(home: Path) -> int:
    """Makes the next key for links, which signs from then on, and returns its number; every older one is kept."""
    number = load(home).current + 1
    _write(home / "keys" / f"link-{number}.key")
    return number


def _missing(folder: Path) -> str:
    return (
        f"The key files in {folder} are missing or damaged. Restore them from the backup: without them "
        "the links in every mail already sent stop working. A new home gets keys from `digest setup`."
    )


def _read(path: Path) -> bytes:
    key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    if len(key) != 32:
        raise ValueError("a key has 32 bytes")
    return key


def _write(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
