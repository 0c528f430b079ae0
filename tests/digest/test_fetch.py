"""The way out to foreign hosts, against hosts that mean harm: real sockets, names that lie, bodies that swell."""

from __future__ import annotations

import gzip
import ipaddress
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from digest import fetch
from digest.errors import BadInput, Refused
from tests.standins import certificates
from tests.standins.hostile_host import HostileHost, Script, listening

OUTSIDE, INSIDE = "127.0.0.2", "127.0.0.1"
NAMES = {"feeds.example": [OUTSIDE], "inside.example": [INSIDE], "both.example": [OUTSIDE, INSIDE]}
SMALL = fetch.Limits(size=1_000_000, seconds=10.0, redirects=3)


def way(tls: ssl.SSLContext | None = None) -> fetch.Way:
    """Only OUTSIDE counts as public; the names are those above."""

    def resolve(host: str, port: int) -> Sequence[str]:
        return NAMES[host] if host in NAMES else fetch.resolve(host, port)

    return fetch.Way(resolve, lambda address: str(address) == OUTSIDE, tls)


def head(status: str = "200 OK", **fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode()


def says(*pieces: bytes) -> Script:
    return lambda: iter(pieces)


def get(host: HostileHost, path: str, limits: fetch.Limits = SMALL, **fields: str) -> fetch.Answer:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return fetch.get(f"http://feeds.example:{host.port}{path}", fields=named, limits=limits, way=way())


def test_an_answer_comes_whole_with_its_fields() -> None:
    scripts = {"/feed%20%C3%A9?a=1": says(head(Content_Length="5", ETag='"x"'), b"hello")}
    with listening(OUTSIDE, scripts) as host:
        answer = get(host, "/feed é?a=1#part", If_None_Match='"w"')
    assert (answer.status, answer.body, answer.fields["etag"], answer.moved_to) == (200, b"hello", '"x"', None)
    assert b"If-None-Match" in host.asked[0]
    assert b"Host: feeds.example" in host.asked[0]


def test_what_has_not_changed_is_an_answer() -> None:
    with listening(OUTSIDE, {"/": says(head("304 Not Modified"))}) as host:
        assert get(host, "").status == 304


def test_packed_and_chunked_answers_are_unpacked() -> None:
    body = gzip.compress(b"x" * 1000)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i : i + 7]), body[i : i + 7]) for i in range(0, len(body), 7))
    packed = head(Content_Encoding="gzip", Transfer_Encoding="chunked")
    with listening(OUTSIDE, {"/": says(packed, chunks, b"0\r\n\r\n")}) as host:
        assert get(host, "/").body == b"x" * 1000


@pytest.mark.parametrize(("status", "moved"), [("301 Moved", True), ("308 Moved", True), ("302 Found", False)])
def test_a_redirect_is_followed_and_told_when_it_is_for_good(status: str, moved: bool) -> None:
    scripts = {"/old": says(head(status, Location="/new")), "/new": says(head(Content_Length="2"), b"ok")}
    with listening(OUTSIDE, scripts) as host:
        answer = get(host, "/old")
    assert answer.body == b"ok"
    assert answer.url.endswith("/new")
    assert answer.moved_to == (answer.url if moved else None)


@pytest.mark.parametrize(
    "to", ["http://inside.example:{port}/", "http://127.0.0.1:{port}/", "//0x7f000001:{port}/", "http://[::1]:{port}/"]
)
def test_a_redirect_to_the_inside_is_refused_and_nobody_is_asked(to: str) -> None:
    with listening(OUTSIDE, {}) as free:
        port = free.port
    scripts = {"/": says(head("302 Found", Location=to.format(port=port)))}
    with listening(OUTSIDE, scripts, port=port) as host, listening(INSIDE, {"/": says(head())}, port=port) as inside:
        with pytest.raises(BadInput, match="not on the public Internet"):
            get(host, "/")
        assert inside.asked == []


def test_a_name_is_asked_for_once_so_a_second_answer_cannot_lead_inside() -> None:
    answers = iter([[OUTSIDE], [INSIDE]])
    with listening(OUTSIDE, {"/": says(head(Content_Length="2"), b"ok")}) as host:
        flips = fetch.Way(lambda name, port: next(answers), way().permitted)
        with listening(INSIDE, {"/": says(head())}, port=host.port) as inside:
            assert fetch.get(f"http://flip.example:{host.port}/", fields={}, limits=SMALL, way=flips).body == b"ok"
        assert inside.asked == []
        assert list(answers) == [[INSIDE]]


def test_a_name_with_one_address_inside_is_refused() -> None:
    with pytest.raises(BadInput, match=INSIDE):
        fetch.get("http://both.example:9/", fields={}, limits=SMALL, way=way())


@pytest.mark.parametrize(
    "url",
    ["http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/", "http://①②⑦.⓪.⓪.①/",
     "http://127。0。0。1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[64:ff9b::7f00:1]/",
     "http://[2002:7f00:1::]/", "http://[fe80::1%lo]/", "http://0.0.0.0/", "http://169.254.169.254/", "http://10.0.0.1/",
     "http://224.0.0.1/", "http://localhost/"],
)  # fmt: skip
def test_every_way_to_write_an_inner_address_is_refused(url: str) -> None:
    with pytest.raises(BadInput):
        fetch.get(url, fields={}, limits=SMALL)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "gopher://feeds.example/", "feeds.example", "http://", "http://u:p@feeds.example/",
            "http://feeds.example:99999/", "http://[::1/", "http://feeds.example\\@127.0.0.1/"],
)  # fmt: skip
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises((BadInput, Refused)):
        fetch.get(url, fields={}, limits=SMALL, way=way())


def test_the_lines_of_a_request_cannot_be_added_to() -> None:
    with listening(OUTSIDE, {"/a%0D%0AX-Bad:1": says(head()), "/aX-Bad:1": says(head())}) as host:
        get(host, "/a\r\nX-Bad:1")
    assert b"\r\nX-Bad" not in host.asked[0]


PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8"]
PRIVATE = ["10.0.0.1", "100.64.0.1", "192.168.1.1", "198.18.0.1", "240.0.0.1", "255.255.255.255", "ff02::1", "fec0::1",
           "fc00::1", "2001::1", "::7f00:1", "::ffff:10.0.0.1", "192.88.99.1", "2001:db8::1", "::"]  # fmt: skip


@pytest.mark.parametrize(("address", "public"), [*((a, True) for a in PUBLIC), *((a, False) for a in PRIVATE)])
def test_what_is_public(address: str, public: bool) -> None:
    assert fetch.is_public(ipaddress.ip_address(address)) is public


def bomb(size: int) -> Iterator[bytes]:
    packer = zlib.compressobj(9, wbits=31)
    for _ in range(size // 1_000_000):
        yield packer.compress(b"\0" * 1_000_000)
    yield packer.flush()


def test_what_swells_is_cut_off_and_does_not_fill_the_memory() -> None:
    packed = b"".join(bomb(300_000_000))
    with listening(OUTSIDE, {"/": says(head(Content_Encoding="gzip"), packed)}) as host:
        tracemalloc.start()
        with pytest.raises(Refused, match="larger than 1,000,000 bytes"):
            get(host, "/")
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
        tracemalloc.stop()


def endless() -> Iterator[bytes]:
    yield head()
    while True:
        yield b"<item/>" * 1000


def test_what_never_ends_is_cut_off() -> None:
    with listening(OUTSIDE, {"/": endless}) as host, pytest.raises(Refused, match="larger"):
        get(host, "/")


def dripping(begin: bytes, drop: bytes, over: threading.Event) -> Iterator[bytes]:
    yield begin
    while not over.wait(0.05):
        yield drop


@pytest.mark.parametrize(
    ("begin", "drop"),
    [(b"", b"H"), (b"HTTP/1.1 200 OK\r\nX: ", b"y"), (head(Content_Length="9999"), b"z"), (head(), b"z"),
     (b"", b"HTTP/1.1 100 Continue\r\n\r\n")],
)  # fmt: skip
def test_what_drips_is_cut_when_the_time_is_up(begin: bytes, drop: bytes) -> None:
    over = threading.Event()
    began = time.monotonic()
    with listening(OUTSIDE, {"/": lambda: dripping(begin, drop, over)}) as host:
        with pytest.raises(Refused, match=r"did not answer within 0\.5 seconds"):
            get(host, "/", fetch.Limits(seconds=0.5))
        over.set()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        ((head(Content_Length="10"), b"short"), "whole"),
        ((head(Transfer_Encoding="chunked"), b"5\r\nab"), "no good answer"),
        ((head(Content_Encoding="gzip"), gzip.compress(b"x" * 999)[:-9]), "whole"),
        ((head(Content_Encoding="gzip"), b"not packed"), "no good answer"),
        ((head(Content_Encoding="br"), b"?"), "packed as br"),
        ((b"220 mail.example.org ESMTP\r\n",), "no good answer"),
        ((b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",), "no good answer"),
        ((b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",), "no good answer"),
        ((), "no good answer"),
    ],
)
def test_half_an_answer_is_none(pieces: Sequence[bytes], why: str) -> None:
    with listening(OUTSIDE, {"/": says(*pieces)}) as host, pytest.raises(Refused, match=why):
        get(host, "/")


def test_a_ring_of_redirects_ends() -> None:
    with listening(OUTSIDE, {"/": says(head("301 Moved", Location="/"))}) as host:
        with pytest.raises(Refused, match="more than 3 times"):
            get(host, "/")
        assert len(host.asked) == 4


def test_a_host_that_takes_no_connection_is_told() -> None:
    with listening(OUTSIDE, {}) as host:
        port = host.port
    with pytest.raises(Refused, match="takes no connection"):
        fetch.get(f"http://feeds.example:{port}/", fields={}, limits=SMALL, way=way())


def test_a_form_is_handed_over_once_and_no_redirect_takes_it_elsewhere() -> None:
    scripts = {"/": says(head("307 Away", Location="/other")), "/other": says(head())}
    with listening(OUTSIDE, scripts) as host:
        answer = fetch.post(f"http://feeds.example:{host.port}/", {"a": "1 & 2", "b": "é"}, limits=SMALL, way=way())
        assert answer.status == 307
        (asked,) = host.asked
        lines, _, body = asked.partition(b"\r\n\r\n")
        assert lines.startswith(b"POST / HTTP/1.1\r\n")
        assert b"\r\nContent-Type: application/x-www-form-urlencoded" in lines
        assert body == b"a=1+%26+2&b=%C3%A9"
        with pytest.raises(BadInput, match="not on the public Internet"):
            fetch.post(f"http://inside.example:{host.port}/", {}, limits=SMALL, way=way())


@pytest.fixture
def trusted(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What the host shows, and what the way out trusts."""
    made = certificates.make(tmp_path, names=("feeds.example",))
    shows = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shows.load_cert_chain(made.certificate, made.key)
    return shows, ssl.create_default_context(cafile=str(made.authority))


def ask_tls(host: HostileHost, name: str, tls: ssl.SSLContext | None) -> fetch.Answer:
    return fetch.get(f"https://{name}:{host.port}/", fields={}, limits=SMALL, way=way(tls))


def test_the_certificate_is_that_of_the_name_although_the_connection_goes_to_an_address(
    trusted: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    shows, trusts = trusted
    monkeypatch.setitem(NAMES, "other.example", [OUTSIDE])
    with listening(OUTSIDE, {"/": says(head(Content_Length="2"), b"ok")}, tls=shows) as host:
        assert ask_tls(host, "feeds.example", trusts).body == b"ok"
        with pytest.raises(Refused, match="certificate is not good"):
            ask_tls(host, "other.example", trusts)
        with pytest.raises(Refused, match="certificate is not good"):
            ask_tls(host, "feeds.example", None)


def test_the_way_from_https_back_to_http_is_refused(trusted: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    shows, trusts = trusted
    scripts: Mapping[str, Script] = {"/": says(head("302 Found", Location="http://feeds.example/"))}
    with listening(OUTSIDE, scripts, tls=shows) as host, pytest.raises(BadInput, match="from https to http"):
        ask_tls(host, "feeds.example", trusts)
