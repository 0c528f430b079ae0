"""The trust border: what comes out is read back by a parser of another make and must be harmless."""

from __future__ import annotations

import time
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest import markup

PAYLOADS = """
<script>alert(1)</script>
<SCRIPT SRC=https://evil.example/x.js></SCRIPT>
<scr<script>ipt>alert(1)</scr</script>ipt>
<img src=x onerror=alert(1)>
<img src="https://ok.example/a.png" onload="alert(1)" style="x:y">
<img/src=`x`onerror=alert(1)>
<img src="javascript:alert(1)">
<img src="data:text/html,<script>alert(1)</script>">
<img srcset="https://evil.example/x 1x" src="http://plain.example/a.png">
<svg onload=alert(1)><script>alert(1)</script></svg>
<svg><animate onbegin=alert(1) attributeName=x></svg>
<svg><style><img src=x onerror=alert(1)></style></svg>
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">
<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>
<noscript><p title="</noscript><img src=x onerror=alert(1)>">
<a href="javascript:alert(1)">x</a>
<a href="JaVaScRiPt:alert(1)">x</a>
<a href=" javascript:alert(1)">x</a>
<a href="java\tscript:alert(1)">x</a>
<a href="java&#10;script:alert(1)">x</a>
<a href="&#1;javascript:alert(1)">x</a>
<a href="&#106;avascript&colon;alert(1)">x</a>
<a href="vbscript:msgbox(1)">x</a>
<a href="data:text/html;base64,PHNjcmlwdD4=">x</a>
<a href="//evil.example/x">x</a>
<a href="/\\evil.example/x">x</a>
<a href="\\\\evil.example/x">x</a>
<a href="https:evil.example">x</a>
<a href="https:///evil.example">x</a>
<a href="https://good.example@evil.example/">x</a>
<a href="https://good.example\\@evil.example/">x</a>
<a href="https://[bad/">x</a>
<a href="mailto:nobody">x</a>
<a href="https://ok.example" target=_blank onclick=alert(1) style="position:fixed" class="x" id="y">x</a>
<iframe src="https://evil.example" srcdoc="<script>alert(1)</script>"></iframe>
<object data="https://evil.example"></object><embed src="https://evil.example">
<base href="https://evil.example/"><meta http-equiv=refresh content="0;url=https://evil.example">
<link rel=stylesheet href="https://evil.example/x.css"><style>@import 'https://evil.example'</style>
<form action="https://evil.example"><input name=password><button formaction="javascript:alert(1)">x</button></form>
<div style="background:url(javascript:alert(1))" onmouseover="alert(1)">x</div>
<table background="javascript:alert(1)"><td background="https://evil.example/x">x</td></table>
<video><source onerror="alert(1)"></video><audio src=x onerror=alert(1)></audio>
<details open ontoggle=alert(1)><summary>x</summary></details>
<p title="<img alt="></p><img alt=" onx=&quot;y&quot;>">x
<!--><script>alert(1)</script-->
<![CDATA[<script>alert(1)</script>]]>
<?xml-stylesheet href="javascript:alert(1)"?>
<textarea><img title="</textarea><script>alert(1)</script>"></textarea>
<title><img title="</title><script>alert(1)</script>">
<template><script>alert(1)</script></template><xmp><script>alert(1)</script></xmp>
<plaintext><script>alert(1)</script>
<b lang='"><script>'>x</b><p dir="javascript:x">y</p>
""".strip().splitlines()

URLS = {"href", "src"}


class Reader(HTMLParser):
    """Collects whatever a mail program would act on."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in markup.TAGS:
            self.faults.append(f"<{tag}>")
        allowed = markup.ATTRIBUTES.get(tag, set()) | markup.ATTRIBUTES["*"]
        for name, value in attrs:
            if name not in allowed:
                self.faults.append(f"{tag} {name}={value}")
            schemes = ("https://",) if name == "src" else ("https://", "http://", "mailto:")
            if name in URLS and not (value or "").lower().startswith(schemes):
                self.faults.append(f"{tag} {name}={value}")
            if name in URLS and "evil.example" in (value or "") and "@" in (value or ""):
                self.faults.append(f"{tag} {name}={value}")

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        self.faults.append(f"declaration {decl}")

    def unknown_decl(self, data: str) -> None:
        self.faults.append(f"declaration {data}")

    def handle_pi(self, data: str) -> None:
        self.faults.append(f"instruction {data}")

    def handle_data(self, data: str) -> None:
        self.text += data


def harmless(html: str) -> bool:
    reader = Reader(html)
    assert reader.faults == []
    assert not any(0xD800 <= ord(c) < 0xE000 or (ord(c) < 32 and c not in "\t\n\r") for c in html + reader.text)
    return True


class TestClean:
    @pytest.mark.parametrize("payload", PAYLOADS)
    def test_a_payload_comes_out_harmless(self, payload: str) -> None:
        assert harmless(markup.clean(payload))
        assert harmless(markup.clean(payload, "https://site.example/folder/"))
        assert harmless(markup.markdown_to_html(f"Text {payload}\n\n{payload}"))

    @pytest.mark.parametrize(
        "link",
        [
            "javascript:alert(1)",
            "//evil.example",
            "data:text/html,x",
            "/relative",
            "java&#x0A;script:alert(1)",
            "#part",
        ],
    )
    def test_a_markdown_link_that_may_not_be_followed_keeps_only_its_words(self, link: str) -> None:
        html = markup.markdown_to_html(f"See [the words]({link}) and <{link}>.")
        assert "href" not in html
        assert "the words" in html

    @given(st.text(alphabet=st.characters(codec=None), max_size=80), st.lists(st.sampled_from(PAYLOADS), max_size=4))
    @settings(max_examples=300, deadline=None)
    def test_any_mixture_comes_out_harmless_and_stays_as_it_is(self, text: str, payloads: list[str]) -> None:
        half = len(text) // 2
        mixed = text[:half].join(payloads) + text[half:]
        once = markup.clean(mixed)
        assert harmless(once)
        assert markup.clean(once) == once
        assert harmless(markup.markdown_to_html(mixed))

    def test_what_authors_need_is_kept(self) -> None:
        html = (
            '<h2>Title</h2><p>Some <strong>strong</strong> <a href="https://a.example/x?y=1&amp;z=2#f">link</a>, '
            '<a href="mailto:help@example.org">mail</a></p><ul><li>One</li></ul><blockquote>§ 287(g)</blockquote>'
            '<table><tbody><tr><td colspan="2">A</td></tr></tbody></table>'
            '<img src="https://a.example/p.png" alt="A badge">'
        )
        assert markup.clean(html) == html

    def test_relative_addresses_are_resolved_or_dropped(self) -> None:
        html = '<a href="../b">x</a><img src="p.png" alt="y">'
        assert markup.clean(html, "https://a.example/c/d/") == (
            '<a href="https://a.example/c/b">x</a><img src="https://a.example/c/d/p.png" alt="y">'
        )
        assert markup.clean(html) == "<a>x</a>"

    @pytest.mark.parametrize(
        "address",
        [
            "//evil.example/x",
            "/\\evil.example/x",
            "\\\\evil.example",
            "https://evil.example\\.site.example/",
        ],
    )
    def test_an_address_that_browsers_read_otherwise_is_dropped(self, address: str) -> None:
        assert markup.address(address, "https://site.example/") is None

    def test_controls_do_not_come_back_from_entities_and_unseen_words_stay_unseen(self) -> None:
        assert markup.clean("a&#1;b&#xFFFF;c&#x0;") == "abc\ufffd"
        assert markup.clean("<textarea>x</textarea><noscript>y</noscript><title>z</title>a") == "a"

    def test_pictures_come_by_https_alone(self) -> None:
        assert markup.clean('a<img src="http://a.example/p.png" alt="x > y">b\n<img>c') == "ab\nc"

    def test_the_first_heading_of_a_page_is_its_title_alone(self) -> None:
        assert markup.markdown_to_html("# One\n") == "<h2>One</h2>\n"

    @pytest.mark.parametrize("bomb", ["<div>" * 60_000, "<b><i>" * 30_000, "<a>" * 60_000, "<table><td>" * 20_000])
    def test_a_deep_page_is_cleaned_in_time(self, bomb: str) -> None:
        started = time.process_time()
        assert markup.to_text(markup.clean(bomb + "words")).strip() == "words"
        assert time.process_time() - started < 5

    def test_tags_nested_too_deep_are_dropped_and_their_words_stay(self) -> None:
        html = markup.clean("<div>" * 300 + "<b>words</b>" + "</div>" * 300 + "<i>after</i>")
        assert html == "<div>" * markup.DEEPEST + "words" + "</div>" * markup.DEEPEST + "<i>after</i>"

    def test_a_page_of_too_many_tags_keeps_its_words(self) -> None:
        html = markup.clean("<p>A &lt;b&gt; word" * (markup.MOST_TAGS + 1))
        assert html.startswith("<p>A &lt;b&gt; word A")

    @pytest.mark.parametrize("bomb", ["> " * 50_000, "[" * 50_000, "*a_" * 50_000, "`" * 50_000, "- " * 50_000])
    def test_a_deep_text_is_read_in_time(self, bomb: str) -> None:
        started = time.process_time()
        markup.markdown_to_html(bomb)
        assert time.process_time() - started < 5


class TestText:
    def test_html_becomes_text_that_reads_well(self) -> None:
        html = markup.markdown_to_html("## Who\n\nSome **words** and [a link](https://a.example).\n\n- one\n- two\n")
        assert markup.to_text(html) == "Who\n\nSome words and a link.\n\n  * one\n  * two"
        assert "[a link](https://a.example)" in markup.to_text(html, links=True)

    def test_text_holds_what_was_escaped(self) -> None:
        assert markup.to_text(markup.clean("<p>a &lt;b&gt; &amp; c</p>")) == "a <b> & c"
        assert markup.to_text("") == ""

    @given(st.text(max_size=200))
    @settings(deadline=None)
    def test_plain_text_keeps_its_words(self, text: str) -> None:
        assert harmless(markup.clean(markup.text_to_html(text)))

    def test_an_excerpt_ends_with_a_sentence_or_a_word(self) -> None:
        html = "<p>One short sentence. Then a second one that goes on for long.</p>"
        assert markup.excerpt(html, 200) == "One short sentence. Then a second one that goes on for long."
        assert markup.excerpt(html, 25) == "One short sentence."
        assert markup.excerpt(html, 42) == "One short sentence. Then a second one…"

    @given(st.text(max_size=300), st.integers(2, 200))
    @settings(deadline=None)
    def test_an_excerpt_never_exceeds_its_limit(self, text: str, limit: int) -> None:
        assert len(markup.shorten(markup.line(text), limit)) <= limit


class TestLine:
    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("  Two \t words\r\n and more ", "Two words and more"),
            ("Subject\r\nBcc: a@example.org", "Subject Bcc: a@example.org"),
            ("a\u2028b\u2029c\x85d\x0be", "a b c d e"),
            ("nul\x00 bell\x07 del\x7f", "nul bell del"),
            ("\u202egnp.exe\u202c \u2066x\u2069 \u200f\u061c", "gnp.exe x"),
            ("zero\u200bwidth \ufeffmark", "zerowidth mark"),
            ("half \ud800 surrogate \uffff", "half surrogate"),
            ("§ 287(g) — ‘quotes’ & ampersand", "§ 287(g) — ‘quotes’ & ampersand"),
            ("e\u0301", "é"),
        ],
    )
    def test_a_line_is_one_clean_line(self, text: str, line: str) -> None:
        assert markup.line(text) == line

    @given(st.text(alphabet=st.characters(codec=None)))
    def test_no_text_breaks_out_of_its_line(self, text: str) -> None:
        line = markup.line(text)
        assert line.splitlines() in ([], [line])
        assert markup.line(line) == line
        line.encode("utf-8")
