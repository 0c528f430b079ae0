"""One item in the console: written, published, changed by two, shown as people see it, withdrawn."""

from __future__ import annotations

import re
from datetime import timedelta

from digest import items, media, news
from digest.items import Item
from digest.staff import activity
from tests.conftest import NOW
from tests.digest import samples
from tests.digest.web.console.conftest import AUTHOR, EDITOR, VIEWER, Browser, Console
from tests.digest.web.serving import ZONE, draft
from tests.stage import Stage

WRITTEN = {
    "title": "Who may serve",
    "kind": "Fact sheet",
    "date": "2026-08-17",
    "text": "## In short\n\nEach **state**.",
}


def put(console: Console, slug: str = "policy", **fields: object) -> None:
    with console.home.db.transaction() as conn:
        items.put(conn, draft(slug, **fields), now=NOW, zone=ZONE)


def find(console: Console, slug: str = "policy") -> Item:
    with console.home.db.reading() as conn:
        return items.find(conn, slug)


def told(console: Console, slug: str = "policy") -> list[tuple[str, str]]:
    with console.home.db.reading() as conn:
        return [(entry.what, entry.note) for entry in news.of_item(conn, items.find(conn, slug).id)]


def opened(console: Console, email: str = EDITOR, slug: str = "policy") -> tuple[Browser, dict[str, list[str]]]:
    """A browser that has the editor open, and what stands in its form."""
    browser = console.browser(email)
    browser.get(f"/staff/items/{slug}")
    return browser, browser.form("edit")


def again(browser: Browser, slug: str = "policy") -> dict[str, list[str]]:
    """The form, opened once more."""
    browser.get(f"/staff/items/{slug}")
    return browser.form("edit")


def changed(form: dict[str, list[str]], **fields: str) -> dict[str, list[str]]:
    return form | {name.replace("__", "-"): [value] for name, value in fields.items()}


# --- writing ---------------------------------------------------------------------------------------------------


def test_an_item_is_written_saved_published_and_seen(console: Console) -> None:
    browser = console.browser(EDITOR)
    browser.get("/staff/items/new")
    form = changed(
        browser.form("edit"), **WRITTEN, new_topics="Hiring Officers, crime", **{"author-0-name": "Dana Ruiz"}
    )
    assert browser.send("/staff/items/new", form).headers["location"] == "/staff/items/who-may-serve?done=created"
    item = find(console, "who-may-serve")
    assert (item.state, item.kind, item.topics) == ("draft", "fact sheet", ("hiring-officers", "crime"))
    assert item.body == "<h2>In short</h2>\n<p>Each <strong>state</strong>.</p>\n"
    assert browser.client.get("/items/who-may-serve").status_code == 404
    form = again(browser, "who-may-serve")
    assert form["text"] == [WRITTEN["text"]]
    answer = browser.send("/staff/items/who-may-serve/publish", form)
    assert answer.headers["location"].endswith("?done=published")
    assert "Published. It is on the site" in browser.get(answer.headers["location"]).text
    assert "Each <strong>state</strong>" in browser.client.get("/items/who-may-serve").text
    assert "Who may serve" in browser.client.get("/feeds/crime.rss").text
    with console.home.db.reading() as conn:
        assert [(one.name, one.deed) for one in activity.lines(conn, thing="item who-may-serve")] == [
            ("Tom Okafor", "published"),
            ("Tom Okafor", "wrote"),
        ]


def test_a_second_item_with_the_same_title_is_another_one(console: Console) -> None:
    browser = console.browser(AUTHOR)
    for slug in ("who-may-serve", "who-may-serve-2"):
        browser.get("/staff/items/new")
        answer = browser.send("/staff/items/new", changed(browser.form("edit"), **WRITTEN))
        assert answer.headers["location"] == f"/staff/items/{slug}?done=created"


def test_all_faults_are_told_at_once_and_what_was_typed_stays(console: Console) -> None:
    browser = console.browser(EDITOR)
    browser.get("/staff/items/new")
    typed = {"kind": "", "date": "June 29", "text": "</textarea><script>", "note": "", "excerpt": "e" * 2001}
    answer = browser.send("/staff/items/new", changed(browser.form("edit"), **typed, **{"author-1-role": "Sheriff"}))
    assert answer.status_code == 400
    for said in (
        "The title is missing.",
        "The kind is missing.",
        "The year is missing.",
        "no name",
        "longer than 2000",
    ):
        assert said in browser.page
    assert "<script>" not in browser.page
    again = browser.form("edit")
    assert (again["text"], again["author-0-role"]) == (["</textarea><script>"], ["Sheriff"])
    assert again["excerpt"] == ["e" * 2001]


def test_a_save_that_changes_nothing_writes_nothing(console: Console) -> None:
    put(
        console,
        title="Of “quotes”",
        excerpt="One.",
        subtitle="Two",
        featured=True,
        markdown="Text\r\n\n- one",
        body="x",
    )
    browser, form = opened(console)
    before = find(console)
    assert browser.send("/staff/items/policy", form).headers["location"].endswith("?done=unchanged")
    assert find(console) == before


def test_an_item_appears_by_itself_at_its_time_or_is_taken_back(console: Console) -> None:
    put(console, state="draft", published_on=None)
    browser, form = opened(console)
    past = browser.send("/staff/items/policy/publish", changed(form, at_day="2026-09-07", at_time="06:59"))
    assert past.status_code == 400
    assert "That is past." in past.text
    half = browser.send("/staff/items/policy/publish", changed(form, at_day="2026-09-08"))
    assert "A day and a time are needed." in half.text
    browser.send("/staff/items/policy/publish", changed(form, title="Later", at_day="2026-09-08", at_time="07:30"))
    item = find(console)
    assert (item.state, item.title, item.published_on) == ("scheduled", "Later", "2026-09-08")
    assert item.publish_at == NOW + timedelta(days=1, minutes=30)
    form = again(browser)
    assert "It appears Tue, Sep\N{NO-BREAK SPACE}8, 7:30\N{NO-BREAK SPACE}a.m. EDT." in browser.page
    browser.send("/staff/items/policy/unschedule", form)
    assert find(console).state == "draft"


def test_the_year_is_demanded_and_completes_an_item(console: Console) -> None:
    put(console, published_on="--06-29")
    browser, form = opened(console)
    assert "Given as June\N{NO-BREAK SPACE}29, without a year." in browser.page
    assert form["date"] == [""]
    browser.send("/staff/items/policy", changed(form, title="Still without"))
    assert (find(console).published_on, told(console)) == ("--06-29", [])
    form = again(browser)
    browser.send("/staff/items/policy", changed(form, date="2026-06-29"))
    assert (find(console).published_on, told(console)) == ("2026-06-29", [("new", "")])


def test_a_draft_without_its_year_is_not_published(console: Console) -> None:
    put(console, published_on="--06-29", state="draft")
    browser, form = opened(console)
    answer = browser.send("/staff/items/policy/publish", changed(form, title="Kept"))
    assert answer.status_code == 400
    assert "Complete the date before you publish it." in answer.text
    assert browser.form("edit")["title"] == ["Kept"]
    assert find(console).title != "Kept"  # both or neither


# --- who may ---------------------------------------------------------------------------------------------------


def test_authors_write_drafts_and_nothing_that_readers_see(console: Console) -> None:
    put(console, state="draft")
    browser, form = opened(console, AUTHOR)
    assert 'formaction="/staff/items/policy/publish"' not in browser.page
    assert browser.send("/staff/items/policy", changed(form, title="By Ada")).status_code == 303
    assert find(console).title == "By Ada"
    browser, form = opened(console, AUTHOR)
    with console.home.db.transaction() as conn:
        items.publish(conn, "policy", now=NOW)
    late = browser.send("/staff/items/policy", changed(form, title="Too late"))
    assert late.status_code == 409
    assert "only an editor can change it" in late.text
    assert "Too late" in late.text
    assert find(console).title == "By Ada"


def test_viewers_read_and_change_nothing(console: Console) -> None:
    put(console)
    browser, _ = opened(console, VIEWER)
    assert "You may read this, and change nothing." in browser.page
    assert '<fieldset class="bare" disabled>' in browser.page
    assert "Withdraw" not in browser.page


# --- two people ------------------------------------------------------------------------------------------------


def test_two_who_write_at_once_see_both_texts_and_lose_none(console: Console) -> None:
    put(console)
    first, mine = opened(console)
    second, theirs = opened(console, "dana@example.org")
    second.send("/staff/items/policy", changed(theirs, title="Of Dana", text="Her text."))
    answer = first.send("/staff/items/policy", changed(mine, title="Of Tom", excerpt="His excerpt."))
    assert answer.status_code == 409
    for said in ("Theirs and yours", "Dana Ruiz saved it", "Of Dana", "Her text.", "Of Tom", "His excerpt."):
        assert said in answer.text
    assert find(console).title == "Of Dana"
    kept = first.form("edit")
    assert (kept["title"], kept["revision"]) == (["Of Tom"], ["2"])
    first.send("/staff/items/policy", kept)
    item = find(console)
    assert (item.title, item.excerpt, item.revision) == ("Of Tom", "His excerpt.", 3)
    with console.home.db.reading() as conn:
        assert items.at_revisions(conn, [(item.id, 2)])[item.id, 2].title == "Of Dana"


# --- updates ---------------------------------------------------------------------------------------------------


def test_readers_are_told_of_a_change_only_when_the_box_is_ticked(console: Console) -> None:
    stage = Stage(console.home.db)
    stage.join("ann")
    stage.publish("policy", "hiring")
    stage.send()
    browser, form = opened(console)
    assert "This item has been mailed to 1 person." in browser.page
    browser.send("/staff/items/policy", changed(form, text="A small fix."))
    assert told(console) == [("new", "")]
    form = again(browser)
    for half in ({"tell": "1"}, {"note": "Now with July."}):
        assert browser.send("/staff/items/policy", changed(form, **half)).status_code == 400
    answer = browser.send("/staff/items/policy", changed(form, tell="1", note="Now with July.", text="More."))
    assert answer.headers["location"].endswith("?done=told")
    assert told(console) == [("new", ""), ("update", "Now with July.")]
    assert find(console).updated_on == "2026-09-07"
    assert "Told as “Updated”" in browser.get("/staff/items/policy").text


# --- texts and files -------------------------------------------------------------------------------------------


def test_a_text_that_came_as_html_stays_so_until_markdown_is_chosen(console: Console) -> None:
    put(console, body="<p>One <b>two</b></p>", markdown=None)
    browser, form = opened(console)
    assert (form["format"], form["text"]) == (["html"], ["<p>One <b>two</b></p>"])
    browser.send("/staff/items/policy", changed(form, text="<p>One</p><script>x</script>"))
    assert (find(console).body, find(console).markdown) == ("<p>One</p>", None)
    form = again(browser)
    browser.send("/staff/items/policy", changed(form, format="markdown", text="*One*"))
    assert (find(console).body, find(console).markdown) == ("<p><em>One</em></p>\n", "*One*")


def test_a_picture_needs_words_and_comes_through_a_fault(console: Console) -> None:
    put(console, state="draft")
    browser, form = opened(console)
    photo = {"image": ("river.jpg", samples.photograph((300, 200)))}
    answer = browser.send("/staff/items/policy", form, photo)
    assert answer.status_code == 400
    assert "The picture has no words" in answer.text
    browser.send("/staff/items/policy", changed(browser.form("edit"), image_alt="A river"))
    image = find(console).image
    assert image
    assert (image.name, image.alt, image.width) == ("river.jpg", "A river", 300)
    assert (console.home.media / image.path).is_file()


def test_a_pdf_is_put_on_replaced_and_removed(console: Console) -> None:
    put(console, state="draft")
    for pages in (1, 3):
        browser, form = opened(console)
        browser.send("/staff/items/policy", form, {"pdf": ("a.pdf", samples.paper(pages))})
        pdf = find(console).pdf
        assert pdf
        assert (pdf.pages, len(find(console).attachments)) == (pages, 1)
    form = again(browser)
    assert "opens, 3 pages" in browser.page
    browser.send("/staff/items/policy", changed(form, no_pdf="1"))
    assert find(console).pdf is None


REFUSED = [
    ("pdf", "a.pdf", b"<html>", "neither a PDF nor"),
    ("pdf", "locked.pdf", samples.paper(opens="secret"), "opens only with a password"),
    ("pdf", "river.pdf", samples.photograph((20, 20)), "is not a PDF"),
    ("image", "a.png", samples.paper(), "is not a picture"),
    ("pdf", "large.pdf", b"%PDF-" + bytes(media.LARGEST), "larger than 20 MB"),
]


def test_a_file_that_is_no_good_is_refused_beside_its_field(console: Console) -> None:
    put(console, state="draft")
    browser, form = opened(console)
    for role, name, data, said in REFUSED:
        answer = browser.send("/staff/items/policy", changed(form, title="Kept"), {role: (name, data)})
        assert answer.status_code == 400
        assert said in answer.text
        assert f'id="{role}-fault"' in answer.text
        assert browser.form("edit")["title"] == ["Kept"]
    assert find(console).attachments == ()


def test_a_form_in_parts_needs_its_token_and_has_its_limits(console: Console) -> None:
    put(console, state="draft")
    browser, form = opened(console)
    assert browser.send("/staff/items/policy", changed(form, form_token="0" * 32)).status_code == 403
    huge = {
        "pdf": ("a.pdf", bytes(media.LARGEST)),
        "image": ("b", bytes(media.LARGEST)),
        "more": ("c", bytes(3_000_000)),
    }
    assert browser.send("/staff/items/policy", form, huge).status_code == 413
    other = browser.send("/staff/activity/staff", form)  # a form without files takes none
    assert other.status_code == 403
    assert find(console).revision == 1


NO_FORMS = [
    b"",
    b"--x\r\n",
    b'--x\r\nContent-Disposition: form-data; name="form_token"\r\n\r\n\xff\xfe\r\n--x--\r\n',
    b'--x\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: a/b; charset=nonsense\r\n\r\na\r\n--x--\r\n',
    b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n",
    b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\na\r\n' * 1100 + b"--x--\r\n",
]


def test_what_is_no_form_in_parts_is_refused(console: Console) -> None:
    put(console, state="draft")
    browser, _ = opened(console)
    kind = {"content-type": "multipart/form-data; boundary=x"}
    for body in NO_FORMS:
        assert browser.client.post("/staff/items/policy", content=body, headers=kind).status_code == 403


# --- as people see it ------------------------------------------------------------------------------------------


def test_a_preview_shows_what_was_typed_and_saves_nothing(console: Console) -> None:
    Stage(console.home.db)
    put(console)
    browser, form = opened(console)
    typed = changed(form, title="Not yet", excerpt="Short.", text="*New*", format="markdown")
    answer = browser.send("/staff/items/policy/preview", typed)
    assert answer.status_code == 200
    assert answer.text.count("srcdoc=") == 3
    assert answer.text.count("Not yet") >= 4
    assert "&lt;em&gt;New&lt;/em&gt;" in answer.text
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert find(console).revision == 1


def test_a_preview_of_a_new_item_says_what_is_still_wrong(console: Console) -> None:
    browser = console.browser(AUTHOR)
    browser.get("/staff/items/new")
    answer = browser.send("/staff/items/new/preview", changed(browser.form("edit"), text="*New*"))
    assert "The title is missing." in answer.text
    assert "srcdoc=" not in answer.text


VIEWS = [("mail", "Read “"), ("site", "Skip to the text"), ("feeds", "All of policy")]


def test_an_item_is_shown_as_people_see_it_in_a_frame_that_does_nothing(console: Console) -> None:
    Stage(console.home.db)
    put(console, state="draft")
    browser = console.browser(VIEWER)
    for view, said in VIEWS:
        answer = browser.get(f"/staff/items/policy/as/{view}")
        assert said in answer.text
        assert "sandbox;" in answer.headers["content-security-policy"]
        assert "script-src" not in answer.headers["content-security-policy"]
    assert browser.get("/staff/items/policy/as/nothing").status_code == 404


# --- withdrawing -----------------------------------------------------------------------------------------------


def test_a_withdrawal_says_what_is_recalled_and_what_is_not_and_asks_for_a_reason(console: Console) -> None:
    stage = Stage(console.home.db)
    stage.join("ann")
    stage.publish("policy", "hiring")
    stage.send()
    browser = console.browser(EDITOR)
    page = browser.get("/staff/items/policy/withdraw").text
    assert "1 person has it and keeps it." in page
    answer = browser.post("/staff/items/policy/withdraw", why="")
    assert answer.status_code == 400
    assert "There is no reason." in answer.text
    browser.post("/staff/items/policy/withdraw", why="The figures were wrong.")
    gone = browser.client.get("/items/policy")
    assert gone.status_code == 410
    assert "The figures were wrong." in gone.text
    form = again(browser)
    assert "The figures were wrong." in browser.page
    browser.send("/staff/items/policy/publish", form)
    assert [what for what, _ in told(console)] == ["new", "again"]


def test_editions_under_way_are_named_before_a_withdrawal_and_paused_by_it(console: Console) -> None:
    stage = Stage(console.home.db)
    stage.join("ann")
    stage.publish("policy", "hiring")
    edition = stage.freeze()
    browser = console.browser(EDITOR)
    assert "it pauses and asks you" in browser.get("/staff/items/policy/withdraw").text
    browser.post("/staff/items/policy/withdraw", why="It was wrong.")
    assert stage.find(edition).question
    with console.home.db.reading() as conn:
        (line,) = activity.lines(conn, thing="item policy")
    assert line.after
    assert line.after["paused"] == f"edition {edition.id}"


def test_the_journey_is_told_in_words(console: Console) -> None:
    stage = Stage(console.home.db, ("weekly", "monthly"))
    stage.join("ann")
    stage.publish("policy", "hiring")
    stage.send()
    page = re.sub("<[^>]+>", " ", opened(console)[0].page)
    for said in (
        "Weekly digest, September\N{NO-BREAK SPACE}7",
        "Place 1 of 1. 1 person got it.",
        "Waits for the next monthly",
    ):
        assert said in page
    assert "On the site and in 3 feeds." in page
