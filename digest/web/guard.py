"""What stands before every page: the client's address, the headers that keep browsers strict, and HEAD.

Promises: behind trusted proxies `scope["client"]` is the reader's address, and nobody else can claim one; every
answer carries the security headers, a page's own ones win; HEAD is answered wherever GET is, with the same headers
and no body. Refuses: to read the Host header, since links are made from the settings alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Send

STRICT = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' https:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = (
    ("content-security-policy", STRICT),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
)

ONLY_HEAD = "only_head"  # stands in the scope of a GET that was a HEAD


def client_address(peer: str, forwarded_for: str, trusted: Sequence[str]) -> str:
    """The reader's address: the last hop that is no trusted proxy.

    `forwarded_for` is X-Forwarded-For; only what trusted proxies wrote into it counts, read from the right.
    """
    hops = [*(hop.strip() for hop in forwarded_for.split(",") if hop.strip()), peer]
    while len(hops) > 1 and _is_trusted(hops[-1], trusted):
        if not _is_address(hops[-2]):
            break
        hops.pop()
    return hops[-1]


def _is_trusted(address: str, trusted: Sequence[str]) -> bool:
    return _is_address(address) and any(
        ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False) for network in trusted
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class Guard:
    """An ASGI application around another; see the module's promises."""

    def __init__(self, app: ASGIApp, *, trusted_proxies: Sequence[str] = ()) -> None:
        self.app = app
        self.trusted = tuple(trusted_proxies)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        inner: Any = dict(scope)
        inner["client"] = self._client(scope)
        only_head = scope["method"] == "HEAD"
        if only_head:
            inner |= {"method": "GET", ONLY_HEAD: True}
        await self.app(inner, receive, _Answer(send, only_head=only_head))

    def _client(self, scope: Any) -> tuple[str, int] | None:
        client = scope.get("client")
        if not client:
            return None
        forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        address = client_address(client[0], forwarded.decode("latin-1"), self.trusted)
        return (address, client[1] if address == client[0] else 0)


class _Answer:
    """Sends on what the application says, with the headers that are missing, and without a body for HEAD."""

    def __init__(self, send: Send, *, only_head: bool) -> None:
        self.send = send
        self.only_head = only_head
        self.ended = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            extra = [(n.encode(), v.encode()) for n, v in HEADERS if n.encode() not in given]
            await self.send({**message, "headers": [*message["headers"], *extra]})
        elif not (self.only_head and message["type"] == "http.response.body"):
            await self.send(message)
        elif not self.ended:
            self.ended = True
            await self.send({"type": "http.response.body", "body": b"", "more_body": False})
