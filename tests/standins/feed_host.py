"""A site with a feed that changes: a test says what each path answers, and `asked` are the requests that came."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from email.utils import format_datetime

from tests.standins.hostile_host import HostileHost, Script, listening

Does = Callable[[], object]


def post(number: int, title: str, at: datetime | None, *, text: str = "Text.", host: str = "site.example") -> str:
    """An entry as WordPress writes it."""
    dated = f"<pubDate>{format_datetime(at)}</pubDate>" if at else ""
    return (
        f"<item><title>{title}</title><link>https://{host}/{number}-a-post/</link>{dated}"
        f'<guid isPermaLink="false">https://{host}/?p={number}</guid><category>Law</category>'
        f"<description><![CDATA[<p>{text}</p>]]></description></item>"
    )


def rss(*posts: str, title: str = "Task force") -> bytes:
    """A feed of these entries, in this order."""
    return (
        f'<?xml version="1.0"?><rss version="2.0"><channel><title>{title}</title>'
        f"<link>https://site.example/</link>{''.join(posts)}</channel></rss>"
    ).encode()


class FeedHost:
    """What it says is set by `says`; `during` runs in the middle of an answer."""

    def __init__(self, host: HostileHost, scripts: dict[str, Script]) -> None:
        self._host, self._scripts = host, scripts
        self.port = host.port
        self.url = f"http://{host.address}:{host.port}"
        self.feed = f"{self.url}/feed/"

    @property
    def asked(self) -> list[bytes]:
        """The requests that came, the latest last."""
        return self._host.asked

    def says(
        self, body: bytes = b"", status: str = "200 OK", path: str = "/feed/", during: Does | None = None, **fields: str
    ) -> None:
        """From now on this path answers so."""
        lines = [
            f"HTTP/1.1 {status}",
            *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items()),
            "",
            "",
        ]

        def script() -> Iterator[bytes]:
            if during is not None:
                during()
            yield "\r\n".join(lines).encode() + body

        self._scripts[path] = script


@contextmanager
def feed_host(address: str = "127.0.0.1") -> Iterator[FeedHost]:
    """A host at this address of this machine, gone afterwards."""
    scripts: dict[str, Script] = {}
    with listening(address, scripts) as host:
        yield FeedHost(host, scripts)
