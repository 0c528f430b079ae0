"""What stands before every page: addresses behind proxies, strict headers, HEAD."""

from __future__ import annotations

import pytest

from digest.web.guard import client_address
from tests.digest.web.conftest import Served

PROXIES = ("10.0.0.0/8", "::1")


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.9", "", "192.0.2.9"),
        ("192.0.2.9", "198.51.100.7", "192.0.2.9"),  # not through our proxy: it may say what it likes
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.1, 198.51.100.7, 10.2.3.4", "198.51.100.7"),
        ("::1", "2001:db8::7", "2001:db8::7"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7, nonsense", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
        ("unix", "198.51.100.7", "unix"),
    ],
)
def test_the_client_is_the_last_hop_that_is_no_trusted_proxy(peer: str, forwarded: str, expected: str) -> None:
    assert client_address(peer, forwarded, PROXIES) == expected


def test_every_answer_is_strict_and_names_no_server(served: Served) -> None:
    for path in ("/", "/nope", "/items/taken-back", "/u/broken", "/healthz", "/static/site.css", "/feeds/all.rss"):
        headers = served.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert "referrer-policy" in headers, path
        assert not {"server", "set-cookie"} & set(headers), path


def test_head_is_answered_like_get_without_a_body(served: Served) -> None:
    paths = ["/", "/items/told", "/topics/", "/topics/hiring", "/feeds/", "/feeds/all.rss", "/editions/", "/ask"]
    paths += [f"/editions/{served.edition}", "/subscribe", "/healthz", "/readyz", "/static/site.css", "/nope"]
    for path in paths:
        got, head = served.client.get(path), served.client.head(path)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        assert head.headers["content-length"] == got.headers["content-length"], path
        assert head.headers["content-type"] == got.headers["content-type"], path


def test_the_host_header_makes_no_link(served: Served) -> None:
    for path in ("/", "/feeds/", "/feeds/all.rss", "/items/told"):
        page = served.client.get(path, headers={"host": "evil.example", "x-forwarded-host": "evil.example"})
        assert "evil.example" not in page.text
