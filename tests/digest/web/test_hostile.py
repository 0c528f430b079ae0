"""Whatever a form or an address of the site is sent, it answers with a whole page, breaks nothing, and loses nothing.

Every route of the table is tried, with a few things that are always the same; `python -m tests.digest.web.siege` goes
on with others.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice

import httpx
import pytest

from digest.web.console import door
from tests.digest.web import hostile, siege
from tests.digest.web.hostile import Attempt, Field, Sheet
from tests.digest.web.hostile_values import PLAIN
from tests.digest.web.siege import Siege

EACH = 3  # things that every form is sent


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    with siege.laid(tmp_path_factory.mktemp("siege")) as found:
        yield found


@pytest.fixture(scope="module")
def forms(besieged: Siege) -> dict[str, list[tuple[str, Sheet]]]:
    return siege.sheets(besieged)


def test_no_form_breaks(besieged: Siege, forms: dict[str, list[tuple[str, Sheet]]]) -> None:
    faults = []
    for pattern, sheets in forms.items():
        for number, (least, sheet) in enumerate(sheets[:6]):
            dice = random.Random(f"{pattern} {number}")
            for attempt in islice(hostile.attempts(sheet, dice), EACH):
                faults += besieged.send(attempt, least)
    assert faults == []


def test_no_address_breaks(besieged: Siege) -> None:
    faults, asks = [], ["before", "below", "done", "q", "person", "digest", "topic", "since", "month", "language", "to"]
    for route, address in siege.all_pages(besieged):
        for attempt in islice(hostile.looks(address, siege.places(route), asks, random.Random(address)), 2):
            faults += besieged.send(attempt, route.least)
    assert faults == []


# Of each form a field, and what is longer than it may be.
LONG = (
    ("/staff/schedule/{digest}/{cadence}/skip", "why", 201),
    ("/staff/people/new", "name", 201),
    ("/staff/people/new", "words", 4_001),
    ("/staff/people/import/{file}/try", "words", 4_001),
    ("/staff/people/do-not-mail", "email", 255),
    ("/staff/people/do-not-mail/allow", "why", 1_001),
    ("/staff/account", "name", 201),
    ("/staff/activity/staff", "name", 255),
    ("/staff/schedule/{digest}", "description", 1_001),
    ("/staff/letters/new", "subject", 10_001),
    ("/staff/items/{slug}/withdraw", "why", 501),
    ("/ask", "name", 101),
)


@pytest.mark.parametrize(("pattern", "field", "length"), LONG)
def test_what_was_typed_is_kept_when_a_field_is_too_long(
    besieged: Siege, forms: dict[str, list[tuple[str, Sheet]]], pattern: str, field: str, length: int
) -> None:
    least, sheet = forms[pattern][0]
    typed = {
        one.name: one.value or f"kept {one.name} words"
        for one in sheet.fields
        if one.is_typed and one.name != field and one.kind in ("text", "textarea")
    }
    fields = [Field(one.name, typed.get(one.name, one.value), one.kind) for one in sheet.fields if one.name != field]
    body = hostile.plain([*((one.name, one.value) for one in fields if one.value), (field, "x" * length)])
    kept = (*typed.values(), "x" * length)
    attempt = Attempt(f"{field} is long", sheet.action, body, "application/x-www-form-urlencoded", kept)
    assert besieged.send(attempt, least) == []
    answer = besieged.client.post(
        attempt.address,
        content=body,
        headers={"content-type": attempt.kind, "cookie": f"digest-staff={besieged.world.owner}"},
    )
    assert answer.status_code == 400, answer.headers
    assert "longer than" in answer.text


def test_half_a_page_and_lost_words_are_seen(besieged: Siege) -> None:
    page = besieged.page("/staff/people/999999", door.ANYONE)
    assert [*hostile.faults(Attempt("", "/"), page)] == []
    assert "lost" in next(hostile.faults(Attempt("", "/", kept=("these words",)), _as(page, 400)))
    assert "answered 500" in next(hostile.faults(Attempt("", "/"), _as(page, 500)))


def _as(answer: httpx.Response, status: int) -> httpx.Response:
    page = "<html><body><main><h1>No.</h1><a href='/'>On</a></main></body></html>"
    return httpx.Response(status, html=page, request=answer.request)


def test_a_number_that_no_database_holds_is_no_edition(besieged: Siege) -> None:
    for number in ("0", "2147483648", "9" * 40):
        assert besieged.page(f"/editions/{number}", door.ANYONE).status_code == 404


def test_the_reason_for_taking_back_what_is_not_published_is_kept(
    besieged: Siege, forms: dict[str, list[tuple[str, Sheet]]]
) -> None:
    sheets = [one for _, one in forms["/staff/items/{slug}/withdraw"] if "/unfinished/" in one.action]
    token = next(one.value for one in sheets[0].fields if one.name == "form_token")
    body = hostile.plain([("form_token", token), ("why", "these words")])
    headers = {"content-type": PLAIN, "cookie": f"digest-staff={besieged.world.owner}"}
    answer = besieged.client.post(sheets[0].action, content=body, headers=headers)
    assert answer.status_code == 409
    assert "these words" in answer.text
    assert "nothing to withdraw" in answer.text
