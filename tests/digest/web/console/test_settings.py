"""The settings in the console: what is saved holds at once, what is wrong is told at once, and no secret is shown."""

from __future__ import annotations

import re
import stat
import tomllib
from pathlib import Path
from typing import Any

import lxml.html
import pytest

from digest import config, publications, settings_file
from digest.staff import activity
from digest.staff.activity import Line
from subscribers import consent
from tests.conftest import NOW
from tests.digest import samples
from tests.digest.web.console.conftest import EDITOR, OWNER, PASSWORD, VIEWER, Browser, Console
from tests.stage import Stage
from tests.standins import sendgrid_server, smtp_server

HERE = "/staff/settings"


@pytest.fixture
def owner(console: Console) -> Browser:
    """An owner at the settings of a home with one digest."""
    Stage(console.home.db)
    browser = console.browser(OWNER)
    assert browser.get(HERE).status_code == 200
    return browser


def form_of(browser: Browser, action: str) -> dict[str, str]:
    """What a browser would send of a form as it stands; the last of fields that come twice."""
    forms = lxml.html.fromstring(browser.page).forms
    form = next(one for one in forms if one.action == f"{HERE}/{action}")
    return {key: value.removeprefix("\n") for key, value in form.form_values() if key != "form_token"}


def save(browser: Browser, section: str, **changes: str) -> Any:
    """Opens the page and saves a section with these changes; the password is typed where it is asked for."""
    browser.get(HERE)
    fields = form_of(browser, section) | {"current": PASSWORD}
    return browser.post(f"{HERE}/{section}", **fields | changes)


def file_of(console: Console) -> dict[str, Any]:
    return tomllib.loads((console.home.path / config.FILE).read_text(encoding="utf-8"))


def lines(console: Console) -> list[Line]:
    with console.home.db.reading() as conn:
        return [line for line in activity.lines(conn) if "settings" in line.thing or "sender" in line.thing]


def test_only_owners_see_the_settings_and_their_link(console: Console) -> None:
    for email in (VIEWER, EDITOR):
        browser = console.browser(email)
        assert browser.get(HERE).status_code == 403
        assert f'href="{HERE}"' not in browser.get("/staff/").text
    assert f'href="{HERE}"' in console.browser(OWNER).get("/staff/").text


def test_what_is_missing_before_the_first_mail_is_a_list(console: Console, owner: Browser) -> None:
    assert "Before the first mail goes out" in owner.page
    save(owner, "contact", **{"site.address": ""})
    page = owner.get(HERE).text
    assert "Your postal address. Nothing is sent without it." in page
    assert "A mail server: until then mail stays in a folder" in page


def test_a_change_holds_at_once_and_stands_in_the_record(console: Console, owner: Browser) -> None:
    answer = save(owner, "names", **{"site.name": "Other news", "site.languages": "en, es"})
    assert answer.status_code == 303
    assert "Saved: Names, languages and zone." in owner.get(answer.headers["location"]).text
    assert '<a class="name" href="/">Other news</a>' in owner.get("/").text
    assert "Other news" in owner.get("/feeds/all.rss").text
    assert file_of(console)["site"]["name"] == "Other news"
    assert file_of(console)["site"]["languages"] == ["en", "es"]
    assert file_of(console)["site"]["organization"] == "Law Enforcement Immigration Task Force"
    (line,) = lines(console)
    assert (line.name, line.before) == ("Dana Ruiz", {"name": "Path to Public Safety", "languages": "en"})
    assert line.after == {"name": "Other news", "languages": "en, es"}
    assert save(owner, "names").headers["location"].startswith(f"{HERE}?done=same")
    assert len(lines(console)) == 1


def test_all_faults_are_shown_at_once_and_nothing_is_written(console: Console, owner: Browser) -> None:
    before = (console.home.path / config.FILE).read_bytes()
    answer = save(owner, "names", **{"site.name": "", "site.time_zone": "Mars", "site.lead": "Kept as typed"})
    assert answer.status_code == 400
    assert "2 things to fix" in answer.text
    assert "&#39;Mars&#39; is no time zone. Write one such as America/New_York." in answer.text
    assert 'value="Kept as typed"' in answer.text
    assert (console.home.path / config.FILE).read_bytes() == before
    assert lines(console) == []
    for section, key, text, words in (
        ("pace", "pace.per_second", "fast", "Write a number from 0"),
        ("pace", "pace.warm_up", "2: 10\n1: 5", "rising days"),
        ("pace", "pace.per_domain", "gmail.com 20", "gmail.com = 20"),
        ("sign-up", "sign_up.per_network", "0", "from 1"),
        ("outside", "feeds.hub", "hub", "full address"),
        ("console", "staff.undo_minutes", "61", "Write a whole number from 0 to 60"),
        ("contact", "site.staff_to", "nobody", "address"),
        ("address", "site.url", "news.example.org", "Write one such as https://news.example.org"),
        ("carrier", "transport.kind", "os:system", "Choose one of these"),
    ):
        answer = save(owner, section, **{key: text})
        assert answer.status_code == 400, key
        assert words in answer.text, key
    assert (console.home.path / config.FILE).read_bytes() == before


def test_of_two_owners_the_second_sees_both_versions(console: Console, owner: Browser) -> None:
    other = console.browser(OWNER)
    other.get(HERE)
    theirs = form_of(other, "names") | {"site.lead": "Mine, typed at length"}
    save(owner, "names", **{"site.lead": "Saved first"})
    answer = other.post(f"{HERE}/names", **theirs)
    assert answer.status_code == 409
    assert 'value="Mine, typed at length"' in answer.text
    assert "Somebody has saved: <b>Saved first</b>" in answer.text
    assert file_of(console)["site"]["lead"] == "Saved first"
    again = form_of(other, "names")
    assert again["site.lead"] == "Mine, typed at length"
    assert other.post(f"{HERE}/names", **again).status_code == 303
    assert file_of(console)["site"]["lead"] == "Mine, typed at length"


def test_two_sections_are_no_conflict_and_a_change_by_hand_is_none_either(console: Console, owner: Browser) -> None:
    owner.get(HERE)
    typed = form_of(owner, "names") | {"site.lead": "Typed before"}
    save(console.browser(OWNER), "contact", **{"site.press_contact": "press@example.org"})
    file = console.home.path / config.FILE
    file.write_text("# By hand\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
    assert owner.post(f"{HERE}/names", **typed).status_code == 303
    assert "# By hand" in file.read_text(encoding="utf-8")
    assert file_of(console)["site"]["press_contact"] == "press@example.org"


def test_a_file_that_was_spoilt_by_hand_is_told_and_the_page_goes_on(console: Console, owner: Browser) -> None:
    file = console.home.path / config.FILE
    whole = file.read_text(encoding="utf-8")
    for spoilt, words in (("[site\n", "Expected"), ("[sight]\n", "is no section")):
        file.write_text(spoilt, encoding="utf-8")
        answer = save(owner, "names", **{"site.lead": "Typed"})
        assert answer.status_code == 400
        assert words in answer.text
        assert 'value="Typed"' in answer.text
        assert file.read_text(encoding="utf-8") == spoilt
    file.unlink()
    for section in ("names", "carrier", "carrier/try"):
        owner.get(HERE)
        fields = form_of(owner, section.partition("/")[0]) | {"current": PASSWORD, "password": "typed"}
        answer = owner.post(f"{HERE}/{section}", **fields | {"site.lead": "Typed"})
        assert answer.status_code == 400
        assert "cannot be read: No such file" in answer.text
    assert secrets_of(console) == []
    file.write_text(whole, encoding="utf-8")
    assert save(owner, "names", **{"site.lead": "Typed"}).status_code == 303


def test_what_the_environment_sets_is_shown_as_set_there(
    console: Console, owner: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_SITE__LEAD", "From outside")
    page = owner.get(HERE).text
    assert "The environment of the program sets it (DIGEST_SITE__LEAD)." in page
    assert "site.lead" not in form_of(owner, "names")
    assert owner.post(f"{HERE}/names", **form_of(owner, "names") | {"site.lead": "Forged"}).status_code == 303
    assert "lead" not in file_of(console)["site"]


def test_the_password_is_asked_for_where_a_browser_left_open_must_not_do(console: Console, owner: Browser) -> None:
    before = (console.home.path / config.FILE).read_bytes()
    for section, typed in (
        ("address", {"site.url": "https://evil.example", "sure": "yes"}),
        ("carrier", {"transport.kind": "smtp", "transport.smtp.host": "evil.example"}),
        ("console", {"staff.undo_minutes": "0"}),
        ("senders/weekly", {"from_name": "Evil"}),
    ):
        answer = save(owner, section, current="not mine at all", **typed)
        assert answer.status_code == 400
        assert "That is not your password." in answer.text
        assert "not mine at all" not in answer.text
    assert (console.home.path / config.FILE).read_bytes() == before
    assert sender(console)[0] == "Path to Public Safety"


def test_another_address_of_the_site_is_confirmed_first(console: Console, owner: Browser) -> None:
    answer = save(owner, "address", **{"site.url": "https://news.example.org/"})
    assert "When this site shows there, tick the box." in answer.text
    answer = save(owner, "address", **{"site.url": "https://news.example.org/", "sure": "yes"})
    assert answer.status_code == 303
    assert file_of(console)["site"]["url"] == "https://news.example.org"


# --- the sender ------------------------------------------------------------------------------------------------


def sender(console: Console) -> tuple[str, str, str]:
    with console.home.db.reading() as conn:
        digest = publications.find(conn, "weekly")
        return digest.from_name, digest.from_address, digest.reply_to


def test_the_sender_of_a_digest_is_changed_and_recorded(console: Console, owner: Browser) -> None:
    answer = save(owner, "senders/weekly", from_name="The Task Force", reply_to="dana@example.org")
    assert answer.status_code == 303
    assert sender(console) == ("The Task Force", "digest@example.org", "dana@example.org")
    (line,) = lines(console)
    assert line.after == {"from_name": "The Task Force", "reply_to": "dana@example.org"}


def test_a_domain_that_is_not_known_to_be_ours_is_confirmed_first(console: Console, owner: Browser) -> None:
    for domain, words in (("gmail.com", "lets nobody else send for it"), ("elsewhere.net", "We do not know whether")):
        answer = save(owner, "senders/weekly", from_address=f"news@{domain}")
        assert answer.status_code == 400
        assert words in answer.text
    assert save(owner, "senders/weekly", from_address="news@mail.example.org").status_code == 303
    owner.get(HERE)
    fields = form_of(owner, "senders/weekly") | {"current": PASSWORD, "from_address": "news@elsewhere.net"}
    assert owner.post(f"{HERE}/senders/weekly", **fields).status_code == 400
    assert owner.post(f"{HERE}/senders/weekly", **fields, sure="yes").status_code == 303
    assert sender(console)[1] == "news@elsewhere.net"


def test_two_owners_and_one_sender(console: Console, owner: Browser) -> None:
    other = console.browser(OWNER)
    other.get(HERE)
    typed = form_of(other, "senders/weekly") | {"current": PASSWORD, "from_name": "Mine"}
    save(owner, "senders/weekly", from_name="Theirs")
    answer = other.post(f"{HERE}/senders/weekly", **typed)
    assert answer.status_code == 409
    assert "Somebody has saved: <b>Theirs</b>" in answer.text
    assert 'value="Mine"' in answer.text
    answer = other.post(f"{HERE}/senders/weekly", **form_of(other, "senders/weekly") | {"current": PASSWORD})
    assert answer.status_code == 303
    assert sender(console)[0] == "Mine"


def test_what_is_no_sender_is_refused(console: Console, owner: Browser) -> None:
    answer = save(owner, "senders/weekly", from_name="", from_address="nobody", reply_to="nor@this@")
    assert "3 things to fix" in answer.text
    assert sender(console)[1] == "digest@example.org"


# --- the carrier and its secrets -------------------------------------------------------------------------------


def secrets_of(console: Console) -> list[Path]:
    return sorted(one for one in (console.home.path / "keys").iterdir() if one.name.startswith(("smtp", "sendgrid")))


SERVER = {
    "transport.kind": "smtp",
    "transport.smtp.host": "mail.example.org",
    "transport.smtp.username": "digest",
    "password": "very secret word",
}


def test_a_secret_is_written_and_never_shown(console: Console, owner: Browser) -> None:
    assert save(owner, "carrier", **SERVER).status_code == 303
    (file,) = secrets_of(console)
    assert file.read_text(encoding="utf-8") == "very secret word\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file_of(console)["transport"]["smtp"]["password_file"] == f"keys/{file.name}"
    page = owner.get(HERE).text
    assert re.search(r"Set on \w+, \w+.\d", page)
    assert "very secret word" not in page + owner.get("/staff/activity").text
    (line,) = lines(console)
    assert line.after is not None
    assert line.after["password"] == "changed"
    # An empty field leaves it, another replaces it, and what the file held before is gone.
    assert save(owner, "carrier", **{"transport.smtp.connections": "4"}).status_code == 303
    assert secrets_of(console) == [file]
    assert save(owner, "carrier", password="another").status_code == 303
    (other,) = secrets_of(console)
    assert other.name != file.name


def test_a_kept_secret_is_told_to_no_other_server(console: Console, owner: Browser) -> None:
    save(owner, "carrier", **SERVER)
    for change in ({"transport.smtp.host": "evil.example"}, {"transport.smtp.security": "none"}):
        for action in ("carrier", "carrier/try"):
            owner.get(HERE)
            fields = form_of(owner, "carrier") | {"current": PASSWORD} | change
            answer = owner.post(f"{HERE}/{action}", **fields)
            assert answer.status_code == 400
            assert "What is kept was given for another server or account." in answer.text
    assert file_of(console)["transport"]["smtp"]["host"] == "mail.example.org"


def test_a_carrier_that_cannot_be_opened_is_not_saved_and_leaves_no_secret(console: Console, owner: Browser) -> None:
    answer = save(owner, "carrier", **SERVER | {"password": ""})
    assert answer.status_code == 400
    assert "password_file is not" in answer.text
    answer = save(owner, "carrier", **{"transport.kind": "sendgrid", "key": "no key at all"})
    assert answer.status_code == 400
    assert secrets_of(console) == []
    assert "no key at all" not in answer.text


def attempt(owner: Browser, **changes: str) -> str:
    owner.get(HERE)
    answer = owner.post(f"{HERE}/carrier/try", **form_of(owner, "carrier") | changes)
    found = lxml.html.fromstring(answer.text).get_element_by_id("tried")
    return " ".join(found.text_content().split())


def test_a_try_tells_what_the_server_says_and_saves_nothing(console: Console, owner: Browser, tmp_path: Path) -> None:
    before = (console.home.path / config.FILE).read_bytes()
    assert attempt(owner).startswith("It works.")
    assert "can be written" in attempt(owner)
    with smtp_server.running(tmp_path / "record") as port:
        here = {"transport.kind": "smtp", "transport.smtp.host": "127.0.0.1", "transport.smtp.port": str(port)}
        told = attempt(owner, **here, **{"transport.smtp.security": "none"})
        assert told.startswith(f"It works. 127.0.0.1 answers on port {port}")
        account = {"transport.smtp.username": "digest", "password": "secret", "transport.smtp.security": "none"}
        told = attempt(owner, **here, **account)
        assert told.startswith("It does not work. 127.0.0.1 does not ask for a password")
    assert smtp_server.read(tmp_path / "record") == []
    told = attempt(owner, **here, **{"transport.smtp.security": "none"})
    assert told.startswith("It does not work. 127.0.0.1 could not be reached")
    assert secrets_of(console) == []
    assert (console.home.path / config.FILE).read_bytes() == before


def test_a_try_with_sendgrid_checks_key_and_sender_and_mails_nobody(
    console: Console, owner: Browser, tmp_path: Path
) -> None:
    record, keys = tmp_path / "sendgrid", ("SG.revoked.0123456789", "SG.good.0123456789")
    with sendgrid_server.running(record, {"domains": ["example.org"], "revoked": [keys[0]]}) as server:
        with settings_file.held(console.home.path) as held:
            held.write(held.changed({"transport.sendgrid.base_url": server.url})[0])
        told = [attempt(owner, **{"transport.kind": "sendgrid", "key": key}) for key in (*keys, "no key")]
        save(owner, "senders/weekly", from_address="news@elsewhere.net", sure="yes")
        told.append(attempt(owner, **{"transport.kind": "sendgrid", "key": keys[1]}))
    assert told[0].startswith("It does not work. SendGrid answers 401")
    assert told[1] == "It works. SendGrid takes the key, and mail from digest@example.org. Nothing was saved by this."
    assert "holds no key" in told[2]
    assert told[3].startswith("It does not work. SendGrid answers 403")
    assert sendgrid_server.read(record) == []
    assert secrets_of(console) == []


# --- looks -----------------------------------------------------------------------------------------------------


def send_looks(owner: Browser, changes: dict[str, str], action: str = "looks", logo: bytes = b"") -> Any:
    owner.get(HERE)
    fields = form_of(owner, "looks") | changes
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', owner.page)
    assert token is not None
    name = "logo.png" if logo else ""
    return owner.send(f"{HERE}/{action}", {"form_token": token[1], **fields}, {"logo": (name, logo)})


def test_a_color_that_reads_badly_is_refused_with_its_figure(console: Console, owner: Browser) -> None:
    answer = send_looks(owner, {"looks.accent": "#7cc9d6", "looks.accent_dark": "0b5663"})
    assert answer.status_code == 400
    assert "2 things to fix" in answer.text
    assert re.search(
        r"#7cc9d6 can be read badly: on the page 1\.\d, .*the words on it 1\.\d.*4\.5 is needed", answer.text
    )
    assert "looks" not in file_of(console)


def test_a_color_of_ones_own_reaches_pages_console_and_mails(console: Console, owner: Browser) -> None:
    assert "accents.css" not in owner.get("/").text
    look_at = send_looks(owner, {"looks.accent": "#5b2a86"}, "looks/preview")
    assert 'fill="#5b2a86"' in look_at.text
    assert "looks" not in file_of(console)
    assert send_looks(owner, {"looks.accent": "#5B2A86", "looks.accent_dark": "#d9b8f5"}).status_code == 303
    for page in ("/", HERE):
        (sheet,) = re.findall(r'"(/static/accents\.css\?v=[0-9a-f]+)"', owner.get(page).text)
        answer = owner.get(sheet)
        assert "--accent: #5b2a86" in answer.text
        assert "--accent: #d9b8f5" in answer.text
        assert "immutable" in answer.headers["cache-control"]


def test_a_logo_is_made_anew_and_stands_beside_the_name(console: Console, owner: Browser) -> None:
    answer = send_looks(owner, {}, logo=b"%PDF-1.4 no picture")
    assert answer.status_code == 400
    assert send_looks(owner, {"looks.logo_alt": "A bridge"}, logo=samples.photograph((900, 300))).status_code == 303
    (name,) = re.findall(r'<img class="logo" src="/media/([^"]+)" alt="A bridge">', owner.get("/").text)
    picture = owner.get(f"/media/{name}")
    assert picture.status_code == 200
    assert b"Exif" not in picture.content
    assert lines(console)[0].after == {"logo alt": "A bridge", "logo": "changed"}
    assert send_looks(owner, {"no_logo": "yes"}).status_code == 303
    assert 'class="logo"' not in owner.get("/").text


# --- invitations -----------------------------------------------------------------------------------------------


def test_invitations_are_changed_row_by_row(console: Console, owner: Browser) -> None:
    assert save(owner, "calls", **{"call-0-title": "Tell us more", "call-2-title": "", "call-2-text": "",
                                   "call-2-link": "", "call-2-label": ""}).status_code == 303  # fmt: skip
    assert [one["title"] for one in file_of(console)["site"]["calls_to_action"]] == ["Tell us more", "Get involved"]
    assert "Tell us more" in owner.get("/").text
    answer = save(owner, "calls", **{"call-1-link": "javascript:alert(1)", "call-1-label": ""})
    assert answer.status_code == 400
    assert "2 things to fix" in answer.text
    assert "javascript:alert(1)" in form_of(owner, "calls")["call-1-link"]


# --- consent ---------------------------------------------------------------------------------------------------


def test_other_words_of_consent_are_another_version_and_old_proofs_keep_theirs(
    console: Console, owner: Browser
) -> None:
    old = "By pressing the button you ask us. We e-mail you."
    with console.home.db.transaction() as conn:
        for place, what in enumerate(("asked", "confirmed", "asked")):
            origin = consent.Origin(text=old, version=consent.version(old))
            consent.record(conn, 1 + place // 2, what, digest_id=1, now=NOW, origin=origin)
    page = owner.get(f"{HERE}/consent").text
    assert old in page
    assert "1 person has agreed and confirmed" in page
    token = {"seen": form_of(owner, "consent")["seen"]}
    words = "Yes, {organization} may mail me. I can stop it at any time."
    answer = owner.post(f"{HERE}/consent/ahead", **token, **{"words-en": words})
    assert "Yes, Law Enforcement Immigration Task Force may mail me." in answer.text
    assert "a new one" in answer.text
    assert "sign_up" not in file_of(console)
    for wrong in ("{name} may mail me", "{organization", "x" * 700):
        assert owner.post(f"{HERE}/consent", **token, **{"words-en": wrong}).status_code == 400
    assert owner.post(f"{HERE}/consent", **token, **{"words-en": words}).status_code == 303
    assert file_of(console)["sign_up"]["consent"] == {"en": words}
    shown = owner.get("/subscribe").text
    assert "Yes, Law Enforcement Immigration Task Force may mail me." in shown
    assert old in owner.get(f"{HERE}/consent").text
    assert owner.post(f"{HERE}/consent", **token, **{"words-en": "Later"}).status_code == 409


def test_nothing_typed_anywhere_breaks_the_page(console: Console, owner: Browser) -> None:
    odd = ["\x00]]>'\"\\", "9" * 400, "{} = :\N{SNOWMAN}"]
    before = file_of(console)
    for section in ("names", "contact", "address", "carrier", "carrier/try", "sign-up", "pace", "outside", "console"):
        owner.get(HERE)
        fields = form_of(owner, section.partition("/")[0])
        for text in odd:
            typed = {key: text for key in fields if key not in ("seen", "transport.kind")}
            assert owner.post(f"{HERE}/{section}", **fields | typed | {"current": "no"}).status_code < 500, (
                section,
                text,
            )
    after = file_of(console)
    assert {**after, "site": 0, "sign_up": 0, "pace": 0, "intake": 0, "feeds": 0} == {
        **before, "site": 0, "sign_up": 0, "pace": 0, "intake": 0, "feeds": 0,
    }  # fmt: skip
    config.load(console.home.path)
