"""The sign-up form and the page behind the confirmation's button, as a browser or another site's form meets them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from digest import publications
from digest.home import Home
from subscribers import asking, consent, members, records, suppression, tables
from tests.conftest import NOW
from tests.digest.web import serving
from tests.subscribers import world
from tests.subscribers.test_asking import token

SENT = "a message is there within a few minutes"


@dataclass(frozen=True)
class Site:
    """A running site whose digest has two topics and all cadences."""

    home: Home
    client: httpx.Client
    digest_id: int

    def ask(self, **fields: Any) -> httpx.Response:
        """Sends the form, filled in as most do."""
        given = {"email": "zoe@example.org", "what": "every", "often": "weekly"} | fields
        return self.client.post("/subscribe", data={name: value for name, value in given.items() if value is not None})

    def asked(self) -> list[Any]:
        """What was written down."""
        with self.home.db.reading() as conn:
            return list(conn.execute(sa.select(tables.asks).order_by(tables.asks.c.id)))

    def link(self) -> str:
        """The address in the confirmation mail."""
        asking.work_off(self.home, now=NOW)
        with self.home.db.reading() as conn:
            notices = tables.subscribers.metadata.tables["notices"]
            mail = conn.scalars(sa.select(notices.c.message).order_by(notices.c.id.desc())).first()
        assert mail is not None
        return f"/c/{token(mail.decode())}"

    def state(self, email: str = "zoe@example.org") -> str:
        with self.home.db.reading() as conn:
            return records.find(conn, email).state


@pytest.fixture
def site(home: Home) -> Iterator[Site]:
    with home.db.transaction() as conn:
        digest_id = world.digest(conn)
        publications.set_topic(conn, "hiring", "Hiring officers")
        publications.set_topic(conn, "detainers", "Detainers")
    with serving.serve(home) as address, serving.client(address) as client:
        yield Site(home, client, digest_id)


def test_the_form_asks_little_and_says_what_is_agreed_to(site: Site) -> None:
    page = site.client.get("/subscribe").text
    assert re.findall(r'name="(\w+)"', page).count("email") == 1
    main = page[page.index("<main") :]  # above it is the site's search
    form = main[main.index("<form") : main.index("</form>")]
    names = {"email", "website", "what", "topic", "often", "digest", "language", "zone"}
    assert {*re.findall(r'name="(\w+)"', form)} == names
    assert 'value="weekly" id="often-weekly" checked' in page
    assert "you ask Law Enforcement Immigration Task Force to e-mail you what you chose above" in page
    assert "The next digest reaches you</strong> on September 14." in page


def test_a_sign_up_leads_to_the_inbox_and_is_written_down_with_its_evidence(site: Site) -> None:
    fields = {"what": "some", "topic": ["hiring", "detainers"], "often": "daily", "zone": "Europe/Madrid"}
    answer = site.ask(**fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/subscribe/sent")
    assert SENT in site.client.get("/subscribe/sent").text
    (row,) = site.asked()
    assert (row.email, row.digest_id) == ("zoe@example.org", site.digest_id)
    assert row.wish["mapping"] == {"*": "off", "hiring": "daily", "detainers": "daily"}
    assert row.wish["zone"] == "Europe/Madrid"
    assert row.origin["text"].startswith("By pressing the button you ask Law Enforcement")
    assert row.origin["version"] == consent.version(row.origin["text"])
    assert row.origin["ip"] == "127.0.0.1"
    assert row.origin["agent"].startswith("python-httpx")


def test_a_plain_form_of_another_site_needs_no_more_than_an_address(site: Site) -> None:
    headers = {"origin": "https://elsewhere.example", "referer": "https://elsewhere.example/"}
    answer = site.client.post("/subscribe", data={"email": "zoe@example.org"}, headers=headers)
    assert answer.status_code == 303
    assert site.asked()[0].wish["mapping"] == {"*": "weekly"}
    assert site.asked()[0].origin["source"] == "/subscribe, from a form at https://elsewhere.example"


def test_the_answer_is_the_same_for_whoever_is_known(site: Site) -> None:
    with site.home.db.transaction() as conn:
        members.add(conn, site.home.keys, "active@example.org", digest_id=site.digest_id, now=NOW)
        suppression.add(conn, site.home.keys, "barred@example.org", reason="complaint", now=NOW)
    site.ask(email="pending@example.org")
    asking.work_off(site.home, now=NOW)
    answers = [site.ask(email=f"{name}@example.org") for name in ("new", "active", "barred", "pending")]
    told = [(one.status_code, one.text, {**one.headers, "date": ""}) for one in answers]
    assert told == [told[0]] * 4


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"email": ""}, "email", "There is no address."),
        ({"email": None}, "email", "There is no address."),
        ({"email": "r.mendez@example"}, "email", "Add the part after the dot, as in name@example.org."),
        ({"email": "<script>@example.org"}, "email", "No mail can be sent to this address."),
        ({"email": "a" * 70 + "@example.org"}, "email", "No mail can be sent"),
        ({"email": "a" * 300 + "@example.org"}, "email", "longer than 254"),
        ({"email": ["a@example.org", "b@example.org"]}, "email", "It came twice."),
        ({"what": "some"}, "topic", "No topic is chosen."),
        ({"often": "hourly"}, "often", "It cannot be had that often."),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_what_was_typed_stays(
    site: Site, fields: dict[str, Any], field: str, said: str
) -> None:
    answer = site.ask(**fields)
    assert answer.status_code == 400
    assert "<title>Error: " in answer.text
    assert "One thing to fix" in answer.text
    assert f'href="#{field}"' in answer.text
    assert said in answer.text
    assert "<script>@" not in answer.text
    assert site.asked() == []
    if isinstance(email := fields.get("email"), str) and email.startswith("r."):
        assert f'value="{email}"' in answer.text


def test_a_program_that_fills_in_everything_gets_nothing_and_is_told_nothing(site: Site) -> None:
    assert site.ask(website="https://spam.example").headers["location"] == "/subscribe/sent"
    assert site.asked() == []


def test_a_mistyped_domain_is_asked_about_once(site: Site) -> None:
    answer = site.ask(email="zoe@gmial.com")
    assert "Did you mean zoe@gmail.com?" in answer.text
    assert site.asked() == []
    assert site.ask(email="zoe@gmial.com", sure="zoe@gmial.com").status_code == 303
    assert site.ask(email="zoe@gmail.com").status_code == 303
    assert [row.email for row in site.asked()] == ["zoe@gmial.com", "zoe@gmail.com"]


def test_too_many_from_one_place_are_told_until_when(site: Site) -> None:
    forged = [{"x-forwarded-for": f"203.0.113.{n}"} for n in range(21)]
    answers = [site.client.post("/subscribe", data={"email": "a@example.org"}, headers=one) for one in forged]
    assert [answer.status_code for answer in answers] == [303] * 20 + [429]
    answer = site.ask()
    assert "We have had many requests from here. Try again after 8:00" in answer.text
    assert 'value="zoe@example.org"' in answer.text


# --- confirming ------------------------------------------------------------------------------------------------


def test_only_the_button_confirms_and_only_once(site: Site) -> None:
    site.ask()
    link = site.link()
    for method in ("GET", "HEAD", "OPTIONS", "GET"):
        site.client.request(method, link)
        assert site.state() == "pending"
    page = site.client.get(link).text
    assert "everything, once a week" in page
    assert re.findall(r"<form[^>]*>", page) == ['<form method="post">']
    answer = site.client.post(link)
    assert "You are in" in answer.text
    assert 'The next digest reaches <strong class="strong">z•••••@example.org</strong> on Sept' in answer.text
    assert site.state() == "active"
    own = re.search(r'href="(/p/[\w-]+)"', answer.text)
    assert own
    assert site.client.get(own[1]).status_code == 200
    assert "You are in already" in site.client.post(link).text
    assert "You are in already" in site.client.get(link).text


def test_an_old_link_says_so_and_revives_nobody(site: Site) -> None:
    site.ask()
    link = site.link()
    site.client.post(link)
    with site.home.db.transaction() as conn:
        person = records.find(conn, "zoe@example.org").subscriber_id
        members.leave(conn, site.digest_id, person, now=NOW, how="test")
    for answer in (site.client.get(link), site.client.post(link)):
        assert answer.status_code == 410
        assert "This link has done its work" in answer.text
    assert site.state() == "left"


def test_pages_of_confirmation_keep_their_address_to_themselves(site: Site) -> None:
    site.ask()
    link = site.link()
    for answer in (
        site.client.get(link),
        site.client.get("/c/nonsense"),
        site.client.get("/c"),
        site.client.post(link),
    ):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "<nav" not in answer.text
    assert site.client.get("/c/nonsense").status_code == 400


def test_a_lost_link_is_sent_again_to_whom_it_may_help(site: Site) -> None:
    with site.home.db.transaction() as conn:
        members.add(conn, site.home.keys, "active@example.org", digest_id=site.digest_id, now=NOW)
    for address in ("active@example.org", "nobody@example.org", "nonsense"):
        assert site.client.post("/settings", data={"email": address}).headers["location"] == "/subscribe/sent"
    asking.work_off(site.home, now=NOW)
    with site.home.db.reading() as conn:
        notices = tables.subscribers.metadata.tables["notices"]
        assert conn.scalars(sa.select(notices.c.address)).all() == ["active@example.org"]


def test_the_form_speaks_the_language_that_the_browser_asks_for(home: Home) -> None:
    spanish = home.settings.model_copy(
        update={"site": home.settings.site.model_copy(update={"languages": ("en", "es")})}
    )
    both = Home(home.path, spanish, home.keys, home.db)
    with home.db.transaction() as conn:
        world.digest(conn)
    with serving.serve(both) as address, serving.client(address) as client:
        headers = {"accept-language": "de, es-MX;q=0.8, en;q=0.5"}
        page = client.get("/subscribe", headers=headers).text
        assert '<html lang="es"' in page
        assert 'name="language" value="es"' in page
        client.post("/subscribe", data={"email": "zoe@example.org", "language": "es"})
        with home.db.reading() as conn:
            (row,) = conn.execute(sa.select(tables.asks))
    assert row.wish["language"] == "es"
    assert "Al pulsar" in row.origin["text"]
