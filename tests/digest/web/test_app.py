"""Errors as pages: honest, without a database, and silent about what is secret."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import structlog
from litestar.exceptions import HTTPException
from litestar.testing import RequestFactory
from structlog.testing import capture_logs

from digest.errors import Busy
from digest.home import Home
from digest.web import app
from digest.web.look import Site
from tests.conftest import NOW
from tests.digest.web import serving
from tests.digest.web.conftest import Served


@pytest.fixture
def broken(served: Served) -> Served:
    """A site whose database lost a table."""
    with served.home.db.transaction() as conn:
        conn.exec_driver_sql("ALTER TABLE topics RENAME TO gone")
    return served


def test_a_fault_has_a_reference_number_that_the_log_holds_too(broken: Served) -> None:
    structlog.reset_defaults()
    with capture_logs() as logged:
        answer = broken.client.get("/")
    assert answer.status_code == 500
    assert "Something is wrong on our side" in answer.text
    (event,) = [event for event in logged if event["event"] == "page failed"]
    assert re.fullmatch("[0-9A-F]{8}", event["reference"])
    assert event["reference"] in answer.text
    assert "topics" not in answer.text.replace("/topics/", "")


def test_the_log_never_holds_a_link(broken: Served) -> None:
    link = serving.token(broken.home, "preferences")
    with capture_logs() as logged:
        assert broken.client.get(f"/p/{link}").status_code == 500
    assert logged
    assert link not in repr(logged)


@pytest.mark.parametrize(("path", "status"), [("/nope", 404), ("/items/x/y", 404), ("/search?page=x", 400)])
def test_an_error_is_a_page_with_one_way_on(empty: Served, path: str, status: int) -> None:
    answer = empty.client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "See the latest items" in answer.text
    assert 'name="robots" content="noindex"' in answer.text


def test_an_answer_that_names_the_seconds_says_until_when(home: Home) -> None:
    request = RequestFactory().get("/", state={"site": Site(home, lambda: NOW + timedelta(seconds=30))})
    for error, expected in (
        (HTTPException(status_code=429, headers={"retry-after": "300"}), "Try again after 7:06 a.m. (New York)."),
        (Busy("held"), "Nothing was changed. Try again after 7:02 a.m. (New York)."),
        (HTTPException(status_code=503, headers={"retry-after": "Wed, 09 Sep"}), "Nothing was changed. Wait a few"),
    ):
        answer = app.error_page(request, error)
        assert expected in answer.content.replace("\N{NO-BREAK SPACE}", " "), error
        assert answer.headers["retry-after"]
        assert "See the latest items" in answer.content


def test_an_error_page_needs_no_database(served: Served) -> None:
    served.home.db.read.dispose()
    for file in served.home.path.glob("digest.db*"):
        file.unlink()
    for path, status in (("/", 500), ("/items/told", 500), ("/nope", 404), ("/search?page=x", 400)):
        answer = served.client.get(path)
        assert answer.status_code == status
        assert "<h1>" in answer.text
        assert "See the latest items" in answer.text
    assert served.client.get("/readyz").status_code == 503


def test_a_method_that_a_page_does_not_have_names_those_it_has(empty: Served) -> None:
    answer = empty.client.post("/")
    assert answer.status_code == 405
    assert {"GET", "HEAD"} <= set(answer.headers["allow"].split(", "))
    assert "<h1>" in answer.text
