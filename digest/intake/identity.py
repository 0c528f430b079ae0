"""Who a foreign entry is: where it comes from and what it is called there, so that it is the same one next time. Pure.

Promises: the same entry has the same identity in a site's feed and in its export, and after http became https; what one
host calls itself never names an entry of another host.
"""

from __future__ import annotations

from urllib.parse import urlsplit


def identity(address: str, called: str) -> tuple[str, str]:
    """(source, foreign id) of an entry that the feed at `address` calls by this guid, id or link.

    What is called by an address on the feed's own host is known by the host; any other name only counts in that feed.
    """
    host, path = place(address)
    theirs = called.strip()
    if theirs.lower().startswith(("http://", "https://")):
        own, rest = place(theirs)
        return (host if own == host else host + path), own + rest
    return host + path, theirs


def identities(origin: str, address: str, called: str) -> tuple[tuple[str, str], ...]:
    """The identities that an entry may have here, its own first, when the feed first read at `origin` is at `address`.

    A feed that moved to another host may call its old entries by addresses there: they may be known by the old ones.
    """
    own = identity(origin, called)
    (old, _), (new, _) = place(origin), place(address)
    host, rest = place(called) if called.strip().lower().startswith(("http://", "https://")) else ("", "")
    return (own, (old, old + rest)) if host == new != old else (own,)


def place(address: str) -> tuple[str, str]:
    """Host and the rest, without what differs between two spellings of one place."""
    try:
        parts = urlsplit(address.strip())
        host = (parts.hostname or "").removeprefix("www.")
        port = parts.port
    except ValueError:  # no address after all: its text is its name
        return "", address.strip()
    rest = parts.path.rstrip("/") + (f"?{parts.query}" if parts.query else "")
    return host + (f":{port}" if port not in (None, 80, 443) else ""), rest
