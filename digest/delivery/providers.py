"""Who keeps a reader's mailbox: the large mail providers by name, and all others together. Pure.

Promises: the provider of an address hangs on its domain alone and is a small number that never changes its meaning,
since the ledger keeps it. Refuses to guess: a domain that is not listed is one of all others, also when its mail is
kept by one of those named here; only its owner and the name service know.
"""

from __future__ import annotations

from collections.abc import Mapping

NOT_KNOWN = -1  # of deliveries from before there was this number
OTHERS = 0
GMAIL, MICROSOFT, YAHOO, APPLE = 1, 2, 3, 4

NAMES: Mapping[int, str] = {
    GMAIL: "Gmail",
    MICROSOFT: "Microsoft",
    YAHOO: "Yahoo",
    APPLE: "Apple",
    OTHERS: "All others",
    NOT_KNOWN: "Not known",
}

# Microsoft: outlook.com, hotmail.com, live.com, msn.com and their siblings by country; Yahoo keeps AOL's mail too.
DOMAINS: Mapping[int, tuple[str, ...]] = {
    GMAIL: ("gmail.com", "googlemail.com"),
    MICROSOFT: (
        *("outlook.com", "outlook.de", "outlook.es", "outlook.fr", "outlook.it", "outlook.jp", "outlook.com.br"),
        *("hotmail.com", "hotmail.co.uk", "hotmail.de", "hotmail.es", "hotmail.fr", "hotmail.it", "hotmail.com.br"),
        *("live.com", "live.ca", "live.co.uk", "live.com.mx", "live.de", "live.fr", "live.it", "live.nl", "msn.com"),
    ),
    YAHOO: (
        *("yahoo.com", "yahoo.ca", "yahoo.co.in", "yahoo.co.uk", "yahoo.com.ar", "yahoo.com.au", "yahoo.com.br"),
        *("yahoo.com.mx", "yahoo.de", "yahoo.es", "yahoo.fr", "yahoo.in", "yahoo.it", "myyahoo.com"),
        *("ymail.com", "rocketmail.com", "aol.com", "aim.com"),
    ),
    APPLE: ("icloud.com", "me.com", "mac.com"),
}
_OF_DOMAIN = {domain: provider for provider, domains in DOMAINS.items() for domain in domains}


def of(domain: str) -> int:
    """The provider of this domain."""
    return _OF_DOMAIN.get(domain.lower(), OTHERS)


def of_address(address: str) -> int:
    """The provider of this address."""
    return of(address.rpartition("@")[2])
