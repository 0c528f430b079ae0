"""The only way out to foreign hosts: one GET or POST that cannot be turned against the network it starts from.

Promises: a name is resolved once, and the connection goes to an address that was looked at; what comes back is bounded
in size, inflated size and time; each redirect is looked at as the first address was. Refuses: whatever is not http or
https, a name in front of an @, every address that is not public (`is_public`), the way from https back to http, and an
answer that ends before it is whole. An answer with any status is an answer: what 304, 410 or 503 mean is the caller's.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urljoin, urlsplit, urlunsplit

import idna

from digest.errors import BadInput, Refused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

REDIRECTS = (301, 302, 303, 307, 308)
FOR_GOOD = (301, 308)
CHUNK = 64 * 1024

# Ranges that `is_global` lets through, and that lead to an IPv4 host of the sender's choice or to nobody in particular:
# NAT64 (RFC 6052, RFC 8215), 6to4 and its relays (RFC 3056, RFC 7526), Teredo (RFC 4380), site-local (RFC 3879).
INDIRECT = tuple(
    map(
        ipaddress.ip_network,
        ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "192.88.99.0/24", "2001::/32", "fec0::/10", "::/96"),
    )
)


@dataclass(frozen=True)
class Limits:
    """The most that one request may cost."""

    size: int = 20_000_000  # bytes of the body, both as it comes and inflated
    seconds: float = 30.0  # for everything: names, redirects, handshakes, bodies
    redirects: int = 5


@dataclass(frozen=True)
class Answer:
    """What a host answered: where it was found in the end, and where it has moved to for good, if it has."""

    status: int
    fields: Mapping[str, str]  # names in small letters
    body: bytes
    url: str
    moved_to: str | None


def is_public(address: Address) -> bool:
    """Whether anybody on the Internet may reach it (RFC 6890), by no detour."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if any(address in network for network in INDIRECT if network.version == address.version):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host. Raises OSError when it has none."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True)
class Way:
    """How names become addresses, which of them may be reached, and whose certificates are good."""

    resolve: Callable[[str, int], Sequence[str]] = resolve
    permitted: Callable[[Address], bool] = is_public
    tls: ssl.SSLContext | None = None  # the system's authorities


OUT = Way()


def also(networks: Sequence[str]) -> Way:
    """The way out that may reach these networks (CIDR) too, although they are not public."""
    inner = [ipaddress.ip_network(one) for one in networks]
    return Way(permitted=lambda address: is_public(address) or any(address in network for network in inner))


MODEST = Limits()


def get(url: str, *, fields: Mapping[str, str], limits: Limits = MODEST, way: Way = OUT) -> Answer:
    """Asks for an address, after redirects. Raises BadInput for an address that must not be asked, and Refused
    when there is no whole answer within the limits."""
    until = time.monotonic() + limits.seconds
    here, moved_to, for_good = _checked(url), None, True
    for _ in range(limits.redirects + 1):
        answer = _ask(here, fields, limits, way, until)
        location = answer.fields.get("location")
        if answer.status not in REDIRECTS or location is None:
            return Answer(answer.status, answer.fields, answer.body, here, moved_to)
        there = _checked(urljoin(here, location))
        if here.startswith("https:") and there.startswith("http:"):
            raise BadInput(url, f"It leads from https to {there}.", "Ask its publisher to keep it on https.")
        here, for_good = there, for_good and answer.status in FOR_GOOD
        moved_to = there if for_good else moved_to
    raise Refused(f"{url} leads on more than {limits.redirects} times. Write the address where it ends.")


def post(url: str, form: Mapping[str, str], *, limits: Limits = MODEST, way: Way = OUT) -> Answer:
    """Hands a form over. A redirect is an answer: what was meant for one address goes to no other. Raises as `get`."""
    fields = {"Content-Type": "application/x-www-form-urlencoded"}
    until = time.monotonic() + limits.seconds
    return _ask(_checked(url), fields, limits, way, until, urlencode(form).encode("ascii"))


def _checked(url: str) -> str:
    """The address in ASCII, without its fragment. Raises BadInput."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise BadInput(
            url[:200], f"It is no address: {error}.", "Write one such as https://example.org/feed/."
        ) from error
    if parts.scheme not in ("http", "https") or not host:
        raise BadInput(url[:200], "It is no http or https address.", "Write one such as https://example.org/feed/.")
    if "@" in parts.netloc:
        raise BadInput(parts.hostname or "", "A name or password stands in the address.", "Leave it out.")
    try:
        named = host if ":" in host or host.isascii() else idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise BadInput(url[:200], f"{host} is no name of a host.", "Correct it.") from error
    netloc = (f"[{named}]" if ":" in named else named) + (f":{port}" if port else "")
    return urlunsplit(
        (
            parts.scheme,
            netloc,
            quote(parts.path or "/", safe="/%:@!$&'()*+,;=~"),
            quote(parts.query, safe="/%:@!$&'()*+,;=~?"),
            "",
        )
    )


def _ask(
    url: str, fields: Mapping[str, str], limits: Limits, way: Way, until: float, body: bytes | None = None
) -> Answer:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    with _connected(url, _vetted(host, port, way), port, until) as (line, late):
        try:
            if parts.scheme == "https":
                line = (way.tls or ssl.create_default_context()).wrap_socket(line, server_hostname=host)
            with line:
                answer = _exchange(url, line, fields, limits.size, body)
        except (OSError, http.client.HTTPException, zlib.error, Refused) as error:
            if late.is_set():
                raise Refused(_slow(url, limits.seconds)) from error
            if isinstance(error, Refused):
                raise
            raise Refused(f"{url} gave no good answer ({_reason(error)}). Try again later.") from error
        if late.is_set():  # what was cut off may look like the end of a body that tells no length
            raise Refused(_slow(url, limits.seconds))
    return answer


def _exchange(url: str, line: socket.socket, fields: Mapping[str, str], most: int, body: bytes | None) -> Answer:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.sock, connection.auto_open = line, 0
    path = urlunsplit(("", "", parts.path, parts.query, ""))
    asked = {"Host": parts.netloc, "Accept-Encoding": "gzip", "Connection": "close", **fields}
    connection.request("GET" if body is None else "POST", path, body=body, headers=asked)
    with connection.getresponse() as response:
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, named, _whole(response, most, url), url, None)


def _vetted(host: str, port: int, way: Way) -> Sequence[str]:
    """The addresses of a host, each of which may be reached. Raises BadInput when one may not, Refused for none."""
    try:
        found = way.resolve(host, port)
    except (OSError, UnicodeError) as error:
        raise Refused(f"{host} cannot be found ({_reason(error)}). Correct it, or try again later.") from error
    for one in found:
        if not way.permitted(ipaddress.ip_address(one.partition("%")[0])):
            raise BadInput(host, f"It is {one}, which is not on the public Internet.", "Write a public address.")
    return found


@contextmanager
def _connected(
    url: str, addresses: Sequence[str], port: int, until: float
) -> Iterator[tuple[socket.socket, threading.Event]]:
    """A connection to the first address that takes one, cut when time is up, however slowly the host drips."""
    late, line, error = threading.Event(), None, None
    for address in addresses:
        try:
            line = socket.create_connection((address, port), timeout=max(0.001, until - time.monotonic()))
            break
        except OSError as refused:
            error = refused
    if line is None:
        raise Refused(f"{url} takes no connection ({_reason(error)}). Try again later.")
    lever = line.dup()  # TLS takes the first one over; shutting down either ends both

    def cut() -> None:
        late.set()
        with suppress(OSError):  # it has gone already
            lever.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, until - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield line, late
    finally:
        timer.cancel()
        timer.join()
        lever.close()
        line.close()


def _whole(response: http.client.HTTPResponse, most: int, url: str) -> bytes:
    """The body, inflated. Raises Refused when it is too much, cut off, or packed in a way that was not asked for."""
    packed = (response.getheader("content-encoding") or "identity").strip().lower()
    if packed not in ("identity", "gzip", "x-gzip"):
        raise Refused(f"{url} is packed as {packed[:40]}, which was not asked for. Tell its publisher.")
    inflate = None if packed == "identity" else zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    body, came = bytearray(), 0
    while chunk := response.read1(CHUNK):
        came += len(chunk)
        body += chunk if inflate is None else inflate.decompress(chunk, most + 1 - len(body))
        if came > most or len(body) > most:
            raise Refused(f"{url} is larger than {most:,} bytes. Ask its publisher for a shorter one.")
    if response.length or (inflate is not None and came and not inflate.eof):
        raise Refused(f"{url} ended before it was whole. Try again later.")
    return bytes(body)


def _slow(url: str, seconds: float) -> str:
    return f"{url} did not answer within {seconds:g} seconds. Try again later."


def _reason(error: BaseException | None) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {error.verify_message}"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)[:200]
