"""The address that somebody probably meant, when its domain is nearly one that very many people have. Pure.

Promises: suggests only, and only one letter or two from a well-known domain; a domain that is well known itself is
never doubted. Refuses nothing.
"""

from __future__ import annotations

from difflib import get_close_matches

KNOWN = (
    *("gmail.com", "googlemail.com", "yahoo.com", "hotmail.com", "outlook.com", "live.com", "msn.com", "aol.com"),
    *("icloud.com", "me.com", "mac.com", "comcast.net", "verizon.net", "att.net", "sbcglobal.net", "protonmail.com"),
    *("proton.me", "gmx.com", "gmx.net", "gmx.de", "web.de", "mail.com", "fastmail.com", "yahoo.es", "hotmail.es"),
    *("outlook.es", "yahoo.com.mx", "hotmail.co.uk", "yahoo.co.uk", "orange.fr", "laposte.net"),
)
ALIKE = 0.85  # of the letters


def meant(email: str) -> str:
    """name@gmail.com for name@gmial.com; empty when nothing needs to be asked."""
    local, _, domain = email.strip().rpartition("@")
    domain = domain.lower()
    if not local or domain in KNOWN:
        return ""
    found = get_close_matches(domain, KNOWN, n=1, cutoff=ALIKE)
    near = found and abs(len(found[0]) - len(domain)) <= 1 and found[0] != domain
    return f"{local}@{found[0]}" if near else ""
