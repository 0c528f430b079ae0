"""Feeds as they are met in the wild, each with the same two entries written in its own way."""

from __future__ import annotations

import json

RSS_20 = b"""<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
 xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>News</title><link>https://site.example/</link><language>en-US</language>
<item><title>First &amp;amp; best</title><link>https://site.example/2026/first/</link><guid isPermaLink="false">https://site.example/?p=1</guid>
<dc:creator>Dana Ruiz</dc:creator><category>Law</category><pubDate>Mon, 02 Nov 2026 10:00:00 +0000</pubDate>
<description>Short.</description><content:encoded><![CDATA[<p>Long <b>text</b>.</p>]]></content:encoded></item>
<item><title>Second</title><link>https://site.example/2026/second/</link><guid isPermaLink="false">https://site.example/?p=2</guid></item>
</channel></rss>"""

RSS_20_NO_GUID = b"""<rss version="2.0"><channel><title>News</title><link>https://site.example/</link>
<item><title>First</title><link>https://site.example/2026/first/</link>
<pubDate>Mon, 2 Nov 2026 05:00 EST</pubDate></item>
<item><title>Second</title><link>https://site.example/2026/second/</link></item></channel></rss>"""

RSS_091 = b"""<?xml version="1.0"?><!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN"
 "http://my.netscape.com/publish/formats/rss-0.91.dtd"><rss version="0.91"><channel><title>News</title>
<link>https://site.example/</link><item><title>First</title><link>https://site.example/2026/first/</link></item>
<item><title>Second</title><link>https://site.example/2026/second/</link></item></channel></rss>"""

RSS_10 = b"""<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="https://site.example/"><title>News</title>
<link>https://site.example/</link></channel>
<item rdf:about="https://site.example/2026/first/"><title>First</title><link>https://site.example/2026/first/</link>
<dc:date>2026-11-02T10:00:00Z</dc:date><dc:creator>Dana Ruiz</dc:creator></item>
<item rdf:about="https://site.example/2026/second/"><title>Second</title><link>https://site.example/2026/second/</link></item>
</rdf:RDF>"""

ATOM_10 = b"""<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en">
<title>News</title>
<link href="https://site.example/"/><id>urn:x</id><updated>2026-11-03T00:00:00Z</updated>
<entry><id>tag:site.example,2026:1</id><title type="html">First &amp;lt;b&amp;gt;</title><link href="/2026/first/"/>
<published>2026-11-02T10:00:00Z</published><updated>2026-11-03T00:00:00Z</updated>
<author><name>Dana Ruiz</name></author>
<category term="law"/><summary>Short.</summary>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Long</p></div></content></entry>
<entry><id>tag:site.example,2026:2</id><title>Second</title><link href="/2026/second/"/></entry></feed>"""

ATOM_03 = b"""<feed version="0.3" xmlns="http://purl.org/atom/ns#"><title>News</title><link rel="alternate" href="https://site.example/"/>
<entry><id>tag:site.example,2026:1</id><title>First</title><link rel="alternate" href="https://site.example/2026/first/"/>
<issued>2026-11-02T10:00:00Z</issued><modified>2026-11-02T10:00:00Z</modified></entry>
<entry><id>tag:site.example,2026:2</id><title>Second</title><link rel="alternate" href="https://site.example/2026/second/"/></entry></feed>"""

JSON_11 = json.dumps(
    {"version": "https://jsonfeed.org/version/1.1", "title": "News", "home_page_url": "https://site.example/",
     "language": "en", "authors": [{"name": "Dana Ruiz"}],
     "items": [{"id": "1", "url": "https://site.example/2026/first/", "title": "First", "content_html": "<p>Long</p>",
                "summary": "Short.", "date_published": "2026-11-02T10:00:00Z", "tags": ["Law"]},
               {"id": "2", "url": "https://site.example/2026/second/", "title": "Second", "content_text": "a < b"}]}
).encode()  # fmt: skip

JSON_10 = b"\xef\xbb\xbf" + json.dumps(
    {"version": "https://jsonfeed.org/version/1", "title": "News", "author": {"name": "Dana Ruiz"},
     "items": [{"id": 1, "url": "https://site.example/2026/first/", "title": "First", "content_text": "x",
                "date_published": "2026-11-02T05:00:00-05:00"},
               {"id": 2, "url": "https://site.example/2026/second/", "title": "Second", "content_text": "y"}]}
).encode()  # fmt: skip

LATIN_1 = RSS_20.replace(b'"UTF-8"', b'"iso-8859-1"').replace(b"Dana Ruiz", "Zoé Núñez".encode("latin-1"))
UTF_16 = RSS_20.decode().replace('"UTF-8"', '"UTF-16"').encode("utf-16")

BROKEN = b"""<rss version="2.0"><channel><title>News & views</title><link>https://site.example/</link>
<item><title>First<br>line & more</title><link>https://site.example/2026/first/?a=1&b=2</link>
<pubDate>2026-11-02 10:00:00</pubDate>
<description><p>Not closed</description></item>
<item><title>Second</title><link>https://site.example/2026/second/</link>"""

LEADING_SPACE = b"\n\n  " + RSS_20

ALL = {
    "RSS 2.0": RSS_20, "RSS 2.0 without guid": RSS_20_NO_GUID, "RSS 0.91": RSS_091, "RSS 1.0": RSS_10,
    "Atom 1.0": ATOM_10,
    "Atom 0.3": ATOM_03, "JSON Feed 1.1": JSON_11, "JSON Feed 1.0": JSON_10, "Latin-1": LATIN_1, "UTF-16": UTF_16,
    "broken": BROKEN, "space before": LEADING_SPACE,
}  # fmt: skip
