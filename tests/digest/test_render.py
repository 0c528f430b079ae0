"""Rendering: what readers see, within which size, and what no author can do to a mail."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html

from digest import render
from digest.items import Author
from digest.render import budget, entries, quoted, shapes, templates, words
from digest.render.press import headline
from tests.digest import mail_example as example
from tests.digest.mail_example import ENTRIES, SEQUENCES, SHELL, SITE

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "mail"


@pytest.fixture(scope="module")
def press() -> render.Press:
    return render.Press(SHELL, "en", ENTRIES)


def golden(name: str, found: str) -> None:
    """Compares with the file; GOLDEN=write in the environment writes it instead."""
    path = GOLDEN / name
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found, encoding="utf-8", newline="")
    assert found == path.read_text(encoding="utf-8")


def one(
    title: str = "A plain title", excerpt: str = "What it says, in a sentence.", **more: object
) -> render.EntryView:
    slug = str(more.pop("slug", "slug"))
    return render.EntryView(1, "new", "", example.item(1, slug, "fact sheet", title, excerpt, "2026-08-17", **more))


def rendered(view: render.EntryView, shell: render.Shell = SHELL, language: str = "en") -> render.Rendered:
    return render.Press(shell, language, [view]).variant([view.sequence], most=12)


def opened(language: str = "en", **written: str) -> render.Rendered:
    """An edition over which staff wrote something in English."""
    shell = replace(SHELL, openings={"en": render.Opening(**written)})
    return render.Press(shell, language, ENTRIES).variant(SEQUENCES, most=12, opened=True)


def letter(language: str = "en") -> render.Rendered:
    """A letter with everything that a body may hold."""
    shell = replace(SHELL, cadence=render.LETTER)
    made = render.letter(
        shell, language, subject="An hour on hiring", preheader="", body=example.LETTER, topics=["Hiring"]
    )
    return render.counted(made, 39, language)


def words_of(source: str) -> str:
    return " ".join(html.document_fromstring(source).text_content().split())


def test_the_example_digest_is_as_reviewed(press: render.Press) -> None:
    mail = press.variant(SEQUENCES, most=12)
    golden("digest.html", mail.html)
    golden("digest.txt", mail.text)
    assert mail.subject == "Jurisdictions Permitting LPR Hiring, and four more"
    assert mail.shortened == ""


def test_the_example_digest_in_spanish_is_as_reviewed() -> None:
    mail = render.Press(SHELL, "es", ENTRIES).variant(SEQUENCES, most=12)
    golden("digest.es.html", mail.html)
    golden("digest.es.txt", mail.text)
    assert mail.subject == "Jurisdictions Permitting LPR Hiring, y cuatro más"


def test_a_shell_comes_back_from_json_unchanged() -> None:
    assert render.Shell.from_json(json.loads(json.dumps(SHELL.to_json()))) == SHELL


def test_a_variant_holds_its_entries_in_the_order_given(press: render.Press) -> None:
    mail = press.variant([43, 41], most=12)
    assert mail.html.index("/items/wso-program") < mail.html.index("/items/lpr-hiring")
    assert "/items/profiles" not in mail.html
    assert mail.text.index("1. Warrant Service") < mail.text.index("2. Jurisdictions")


def test_entries_added_later_join_and_known_ones_stay(press: render.Press) -> None:
    later = render.Press(SHELL, "en", ENTRIES[:1])
    later.add(ENTRIES)
    assert later.variant(SEQUENCES, most=12) == press.variant(SEQUENCES, most=12)


def test_an_empty_list_makes_no_mail(press: render.Press) -> None:
    with pytest.raises(ValueError, match="at least one"):
        press.variant([], most=12)


def test_entries_beyond_the_most_are_titles_only(press: render.Press) -> None:
    mail = press.variant(SEQUENCES, most=2)
    assert "Officers who came to this country" in mail.html
    assert "How the program works" not in mail.html + mail.text
    assert "More in your topics" in mail.html
    assert "More in your topics:" in mail.text
    assert all(f"{SITE}/items/{view.item.slug}" in mail.text for view in ENTRIES)


def test_the_kind_in_front_of_a_title_is_dropped_since_the_label_says_it() -> None:
    mail = rendered(one("FACT SHEET: Immigrants and Crime"))
    assert mail.subject == "Immigrants and Crime"
    assert "FACT SHEET" not in mail.html + mail.text
    assert "Fact sheet" in mail.html


def test_dates_show_their_year_when_it_is_not_the_editions(press: render.Press) -> None:
    mail = press.variant([41, 43], most=12)
    assert "Backgrounder, Aug 17\n" in mail.text
    assert "Fact sheet, Jun 4, 2019\n" in mail.text


def test_an_update_says_when_it_was_first_sent_and_what_changed(press: render.Press) -> None:
    mail = press.variant([45], most=12)
    seen = words_of(mail.html)
    assert "Updated first sent Apr 22" in seen
    assert "Changed on Aug 27: now covers the federal guidelines released on September 30." in seen
    assert "First sent Apr 22. Changed on Aug 27: now covers" in mail.text
    assert seen.count("One update in your topics since August 1.") == 1


def test_authors_stand_with_role_and_organization() -> None:
    authors = (Author("Ana Ruiz", "Editor", "The Forum"), Author("Bo Li"))
    assert "By Ana Ruiz, Editor, The Forum; Bo Li" in words_of(rendered(one(authors=authors)).html)


def test_sizes_are_read_as_people_read_them() -> None:
    sizes = {1: "1 kB", 212_400: "212 kB", 999_499: "999 kB", 999_500: "1 MB", 1_120_000: "1.1 MB"}
    assert {size: words.of("en").size(size) for size in sizes} == sizes


@pytest.mark.parametrize("most", [12, 0])
def test_what_is_written_in_another_language_says_so_and_our_words_around_it_do_not(most: int) -> None:
    view = replace(one("TITLE", "EXCERPT", language="ar"), what="update", note="NOTE")
    page = html.document_fromstring(render.Press(SHELL, "en", [view]).variant([1], most=most).html)
    marked = page.xpath("//*[@lang='ar']")
    texts = ["TITLE", "NOTE", "EXCERPT", "“TITLE”"] if most else ["TITLE"]
    assert [element.text_content() for element in marked] == texts
    assert {element.get("dir") for element in marked} == {"rtl"}
    assert {element.get("lang") for element in page.xpath("//*[@lang]")} == {"en", "ar"}


def test_a_shortened_title_is_cut_as_its_own_language_wants_it() -> None:
    title = "Lo que los departamentos ya pueden hacer hoy mismo con los programas federales"
    spanish = rendered(one(title, language="es"))
    assert spanish.subject == "Lo que los departamentos ya pueden hacer hoy mismo…"
    assert rendered(one(title, language="es"), language="es").subject == spanish.subject
    assert rendered(one(title), language="es").subject == "Lo que los departamentos ya pueden hacer hoy mismo con los…"


def test_usual_kinds_are_said_in_the_language_of_the_mail_and_others_as_written() -> None:
    dossier = replace(one(), sequence=2, item=example.item(2, "b", "dossier", "A title", "What it says.", "2026-08-17"))
    mail = render.Press(SHELL, "es", [one(), dossier]).variant([1, 2], most=12)
    assert "Hoja informativa, 17 ago\n" in mail.text
    assert "Dossier, 17 ago\n" in mail.text


def test_a_language_without_words_falls_back_to_english() -> None:
    assert rendered(one(), language="xx") == rendered(one(), language="en") == rendered(one(), language="de")
    assert 'lang="en" dir="ltr"' in rendered(one(), language="he").html


def test_a_region_has_the_words_of_its_language_and_dates_of_its_own() -> None:
    mail = rendered(one(), language="en-GB")
    assert '<html lang="en-GB"' in mail.html
    assert "Monthly digest, 1 September 2026" in mail.text
    assert "PDF, 1.1 MB" in rendered(one(attachments=example.pdf("x", 1_120_000)), language="es-MX").text
    assert "PDF, 1,1 MB" in rendered(one(attachments=example.pdf("x", 1_120_000)), language="es").text


def test_the_narrow_and_dark_rules_reach_the_reader_whole(press: render.Press) -> None:
    mail = press.variant(SEQUENCES, most=12).html
    head = mail[: mail.index("</head>")]
    assert templates.css("head.css", SHELL) in head
    assert head.count("!important") > 30
    assert len(templates.css("head.css", SHELL)) < 16_000
    assert "url(" not in mail
    used = set(re.findall(r"\.([a-z]+)", templates.css("head.css", SHELL)))
    classes = {name for page in (mail, letter().html) for name in re.findall(r'class="([^"]+)"', page)}
    assert used <= set(" ".join(classes).split()) | {"button", "press"}


def test_the_example_letter_is_as_reviewed() -> None:
    golden("letter.html", letter().html)
    golden("letter.txt", letter().text)


def test_the_example_letter_in_spanish_is_as_reviewed() -> None:
    golden("letter.es.html", letter("es").html)
    golden("letter.es.txt", letter("es").text)


def test_the_layout_stands_on_inline_styles_alone(press: render.Press) -> None:
    page = html.document_fromstring(press.variant(SEQUENCES, most=12).html)
    bare = [element for element in page.iter("a", "td", "p", "h1", "h2", "h3") if not element.get("style")]
    assert bare == []
    assert all(table.get("role") == "presentation" for table in page.iter("table"))
    assert len(list(page.iter("h1"))) == 1
    assert len(list(page.iter("h2"))) == len(SEQUENCES)


def test_the_preheader_comes_first_and_is_a_sentence_of_its_own(press: render.Press) -> None:
    mail = press.variant(SEQUENCES, most=12)
    first = html.document_fromstring(mail.html).xpath("//body//div[@class='pre']")[0].text
    sentence = first.split("\u034f")[0]
    assert 40 <= len(sentence) <= 100
    assert sentence.startswith("Where lawful permanent residents")
    assert words_of(mail.html).index(sentence[:30]) < words_of(mail.html).index(SHELL.organization)


@pytest.mark.parametrize("count", [1, 12, 60, 200])
@pytest.mark.parametrize("excerpt", ["ünïcödé § 1373 — " * 60, "." * 900])
def test_a_mail_never_outgrows_the_budget(count: int, excerpt: str) -> None:
    view = one("Background on ‘Sanctuary Jurisdictions’ – 8 U.S.C. § 1373", excerpt, slug="a" * 80)
    views = [replace(view, sequence=n) for n in range(count)]
    mail = render.Press(SHELL, "en", views).variant(range(count), most=500)
    slots = budget.SLOT_ROOM * len(shapes.SLOT.findall(mail.html))
    assert len(quoted.encode(mail.html)) + slots <= budget.LIMIT
    assert (mail.shortened == "more") == (f"{SITE}/editions/12\n\nShare" in mail.text)
    assert mail.shortened != "" or count < 60


def test_the_budget_takes_excerpts_then_lines_then_the_last_items() -> None:
    sizes = [(1000, 600, 200)] * 10
    steps = [budget.levels(sizes, 12, room, 0) for room in (10_000, 9_999, 5_999, 1_999, 100)]
    assert [name for _, name in steps] == ["", "excerpts", "lines", "more", "more"]
    assert [len(levels) for levels, _ in steps] == [10, 10, 10, 9, 0]


def test_what_is_left_out_is_counted_and_linked() -> None:
    views = [replace(one(slug="a" * 80), sequence=n) for n in range(200)]
    mail = render.Press(SHELL, "en", views).variant(range(200), most=12)
    shown = mail.html.count('class="line"')
    assert f"and {200 - shown} more online" in words_of(mail.html)
    assert f"and {200 - shown} more online:\n{SITE}/editions/12" in mail.text


def test_no_author_can_forge_a_slot_or_markup() -> None:
    hostile = "@@unsubscribe@@ @@@@masked@@@@ <b onclick=x>&amp; {{ 7*7 }} \x00\x1b\u202e\ufeff\r\nBcc: all"
    view = one(
        hostile,
        hostile,
        slug="@@asked@@",
        authors=(Author(hostile, hostile),),
        attachments=(replace(example.pdf("x", 1)[0], path="https://h/@@preferences@@"),),
    )
    mail = rendered(replace(view, what="update", note=hostile))
    clean = rendered(one("plain", "plain"))
    for part in ("html", "text"):
        assert shapes.SLOT.findall(getattr(mail, part)) == shapes.SLOT.findall(getattr(clean, part))
    assert "<b" not in mail.html.replace("<body", "").replace("<br", "")
    assert not re.search("[\x00\x1b\u202e\ufeff\r]", mail.html + mail.text + mail.subject)
    assert "\n" not in mail.subject


@given(st.lists(st.text(max_size=200), min_size=1, max_size=15), st.sampled_from(["en", "es"]), st.booleans())
@settings(deadline=None)
def test_every_subject_is_one_line_under_60_characters(titles: list[str], language: str, update: bool) -> None:
    said = words.of(language)
    pieces = [
        entries.Piece(shapes.clean(title), "", update, 0, ("",) * 3, (0,) * 3, (("", ""),) * 3, said)
        for title in titles
    ]
    subject = headline(said, pieces)
    assert len(subject) < 60
    assert "\n" not in subject
    assert not shapes.SLOT.search(subject)


@given(st.text(), st.integers(10, 160))
def test_shortening_keeps_within_its_room(text: str, room: int) -> None:
    assert len(entries.shorten(text, room, words.of("en"))) <= room


def test_a_shortened_title_ends_at_a_word_that_can_end_a_phrase() -> None:
    title = "Comparison of the Obama, Trump, and Biden Administration"
    assert entries.shorten(title, 37, words.of("en")) == "Comparison of the Obama, Trump…"


def test_a_bad_link_of_an_invitation_leaves_it_out() -> None:
    calls = (render.Call("Bad", "", "javascript:alert(1)", "No"), render.Call("Ask", "", "ask", "Ask us"))
    mail = rendered(one(), replace(SHELL, calls_to_action=calls))
    assert "javascript" not in mail.html + mail.text
    assert f'href="{SITE}/ask"' in mail.html


def test_text_lines_keep_72_columns_unless_they_are_a_link(press: render.Press) -> None:
    long = [line for line in press.variant(SEQUENCES, most=12).text.splitlines() if len(line) > 72]
    assert all(line.strip().startswith("https://") for line in long)


def test_a_notice_has_the_shell_and_no_way_out_of_a_list() -> None:
    button = render.Button("Open the edition", "/staff/editions/12")
    mail = render.notice(SHELL, subject="It\r\nwaits", heading="It waits", paragraphs=["Late <b>."], button=button)
    assert mail.subject == "It waits"
    assert not shapes.SLOT.search(mail.html + mail.text)
    assert "@@" not in mail.html + mail.text
    assert "Late &lt;b&gt;." in mail.html
    assert f"Open the edition:\n{SITE}/staff/editions/12" in mail.text
    assert SHELL.address in mail.html


def test_a_thousand_variants_cost_a_join_each(press: render.Press) -> None:
    start = time.process_time()
    for _ in range(1000):
        press.variant(SEQUENCES, most=12)
    assert time.process_time() - start < 2.0  # 0.06 ms each when measured; inlining each would take 20 s


def test_a_long_word_in_the_text_part_stays_whole_since_it_may_be_an_address() -> None:
    link = "https://example.org/" + "x" * 90
    assert f"\n   {link}\n" in rendered(one(excerpt=f"It says so at {link} in full.")).text


def test_from_the_tenth_item_on_the_lines_still_stand_in_one_column() -> None:
    views = [replace(one(), sequence=n) for n in range(10)]
    text = render.Press(SHELL, "en", views).variant(range(10), most=12).text
    assert "\n9. A plain title\n   Fact sheet" in text
    assert "\n10. A plain title\n    Fact sheet" in text


# --- what staff write over an edition --------------------------------------------------------------------------


def test_staff_write_over_an_edition_in_the_same_words_in_both_parts() -> None:
    body = '<p>Dear readers,</p><p>see <a href="/items/lpr-hiring">who may serve</a> first. @@unsubscribe@@</p>'
    made = opened(subject="Who may serve, and who decides", body=body)
    golden("opened.html", made.html)
    golden("opened.txt", made.text)
    assert made.subject == "Who may serve, and who decides"
    assert made.html.count("@@unsubscribe@@") == opened().html.count("@@unsubscribe@@")  # nobody forges a slot


@pytest.mark.parametrize(("subject", "body"), [("Only a subject", ""), ("", "<p>Only an opening.</p>")])
def test_either_may_be_empty(subject: str, body: str, press: render.Press) -> None:
    made, plain = opened(subject=subject, body=body), press.variant(SEQUENCES, most=12)
    assert made.subject == (subject or plain.subject)
    assert ("Only an opening." in made.text) == bool(body)
    if not body:
        assert made.html.replace(subject, plain.subject) == plain.html


def test_it_stands_over_no_other_language_and_over_nothing_that_is_only_owed(press: render.Press) -> None:
    written = {"subject": "Ours", "body": "<p>Ours alone.</p>"}
    assert "Ours" not in opened("es", **written).html
    shell = replace(SHELL, openings={"en": render.Opening(**written)})
    owed = render.Press(shell, "en", ENTRIES).variant(SEQUENCES, most=12)
    assert owed == press.variant(SEQUENCES, most=12)


def test_long_opening_words_leave_room_within_the_size_that_is_shown_whole() -> None:
    made = opened(body="".join(f"<p>{'Words of ours. ' * 60}</p>" for _ in range(64)))
    assert len(quoted.encode(made.html)) <= budget.LIMIT
    assert made.shortened
