"""The pages behind the links in mails: leaving always works, and nothing else ever happens by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from digest import keys, publications
from digest.home import Home
from digest.tables import metadata
from subscribers import consent, departures, journal, links, members, records, tables
from subscribers.pages.frame import PRIVATE
from tests.conftest import NOW
from tests.digest.web import serving
from tests.subscribers import world

ONE_CLICK = "List-Unsubscribe=One-Click"
FORM = {"content-type": "application/x-www-form-urlencoded"}
MULTIPART = {"content-type": "multipart/form-data; boundary=cut"}
PARTS = '--cut\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--cut--\r\n'


@dataclass(frozen=True)
class Reader:
    """One person of one digest, and the running site."""

    home: Home
    client: httpx.Client
    digest_id: int
    subscriber_id: int

    def link(self, scope: str) -> str:
        letter = "u" if scope == links.UNSUBSCRIBE else "p"
        return f"/{letter}/{serving.token(self.home, scope, self.subscriber_id, self.digest_id)}"

    @property
    def subscription(self) -> records.Subscription:
        with self.home.db.reading() as conn:
            return world.subscription(conn, self.digest_id, self.subscriber_id)

    @property
    def state(self) -> str:
        return self.subscription.state

    def press(self, button: str, **fields: str) -> httpx.Response:
        """Presses a button of the preferences page."""
        return self.client.post(self.link("preferences"), data={"do": button, **fields})


@pytest.fixture
def reader(home: Home) -> Iterator[Reader]:
    """Ann, who gets detainers monthly, hiring not at all and the rest weekly, at 5 p.m. in New York."""
    with home.db.transaction() as conn:
        digest_id = world.digest(conn)
        publications.set_topic(conn, "hiring", "Hiring officers")
        publications.set_topic(conn, "detainers", "Detainers")
        publications.set_topic(conn, "safety", "Crime and safety")
        choices = {"hiring": "off", "detainers": "monthly", "*": "weekly"}
        added = members.add(conn, home.keys, "ann@example.org", digest_id=digest_id, now=NOW, mapping=choices, hour=17)
    assert added.subscriber_id is not None
    with serving.serve(home) as address, serving.client(address) as client:
        yield Reader(home, client, digest_id, added.subscriber_id)


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (FORM, ONE_CLICK),
        (MULTIPART, PARTS),
        ({}, ""),
        ({"content-type": "application/json"}, "{broken"),
        (MULTIPART, "no part at all"),
        (FORM, "x" * 200_000),
    ],
)
def test_any_post_ends_the_subscription_without_redirect_or_cookie(
    reader: Reader, slash: str, headers: dict[str, str], body: str
) -> None:
    for _ in range(2):
        answer = reader.client.post(reader.link("unsubscribe") + slash, headers=headers, content=body)
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
        assert "You are unsubscribed" in answer.text
        assert reader.state == "left"


def test_get_and_head_change_nothing(reader: Reader) -> None:
    for scope in ("unsubscribe", "preferences"):
        for method in ("GET", "HEAD", "OPTIONS"):
            for slash in ("", "/"):
                assert reader.client.request(method, reader.link(scope) + slash).is_success
    assert reader.state == "active"


def test_the_page_asks_with_one_button_and_offers_less_below_it(reader: Reader) -> None:
    link = reader.link("unsubscribe")
    page = reader.client.get(link).text
    assert "<h1>Unsubscribe?</h1>" in page
    assert "a•••••@example.org" in page
    assert "ann@" not in page
    posts = re.findall(r'<form method="post" action="([^"]*)">', page)
    assert posts == [link, f"{link}/less", f"{link}/pause", f"{link}/settings"]
    assert page.count('class="button wide"') == 1


def test_the_button_says_the_same_words_each_time_and_when_all_is_gone(reader: Reader) -> None:
    link = reader.link("unsubscribe")
    first = reader.client.post(link).text
    assert reader.client.post(link).text == first
    assert reader.client.get(link).text == first
    with reader.home.db.transaction() as conn:
        conn.execute(sa.delete(tables.subscriptions))
    gone = reader.client.post(link)
    assert gone.status_code == 200
    assert gone.text == first.replace("a•••••@example.org", "Your address")


def test_a_link_of_a_digest_that_is_gone_still_says_that_it_is_over(reader: Reader) -> None:
    other = f"/u/{serving.token(reader.home, links.UNSUBSCRIBE, reader.subscriber_id, 4711)}"
    for answer in (reader.client.get(other), reader.client.post(other)):
        assert answer.status_code == 200
        assert "You are unsubscribed" in answer.text
    assert reader.state == "active"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_broken_link_is_told_honestly_and_changes_nothing(reader: Reader, method: str) -> None:
    good = reader.link("unsubscribe")
    of_other_scope = "/u/" + reader.link("preferences")[3:]
    for path in (good[:-1], good + "x", "/u/nonsense", "/u/%00", "/p/nonsense", of_other_scope, "/p/" + good[3:]):
        answer = reader.client.request(method, path)
        assert answer.status_code == 400, path
        assert "This link is not complete" in answer.text
        assert "unsubscribed" not in answer.text
    assert reader.state == "active"


def test_a_link_that_lost_its_whole_end_is_no_riddle(reader: Reader) -> None:
    for path in ("/u", "/u/", "/p/"):
        answer = reader.client.get(path)
        assert answer.status_code == 400
        assert "This link is not complete" in answer.text


def test_an_old_preferences_link_is_refused(reader: Reader) -> None:
    expired = (NOW - timedelta(days=1)).date()
    token = links.issue(reader.home.keys, "preferences", reader.digest_id, reader.subscriber_id, expires=expired)
    assert reader.client.post(f"/p/{token}").status_code == 400
    assert reader.state == "active"


def test_the_page_of_choices_shows_them_and_can_end_it(reader: Reader) -> None:
    page = reader.client.get(reader.link("preferences")).text
    assert chosen(page) == {"safety": "weekly", "detainers": "monthly", "hiring": "off", "*": "weekly"}
    assert '<option value="17" selected>5:00\N{NO-BREAK SPACE}p.m.</option>' in page
    assert '<option value="America/New_York" selected>New York</option>' in page
    assert "a•••••@example.org" in page
    assert reader.state == "active"
    assert "You are unsubscribed" in reader.press("leave").text
    assert reader.state == "left"


def chosen(page: str) -> dict[str, str]:
    """What is checked in the table."""
    return dict(re.findall(r'name="often-([^"]+)" value="(\w+)"[^>]* checked>', page))


def test_a_pause_is_shown_with_its_end(reader: Reader) -> None:
    with reader.home.db.transaction() as conn:
        until = (NOW + timedelta(days=30)).date()
        members.pause(conn, reader.digest_id, reader.subscriber_id, now=NOW, until=until)
    assert "Paused until October 7." in reader.client.get(reader.link("preferences")).text


# --- what the buttons of the preferences do --------------------------------------------------------------------


def test_changes_are_saved_and_kept_as_evidence(reader: Reader) -> None:
    fields = {"often-hiring": "daily", "often-*": "off", "hour": "6", "zone": "Europe/Madrid"}
    page = reader.press("save", **fields).text
    assert "Saved." in page
    assert chosen(page) == {"safety": "off", "detainers": "monthly", "hiring": "daily", "*": "off"}
    one = reader.subscription
    assert (one.hour, one.zone) == (6, "Europe/Madrid")
    with reader.home.db.reading() as conn:
        event = consent.of_subscriber(conn, reader.subscriber_id)[-1]
    assert (event.what, event.origin.text) == ("changed", "*=off;detainers=monthly;hiring=daily")
    assert event.origin.ip == "127.0.0.1"
    assert "Saved." not in reader.press("save", **fields).text


def test_fewer_is_one_press_each(reader: Reader) -> None:
    assert chosen(reader.press("slower").text) == {
        "safety": "monthly", "detainers": "monthly", "hiring": "off", "*": "monthly",
    }  # fmt: skip
    assert "Switch to monthly" not in reader.client.get(reader.link("preferences")).text
    assert chosen(reader.press("drop", topic="detainers").text)["detainers"] == "off"
    day = (NOW + timedelta(days=40)).date()
    assert "Paused until October 17." in reader.press("pause", until=day.isoformat()).text
    assert reader.state == "paused"
    assert "Mail comes again." in reader.press("wake").text
    assert reader.state == "active"


@pytest.mark.parametrize(
    "fields",
    [
        {"do": "save", "often-hiring": "hourly"},
        {"do": "save", "hour": "25"},
        {"do": "save", "hour": "-1"},
        {"do": "save", "zone": "Mars/Olympus"},
        {"do": "pause", "until": "2026-09-07"},
        {"do": "pause", "until": "2028-01-01"},
        {"do": "pause", "until": "soon"},
        {"do": "drop", "topic": "<b>"},
        {"do": "shred"},
        {"do": ["save", "leave"]},
        {"do": "save", "hour": ["6", "7"]},
        {},
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(reader: Reader, fields: dict[str, Any]) -> None:
    before = reader.subscription
    answer = reader.client.post(reader.link("preferences"), data=fields)
    assert answer.status_code == 400
    assert "<title>Error: " in answer.text
    assert reader.subscription == before


def test_json_and_multipart_bodies_are_no_form(reader: Reader) -> None:
    before = reader.subscription
    link = reader.link("preferences")
    assert reader.client.post(link, json={"do": {"leave": ["yes"]}}).status_code == 400
    assert reader.client.post(link, files={"do": b"leave"}).status_code == 400
    assert reader.subscription == before


def test_mails_a_month_are_reckoned_from_what_was_published_of_late(reader: Reader) -> None:
    assert "less than one e-mail a month" in reader.client.get(reader.link("preferences")).text
    with reader.home.db.transaction() as conn:
        for week in range(12):
            world.publish(conn, "safety", at=NOW - timedelta(weeks=week, days=1))
    page = reader.client.get(reader.link("preferences")).text
    assert "Right now: about 4 e-mails a month." in page
    assert "About 1 e-mail a month instead of 4" in page


def test_a_mail_that_is_made_already_is_told(reader: Reader) -> None:
    told = "A mail for you is already made"
    assert told not in reader.client.get(reader.link("preferences")).text
    with reader.home.db.transaction() as conn:
        sequence = world.publish(conn, "safety")
        edition = world.freeze(conn, reader.digest_id, "weekly")
        world.plan_row(conn, edition, reader.subscriber_id, [sequence])
    assert told in reader.client.get(reader.link("preferences")).text


# --- less instead of nothing -----------------------------------------------------------------------------------


def test_less_can_be_had_behind_the_unsubscribe_link(reader: Reader) -> None:
    link = reader.link("unsubscribe")
    assert "Less from now on" in reader.client.post(f"{link}/less").text
    assert reader.subscription.preferences == {"hiring": "off", "detainers": "monthly", "*": "monthly"}
    assert "gets nothing until December\N{NO-BREAK SPACE}7, 2026" in reader.client.post(f"{link}/pause").text
    assert reader.state == "paused"
    assert reader.client.post(f"{link}/shred").status_code == 400
    assert reader.client.post("/u/broken/pause").status_code == 400


def test_the_evidence_has_what_changed_and_nothing_that_did_not(reader: Reader) -> None:
    link = reader.link("unsubscribe")
    for step in ("less", "less", "pause", "pause"):
        reader.client.post(f"{link}/{step}")
    with reader.home.db.reading() as conn:
        events = [event.what for event in consent.of_subscriber(conn, reader.subscriber_id)]
    assert events == ["added", "changed", "paused"]


def test_everything_can_be_left_a_word_said_and_a_way_back_asked_for(reader: Reader) -> None:
    link = reader.link("unsubscribe")
    reader.client.post(link)
    assert "A person reads" in reader.client.post(f"{link}/why", data={"why": "Too\nmany"}).text
    assert "message is there within a few minutes" in reader.client.post(f"{link}/back").text
    assert "no mail of any kind" in reader.client.post(f"{link}/everything").text
    with reader.home.db.reading() as conn:
        assert records.find(conn, "ann@example.org").suppressed == "left"
        events = [(event.what, event.origin.text) for event in consent.of_subscriber(conn, reader.subscriber_id)]
        assert events[-2:] == [("left", ""), ("said why", "Too many")]
        assert [row.kind for row in conn.execute(sa.select(tables.asks))] == ["sign-up"]
    assert [line["what"] for line in journal.read(reader.home.path)] == ["left", "suppressed"]


def test_pages_behind_a_link_leave_no_trace_and_offer_no_way_elsewhere(reader: Reader) -> None:
    pages = [reader.client.get(reader.link("unsubscribe")), reader.client.get(reader.link("preferences"))]
    pages += [reader.client.get("/u/broken"), reader.client.post(reader.link("unsubscribe"))]
    for answer in pages:
        assert {name: answer.headers[name] for name in PRIVATE} == PRIVATE
        assert "<nav" not in answer.text
        assert "noindex" in answer.text


def test_a_leave_that_cannot_be_stored_is_never_called_done(reader: Reader) -> None:
    link = reader.link("unsubscribe")
    with reader.home.db.transaction() as conn:
        conn.exec_driver_sql("ALTER TABLE consent_events RENAME TO gone")
    answer = reader.client.post(link)
    assert answer.status_code == 503
    assert "You are not unsubscribed yet" in answer.text
    assert reader.state == "active"


def test_how_they_left_is_kept_as_evidence(reader: Reader) -> None:
    reader.client.post(reader.link("unsubscribe"))
    with reader.home.db.reading() as conn:
        events = conn.execute(sa.select(tables.consent_events.c.what, tables.consent_events.c.source)).all()
        assert records.describe(conn, reader.digest_id, reader.subscriber_id) is not None
    assert ("left", "link in a mail") in [tuple(event) for event in events]


def test_asking_names_a_person(reader: Reader) -> None:
    answer = reader.client.get("/ask")
    assert answer.status_code == 200
    assert "A person" in answer.text or "a person" in answer.text


# --- links for ever --------------------------------------------------------------------------------------------


def test_unsubscribe_links_go_on_after_new_keys_and_links_to_settings_end(reader: Reader) -> None:
    old_way_out, old_settings = reader.link("unsubscribe"), reader.link("preferences")
    keys.rotate(reader.home.path)
    renewed = replace(reader.home, keys=keys.load(reader.home.path))
    with serving.serve(renewed) as address, serving.client(address) as client:
        assert client.get(old_settings).status_code == 400
        assert client.post(old_way_out).status_code == 200
    assert reader.state == "left"


def test_an_unsubscribe_link_works_when_its_person_is_erased_and_its_digest_deleted(reader: Reader) -> None:
    link = reader.link("unsubscribe")
    departures.erase(reader.home, reader.subscriber_id, how=consent.Origin(source="test"), now=NOW)
    for answer in (reader.client.get(link), reader.client.post(link), reader.client.post(f"{link}/everything")):
        assert answer.status_code == 200
        assert "You are unsubscribed" in answer.text


# --- what strangers may try ------------------------------------------------------------------------------------

ROUTES = (
    *("/subscribe", "/settings", "/ask", "/c/{}", "/p/{}", "/u/{}", "/d/{}"),
    *("/u/{}/less", "/u/{}/pause", "/u/{}/everything", "/u/{}/back", "/u/{}/why", "/u/{}/settings"),
)


def tampered(token: str) -> list[str]:
    """Tokens that are nearly right."""
    flipped = [token[:n] + ("A" if token[n] != "A" else "B") + token[n + 1 :] for n in range(0, len(token), 5)]
    return [*flipped, token[:-1], token + "A", token.swapcase(), "A" * len(token), "", "%00", "..%2f" + token]


def test_no_route_leaks_or_changes_anything_by_ids_that_are_not_ones_own(reader: Reader) -> None:
    with reader.home.db.transaction() as conn:
        members.add(conn, reader.home.keys, "bob@example.org", digest_id=reader.digest_id, now=NOW)
    own = serving.token(reader.home, links.PREFERENCES, reader.subscriber_id, reader.digest_id)
    out = serving.token(reader.home, links.UNSUBSCRIBE, reader.subscriber_id, reader.digest_id)
    before = everything(reader.home)
    for route in ROUTES[3:]:
        for token in [*tampered(own), *tampered(out)]:
            for body in ({"do": "leave"}, {"do": "save", "often-*": "off"}):
                answer = reader.client.post(route.format(token), data=body)
                assert answer.status_code in (400, 404, 405), (route, token)
                assert "example.org" not in answer.text.replace("https://example.org", "")
    for scope, letter in ((own, "u"), (own, "c"), (own, "d"), (out, "p"), (out, "c"), (out, "d")):
        assert reader.client.post(f"/{letter}/{scope}").status_code == 400
    assert everything(reader.home) == before


@pytest.mark.parametrize("route", ROUTES[:3])
def test_bodies_that_are_no_form_change_nothing(reader: Reader, route: str) -> None:
    before = everything(reader.home)
    bodies: list[dict[str, Any]] = [
        {"json": {"email": {"$ne": ""}, "do": ["leave"]}},
        {"content": b"\xff\xfe" * 50, "headers": FORM},
        {"content": "&".join(f"email=a{n}@example.org" for n in range(200)), "headers": FORM},
        {"content": "email=a@example.org&email=b@example.org&question=x", "headers": FORM},
        {"content": "email[]=a@example.org&email[$gt]=", "headers": FORM},
        {"files": {"email": ("x", b"a@example.org")}},
    ]
    for body in bodies:
        answer = reader.client.post(route, **body)
        assert answer.status_code in (303, 400, 409)
    assert everything(reader.home) == before


def everything(home: Home) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    with home.db.reading() as conn:
        return {t.name: [tuple(row) for row in conn.execute(sa.select(t))] for t in metadata.sorted_tables}
