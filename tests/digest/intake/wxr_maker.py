"""An export of WordPress with everything that real ones hold, as large as one likes.

`python -m tests.digest.intake.wxr_maker FILE --posts 2000` writes one, and beside it `uploads/` with the files that it
names; `--megabytes 200` makes the posts so long that the file reaches that size.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.sax.saxutils import escape

from tests.digest import samples

SITE = "https://old.example.org"
HEAD = f"""<?xml version="1.0" encoding="UTF-8" ?>
<!-- This is a WordPress eXtended RSS file -->
<!-- generator="WordPress/6.8" created="2026-08-17 10:00" -->
<?xml-stylesheet type="text/xsl" href="x.xsl"?>
<rss version="2.0" xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/"
 xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:wfw="http://wellformedweb.org/CommentAPI/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:wp="http://wordpress.org/export/1.2/">
<channel><title>Path to Public Safety</title><link>{SITE}</link><description>Notes</description>
<pubDate>Mon, 17 Aug 2026 10:00:00 +0000</pubDate><language>en-US</language>
<wp:wxr_version>1.2</wp:wxr_version><wp:base_site_url>{SITE}</wp:base_site_url>
<wp:base_blog_url>{SITE}</wp:base_blog_url>
<wp:author><wp:author_id>1</wp:author_id><wp:author_login><![CDATA[dana]]></wp:author_login>
<wp:author_email><![CDATA[dana@old.example.org]]></wp:author_email>
<wp:author_display_name><![CDATA[Dana Ruiz]]></wp:author_display_name></wp:author>
<wp:author><wp:author_id>2</wp:author_id><wp:author_login><![CDATA[lee]]></wp:author_login>
<wp:author_display_name><![CDATA[Lee O’Neil & Sons]]></wp:author_display_name></wp:author>
<wp:category><wp:term_id>3</wp:term_id><wp:category_nicename><![CDATA[detainers]]></wp:category_nicename>
<wp:cat_name><![CDATA[Detainers]]></wp:cat_name></wp:category>
<wp:tag><wp:term_id>4</wp:term_id><wp:tag_slug><![CDATA[court]]></wp:tag_slug></wp:tag>
<image><url>{SITE}/icon.png</url><title>Path</title><link>{SITE}</link></image>
"""
TAIL = "</channel></rss>\n"


def cdata(text: str) -> str:
    """Text as WordPress writes it; what would end the section is split over two."""
    return "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"


def term(domain: str, short: str, name: str = "") -> str:
    """A category or tag of a post."""
    return f'<category domain="{domain}" nicename="{short}">{cdata(name or short)}</category>'


def meta(key: str, value: str) -> str:
    """A custom field."""
    said = f"<wp:meta_key>{cdata(key)}</wp:meta_key><wp:meta_value>{cdata(value)}</wp:meta_value>"
    return f"<wp:postmeta>{said}</wp:postmeta>"


def post(number: int, **given: str) -> str:
    """One item as WordPress writes it; a text that is given stands in the place of the usual one."""
    f = {
        "title": f"Post {number}", "name": f"post-{number}", "status": "publish", "type": "post", "password": "",
        "date": "2021-04-22 16:00:00", "content": f"<p>All of {number}.</p>", "excerpt": "", "terms": "", "sticky": "0",
        "parent": "0", "more": "", "author": "dana", "url": "", "local": "2021-04-22 12:00:00",
    } | given  # fmt: skip
    url = f"<wp:attachment_url>{cdata(f['url'])}</wp:attachment_url>" if f["url"] else ""
    return f"""<item><title>{escape(f["title"])}</title><link>{SITE}/{f["name"]}/</link>
<pubDate>Thu, 22 Apr 2021 16:00:00 +0000</pubDate><dc:creator><![CDATA[{f["author"]}]]></dc:creator>
<guid isPermaLink="false">{SITE}/?p={number}</guid><description></description>
<content:encoded>{cdata(f["content"])}</content:encoded><excerpt:encoded>{cdata(f["excerpt"])}</excerpt:encoded>
<wp:post_id>{number}</wp:post_id><wp:post_date>{f["local"]}</wp:post_date>
<wp:post_date_gmt>{f["date"]}</wp:post_date_gmt><wp:post_name>{f["name"]}</wp:post_name>
<wp:status>{f["status"]}</wp:status><wp:post_parent>{f["parent"]}</wp:post_parent>
<wp:post_type>{f["type"]}</wp:post_type><wp:post_password>{f["password"]}</wp:post_password>
<wp:is_sticky>{f["sticky"]}</wp:is_sticky>{url}{f["terms"]}{meta("_edit_last", "1")}{f["more"]}</item>
"""


def attachment(number: int, path: str, *, parent: int = 0, alt: str = "") -> str:
    """A file of the library, as WordPress writes it."""
    url = f"{SITE}/wp-content/uploads/{path}"
    more = meta("_wp_attached_file", path) + (meta("_wp_attachment_image_alt", alt) if alt else "")
    return post(number, type="attachment", status="inherit", url=url, parent=str(parent), content="", more=more)


UNDATED = "0000-00-00 00:00:00"
# Each oddity, and what becomes of it: the post's number, divided by their count, leaves its place.
ODDITIES: tuple[tuple[str, dict[str, str]], ...] = (
    ("published", {}),
    ("published", {"type": "page", "terms": ""}),
    ("published", {"title": "Q &amp; A: “Why?” &#8211; &lt;b&gt;bold", "excerpt": "[b]In short.[/b] <em>Why</em>"}),
    ("draft", {"status": "draft", "date": UNDATED, "local": "2026-08-01 10:00:00"}),
    ("draft", {"status": "private"}),
    ("draft", {"password": "secret"}),
    ("scheduled", {"status": "future", "date": "2030-01-01 00:00:00"}),
    ("left out", {"status": "trash"}),
    ("left out", {"status": "auto-draft", "title": "Auto Draft"}),
    ("left out", {"type": "revision", "status": "inherit"}),
    ("left out", {"type": "nav_menu_item"}),
    ("left out", {"type": "wp_global_styles"}),
    ("published", {"content": "[caption id='a'] A [/caption] [gallery ids='1,2'] [x]Row[/x] [sic]\r\n\r\nB."}),
    ("published", {"content": '<!-- wp:paragraph {"a":1} -->\n<p>Block.</p>\n<!-- /wp:paragraph --><!-- wp:more -->'}),
    ("published", {"content": "<pre>if (a[b[0]]>1) { }</pre><p>A CDATA end: ]]> and again ]]>.</p>"}),
    ("undated", {"date": UNDATED, "local": UNDATED}),
    ("refused", {"date": "2021-13-45 99:00:00"}),
    ("published", {"name": "same-name"}),
    ("published", {"title": "", "name": ""}),
    ("published", {"content": "<p>A bell \x07, an escape \x1b and a vertical tab \x0b in the words.</p>"}),
    ("published", {"content": "<p>Caf&eacute; &mdash; &nbsp; &hellip; &#8220;quoted&#8221; &bogus; &amp;amp;</p>"}),
    ("published", {"content": "<p>" + "Long. " * 60_000 + "</p>"}),
    ("published", {"more": '<podcast:episode xmlns:podcast="https://podcastindex.org/namespace/1.0">7</podcast:episode>'
                           "<wp:comment><wp:comment_id>9</wp:comment_id></wp:comment>"}),
    ("published", {"terms": term("category", "uncategorized") + term("category", "fact-sheets", "Fact Sheets")}),
    ("published", {"terms": term("category", "law", "Law") + term("post_tag", "court") + term("post_tag", "stray")}),
    ("published", {"sticky": "1", "author": "lee"}),
    ("published", {"content": "<p><script>alert(1)</script><img src=x onerror=alert(1)><a href='javascript:x'></a>"}),
    ("published", {"author": "gone", "title": "\u202eTurned"}),
)  # fmt: skip
PICTURED, PAPERED, BARE = 3, 4, 7  # every so many posts have a featured image, a PDF, a picture without words


def posts(count: int, pad: int = 0) -> Iterator[str]:
    """So many items, the files of which stand behind them; `pad` characters more in each text."""
    filler = "Words that make it longer. " * (pad // 27)
    for number in range(1, count + 1):
        odd = dict(ODDITIES[number % len(ODDITIES)][1])
        if "content" not in odd:
            odd["content"] = f"<p>All of {number}.</p>"
        if number % PAPERED == 0:
            odd["content"] += f'<p><a href="{SITE}/wp-content/uploads/2021/04/paper-{number}.pdf">PDF</a></p>'
        if number % PICTURED == 0:
            odd["more"] = odd.get("more", "") + meta("_thumbnail_id", str(100_000 + number))
        if filler:
            odd["content"] += f"<p>{filler}</p>"
        odd.setdefault("terms", term("category", "detainers", "Detainers"))
        yield post(number, **odd)
    for number in range(PICTURED, count + 1, PICTURED):
        alt = "" if number % BARE == 0 else f"Badge {number}"
        yield attachment(100_000 + number, f"2021/04/badge-{number}.png", parent=number, alt=alt)
    for number in range(PAPERED, count + 1, PAPERED):
        yield attachment(200_000 + number, f"2021/04/paper-{number}.pdf", parent=number)


def export(file: Path, written: Iterable[str]) -> Path:
    """Writes an export of these items."""
    with file.open("w", encoding="utf-8") as out:
        out.write(HEAD)
        out.writelines(written)
        out.write(TAIL)
    return file


def becomes(count: int) -> Counter[str]:
    """How many of so many posts become what."""
    return Counter(ODDITIES[number % len(ODDITIES)][0] for number in range(1, count + 1))


def write(file: Path, count: int, pad: int = 0) -> Path:
    """Writes an export of so many posts."""
    return export(file, posts(count, pad))


def uploads(folder: Path, count: int, different: int = 2) -> Path:
    """Writes the files that such an export names, so many of them different, into a copy of WordPress's folder."""
    month = folder / "2021" / "04"
    month.mkdir(parents=True, exist_ok=True)
    for number in range(PICTURED, count + 1, PICTURED):
        color = (number % different % 256, number % different // 256, 30)
        (month / f"badge-{number}.png").write_bytes(samples.picture("PNG", (40, 30), color=color))
    paper = samples.paper(2)
    for number in range(PAPERED, count + 1, PAPERED):
        (month / f"paper-{number}.pdf").write_bytes(paper + f"% {number % different}\n".encode())
    return folder


def main() -> None:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--posts", type=int, default=2_000)
    parser.add_argument("--megabytes", type=int, default=0)
    given = parser.parse_args()
    write(given.file, given.posts, given.megabytes * 1_000_000 // given.posts)
    uploads(given.file.parent / "uploads", given.posts, different=given.posts)
    print(f"{given.file}: {given.file.stat().st_size:,} bytes, {given.posts:,} posts")


if __name__ == "__main__":
    main()
