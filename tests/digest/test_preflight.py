"""The last look before a send, on a fixture that holds each fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from digest import preflight, render
from digest.errors import Refused
from digest.items import Attachment
from digest.preflight import Finding
from digest.render import Rendered
from tests.digest.mail_example import ENTRIES, SEQUENCES, SHELL, SITE

GOOD = render.Press(SHELL, "en", ENTRIES).variant(SEQUENCES, most=12)


def check(
    mail: Rendered = GOOD,
    shell: render.Shell = SHELL,
    known: Callable[[str], bool | None] = lambda path: None,
) -> tuple[Finding, ...]:
    return preflight.check(mail, shell, entries=ENTRIES, known=known)


def with_markup(markup: str) -> Rendered:
    """The good mail with `markup` before its first item; links in it stand in the text part too."""
    at = GOOD.html.index('<table role="presentation" class="entry"')
    return replace(GOOD, html=GOOD.html[:at] + markup + GOOD.html[at:])


def faults(findings: tuple[Finding, ...]) -> list[Finding]:
    return [finding for finding in findings if finding.level != "fine"]


def test_a_good_mail_is_fine_in_every_point() -> None:
    findings = check()
    assert faults(findings) == []
    assert len(findings) == 11
    assert preflight.passed(findings)


@pytest.mark.parametrize(
    ("link", "what"),
    [
        ("items/lpr", "A link is not a whole web address."),
        ("//example.org/x", "A link is not a whole web address."),
        ("javascript:alert(1)", "A link is not a whole web address."),
        ("#top", "A link is not a whole web address."),
        ("", "A link has no address."),
        ("https://", "A link names no host."),
        ("https:///x", "A link names no host."),
        ("mailto:", "A link is not a whole web address."),
        (f"{SITE}/items/gone", "A link leads to a page of our site that does not exist."),
    ],
)
def test_a_broken_link_is_found(link: str, what: str) -> None:
    mail = with_markup(f'<a href="{link}">The report</a>')
    mail = replace(mail, text=mail.text + f"\n{link}\n")
    found = faults(check(mail, known=lambda path: path != "/items/gone"))
    assert found == [Finding("fix", what, "The report", link)]
    assert not preflight.passed(found)


def test_links_of_other_sites_and_slots_are_not_asked_about() -> None:
    asked: list[str] = []

    def known(path: str) -> bool:
        asked.append(path)
        return True

    mail = with_markup('<a href="https://elsewhere.example/x">Other</a>')
    check(mail, known=known)
    assert "/x" not in asked
    assert "/items/lpr-hiring" in asked
    assert not [path for path in asked if "@@" in path]


def test_an_http_link_asks_for_a_look_and_an_http_site_must_be_fixed() -> None:
    mail = with_markup('<a href="http://example.org/x">The report</a>')
    mail = replace(mail, text=mail.text + "\nhttp://example.org/x\n")
    assert [(f.level, f.figure) for f in faults(check(mail))] == [("look", "http://example.org/x")]
    site = faults(check(shell=replace(SHELL, site_url="http://news.example.org")))
    assert site == [
        Finding("fix", "The site's address does not start with https://.", "settings", "http://news.example.org")
    ]
    assert faults(check(shell=replace(SHELL, site_url="http://127.0.0.1:8080"))) == []


def test_a_picture_without_words_is_found_and_one_with_empty_words_is_not() -> None:
    mail = with_markup('<img src="https://example.org/a.png"><img src="https://example.org/b.png" alt="">')
    assert [(f.level, f.where) for f in faults(check(mail))] == [("fix", "https://example.org/a.png")]


@pytest.mark.parametrize(("alt", "levels"), [("A badge", []), ("", ["look"])])
def test_a_picture_that_no_page_shows_for_want_of_words_asks_for_a_look(alt: str, levels: list[str]) -> None:
    """The mail shows no picture of an item; its page does, when there are words for those who do not see it."""
    picture = Attachment("image", "ab.png", "badge.png", "image/png", 9, alt=alt, width=9, height=9)
    item = replace(ENTRIES[0].item, attachments=(picture,))
    found = preflight.check(GOOD, SHELL, entries=(replace(ENTRIES[0], item=item),))
    assert [one.level for one in faults(found) if "picture of an item is not shown" in one.what] == levels


@pytest.mark.parametrize("mark", ["{{ title }}", "{% if x %}", "@@:heading@@"])
def test_a_leftover_of_a_template_is_found_in_every_part(mark: str) -> None:
    mail = replace(GOOD, subject=mark, html=GOOD.html + mark, text=GOOD.text + mark)
    found = [f for f in faults(check(mail)) if "never filled in" in f.what]
    assert {f.where for f in found} == {"subject", "HTML", "text"}
    assert {f.level for f in found} == {"fix"}


def test_size_is_told_with_its_figure() -> None:
    levels = {}
    for room in (0, 70_000, 90_000):
        size = next(f for f in check(with_markup("<p>" + "x" * room + "</p>")) if f.where == "size")
        levels[size.level] = size.figure
    assert list(levels) == ["fine", "look", "fix"]
    assert levels["look"].endswith("of 102 kB")


def test_what_was_shortened_is_told() -> None:
    found = faults(check(replace(GOOD, shortened="excerpts")))
    assert [(f.level, f.figure) for f in found] == [("look", "excerpts cut")]


def test_a_missing_postal_address_must_be_fixed() -> None:
    found = faults(check(shell=replace(SHELL, address=" ")))
    assert [(f.level, f.where) for f in found] == [("fix", "footer")]


@pytest.mark.parametrize(
    ("markup", "figure"),
    [
        ('<p style="color:#999999">Too pale</p>', "2.8 of 4.5"),
        ('<p style="background-color:#0B5663">Too dark</p>', "2.5 of 4.5"),
        ('<p style="color:#777"><b>Nearly</b></p>', "4.4 of 4.5"),
        ('<p style="color:rgb(200, 200, 200);font-size:30px">Large</p>', "1.7 of 3"),
    ],
)
def test_weak_contrast_is_found_with_its_figure(markup: str, figure: str) -> None:
    assert [(f.level, f.figure) for f in faults(check(with_markup(markup))) if f.level == "fix"] == [("fix", figure)]


@pytest.mark.parametrize(
    "markup",
    [
        '<p style="color:#777;font-size:24px">Large enough</p>',
        '<div style="display:none;color:#fdfefd">Hidden</div>',
        '<div style="background:#000"><p style="color:white">Well seen</p></div>',
        '<p style="color:#999"> </p>',
    ],
)
def test_what_can_be_read_or_is_not_shown_passes(markup: str) -> None:
    assert faults(check(with_markup(markup))) == []


def test_a_subject_too_long_or_empty_is_found() -> None:
    assert faults(check(replace(GOOD, subject="x" * 60))) == []
    assert [(f.level, f.figure) for f in faults(check(replace(GOOD, subject="x" * 61)))] == [("look", "61 characters")]
    assert [(f.level, f.where) for f in faults(check(replace(GOOD, subject=" ")))] == [("fix", "subject")]


def test_a_text_part_that_says_less_than_the_html_is_found() -> None:
    link = f"{SITE}/items/wso-program"
    without_link = faults(check(replace(GOOD, text=GOOD.text.replace(link, ""))))
    assert {(f.level, f.figure) for f in without_link} == {("fix", link)}
    without_item = faults(check(replace(GOOD, text=GOOD.text.replace("Warrant Service Officer", ""))))
    assert [(f.level, f.where) for f in without_item] == [("fix", "Warrant Service Officer (WSO) Program")]
    assert "The text part is empty." in [f.what for f in check(replace(GOOD, text=""))]


def test_a_pdf_that_is_gone_is_found_with_its_item() -> None:
    (first, *_) = [view.item for view in ENTRIES if any(file.role == "pdf" for file in view.item.attachments)]
    gone = next(file.path for file in first.attachments if file.role == "pdf")
    found = faults(preflight.check(GOOD, SHELL, entries=ENTRIES, kept=lambda path: path != gone))
    assert [(f.level, f.item) for f in found] == [("fix", first.slug)]
    elsewhere = Attachment("pdf", "https://example.org/a.pdf", "a.pdf", "application/pdf", 9)
    views = [replace(ENTRIES[0], item=replace(ENTRIES[0].item, attachments=(elsewhere,)))]
    assert faults(preflight.check(GOOD, SHELL, entries=views, kept=lambda path: False)) == []


def test_an_item_without_an_excerpt_asks_for_a_look() -> None:
    bare = replace(ENTRIES[0], item=replace(ENTRIES[0].item, excerpt=" "))
    found = faults(preflight.check(GOOD, SHELL, entries=(bare, *ENTRIES[1:])))
    assert [(f.level, f.item) for f in found] == [("look", bare.item.slug)]


@pytest.mark.parametrize("name", ["unsubscribe", "preferences"])
def test_a_mail_without_a_way_out_must_be_fixed(name: str) -> None:
    found = faults(check(replace(GOOD, html=GOOD.html.replace(render.slot(name), "https://example.org/x"))))
    assert ("fix", "HTML") in [(f.level, f.where) for f in found]


def test_what_is_hard_to_read_in_the_dark_alone_is_found() -> None:
    found = faults(check(with_markup('<p style="color:#333333">A grey word</p>')))
    assert [(f.level, f.where) for f in found] == [("look", "A grey word")]
    assert "dark mode" in found[0].what


def test_what_must_be_fixed_refuses_with_the_words_of_all_of_it() -> None:
    preflight.refuse_unfit(check())
    with pytest.raises(Refused, match="no postal address"):
        preflight.refuse_unfit(check(shell=replace(SHELL, address="")))


def test_the_gravest_comes_first() -> None:
    findings = check(replace(GOOD, subject="x" * 70), shell=replace(SHELL, address=""))
    levels = [finding.level for finding in findings]
    assert levels == sorted(levels, key=("fix", "look", "fine").index)
