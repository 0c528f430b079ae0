"""`digest staff`: who works here, from the machine itself."""

from __future__ import annotations

from tests.digest.cli.conftest import Digest


def test_somebody_is_added_let_in_again_and_ended(digest: Digest) -> None:
    added = digest("staff", "add", "tom@example.org", "--name", "Tom Okafor", "--role", "editor", "--json").document
    assert added["link"].startswith("http://127.0.0.1:8080/staff/in/")
    again = digest("staff", "link", "TOM@example.org", "--json").document
    assert again["link"] != added["link"]
    assert "tom@example.org    editor  no           never      Tom Okafor" in digest("staff", "list").out
    assert digest("staff", "set", "tom@example.org", "--role", "viewer").out == "Tom Okafor is viewer now.\n"
    assert digest("staff", "end", "tom@example.org", "--yes").out == "The account of Tom Okafor has ended.\n"
    assert "Tom" not in digest("staff", "list").out


def test_what_cannot_be_is_told(digest: Digest) -> None:
    digest("staff", "add", "dana@example.org", "--role", "owner")
    assert "is one of the staff already" in digest("staff", "add", "Dana@example.org").line
    assert "'boss' is no role" in digest("staff", "add", "new@example.org", "--role", "boss").line
    assert "is not one of the staff" in digest("staff", "end", "new@example.org", "--yes").line


def test_the_first_owner_gets_a_new_link_until_they_have_signed_in(digest: Digest) -> None:
    first, second = (digest("setup", "--json").document["link"] for _ in range(2))
    assert first
    assert second
    assert first != second
    assert len(digest("staff", "list", "--json").document) == 1
    digest("staff", "add", "dana@example.org", "--role", "owner")
    assert digest("setup", "--json").document["link"] == ""
