"""WordPress's export file, as a file: well made, damaged, or made to harm; in bounded memory, with a clear word."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from digest import apart, wxr
from digest.errors import BadInput, NotFound
from digest.wxr import Post
from tests.digest.intake.wxr_maker import HEAD, SITE, TAIL, attachment, export, meta, post

DECLARED = '<?xml version="1.0" encoding="UTF-8" ?>'


def laughing() -> str:
    """Ten times itself, ten times over: a thousand million words (CVE-2003-1564)."""
    growing = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    return f'<!ENTITY a0 "ha">{growing}'


def typed(declarations: str, used: str = "&a9;", before: str = "") -> bytes:
    text = HEAD.replace("<rss", f"{before}<!DOCTYPE rss [{declarations}]>\n<rss", 1)
    return (text + post(1, title="T").replace("<title>T", f"<title>T {used}") + TAIL).encode()


def plain(more: str, encoding: str = "utf-8") -> bytes:
    return (HEAD + more + TAIL).replace("’", "'").encode(encoding)


def inside(content: str) -> bytes:
    """A post that holds this markup beside its own."""
    return plain(post(1).replace("</item>", f"{content}</item>"))


DOCUMENT_TYPE = "It declares a document type"
BROKEN = r"line \d+: The XML is broken \("
HOSTILE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a thousand million laughs": (DOCUMENT_TYPE, lambda: typed(laughing())),
    "laughs in an attribute": (
        f"{DOCUMENT_TYPE}|{BROKEN}",
        lambda: typed(laughing(), "").replace(b'<rss version="2.0"', b'<rss version="&a9;"'),
    ),
    "laughs behind a long comment": (
        f"{DOCUMENT_TYPE}|{BROKEN}",
        lambda: typed(laughing(), before=f"<!--{' ' * 200_000}-->"),
    ),
    "an entity that is a file": (DOCUMENT_TYPE, lambda: typed('<!ENTITY a9 SYSTEM "file:///etc/passwd">')),
    "an entity elsewhere": (DOCUMENT_TYPE, lambda: typed('<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;', "")),
    "an entity that nobody declared": (
        r"line 22: .*Entity 'a9' not defined",
        lambda: typed("").replace(b"<!DOCTYPE rss []>", b""),
    ),
    "a hundred thousand levels": (BROKEN + "Excessive depth", lambda: inside("<a>" * 100_000)),
    "a post of a hundred thousand parts": ("more than 50,000 parts", lambda: inside("<a/>" * 100_000)),
    "a hundred thousand parts beside the channel": (
        "more than 50,000 parts",
        lambda: HEAD.replace("<channel>", "<a/>" * 100_000 + "<channel>").encode(),
    ),
    "an encoding that it is not in": (BROKEN, lambda: plain(post(1)).replace(b'"UTF-8"', b'"UTF-16"')),
    "an encoding that nobody knows": (BROKEN, lambda: plain(post(1)).replace(b'"UTF-8"', b'"x-nonsense"')),
    "bytes of another encoding": (BROKEN, lambda: plain(post(1, title="Señas"), "iso-8859-1")),
    "a NUL": (BROKEN, lambda: plain(post(1, title="a\0b"))),
    "an end before the end": (BROKEN, lambda: plain(post(1))[:-80]),
    "nothing": (BROKEN, lambda: b""),
    "no XML": (BROKEN, lambda: b"no xml at all"),
    "something compressed": (BROKEN, lambda: gzip.compress(plain(post(1)))),
    "a page": (DOCUMENT_TYPE, lambda: b"<!DOCTYPE html><html><body><p>Sign in<br></body></html>"),
    "a feed": ("no export of WordPress", lambda: b"<rss><channel><item></item></channel></rss>"),
    "an empty feed": ("no export of WordPress", lambda: b"<rss><channel></channel></rss>"),
}


def both(file: Path) -> tuple[wxr.Site, list[Post]]:
    return wxr.site(file), list(wxr.posts(file, ("post", "page")))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_or_damaged_file_is_refused_with_a_clear_word(tmp_path: Path, name: str) -> None:
    why, made = HOSTILE[name]
    file = tmp_path / "export.xml"
    file.write_bytes(made())
    with pytest.raises(BadInput, match=why) as caught:
        wxr.site(file)
    assert str(caught.value).startswith(str(file))
    assert "root:" not in str(caught.value)


def test_what_comes_before_a_damage_is_given(tmp_path: Path) -> None:
    file = tmp_path / "export.xml"
    file.write_bytes(plain(post(1) + post(2) + post(3))[:-200])
    found = wxr.posts(file, ("post",))
    assert [next(found).text("post_id"), next(found).text("post_id")] == ["1", "2"]
    with pytest.raises(BadInput, match=BROKEN):
        next(found)


def test_a_text_that_is_too_long_is_left_out_and_named(tmp_path: Path) -> None:
    file = export(tmp_path / "export.xml", [post(1, title="x" * 12_000_000), post(2, content="y" * 6_000_000), post(3)])
    found = list(wxr.posts(file, ("post",)))
    assert [(one.text("post_id"), one.oversize) for one in found] == [("1", "title"), ("2", "content"), ("3", "")]
    assert max(len(text) for one in found for text in one.texts.values()) < 100


def test_a_file_that_takes_too_much_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wxr, "_limits", lambda size: apart.Limits(answer=1_000))  # of the one that asks
    with pytest.raises(BadInput, match="too much time or memory"):
        wxr.site(export(tmp_path / "export.xml", [attachment(1, "a" * 3_000)]))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.xml")
    for name in ("none.xml", "pipe.xml", "."):
        with pytest.raises(NotFound):
            wxr.site(tmp_path / name)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1"])
def test_an_encoding_that_is_declared_and_true_is_read(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "export.xml"
    text = HEAD.replace("UTF-8", encoding.removesuffix("-sig")).replace("’", "'") + post(1, title="Señas") + TAIL
    file.write_bytes(text.encode(encoding))
    assert [one.text("title") for one in wxr.posts(file, ("post",))] == ["Señas"]


def test_the_site_is_told_whole(tmp_path: Path) -> None:
    files = [attachment(8, "a.png", alt="A"), attachment(9, "b.PDF", parent=1), attachment(10, "c.pdf", parent=1)]
    site, posts = both(export(tmp_path / "export.xml", [post(1, more=meta("_thumbnail_id", "8")), *files]))
    base = f"{SITE}/wp-content/uploads"
    assert site.home == SITE
    assert site.authors == {"dana": "Dana Ruiz", "lee": "Lee O’Neil & Sons"}
    assert {number: (one.url, one.alt) for number, one in site.files.items()} == {
        "8": (f"{base}/a.png", "A"),
        "9": (f"{base}/b.PDF", ""),
        "10": (f"{base}/c.pdf", ""),
    }
    assert site.papers == {"1": f"{base}/b.PDF"}
    assert [(one.text("post_id"), one.text(wxr.THUMBNAIL)) for one in posts] == [("1", "8")]


# Reads a file as the process of its own does, then tells the lines that it wrote and the most memory that it held.
MEASURED = """
import contextlib, io, sys
from pathlib import Path
from digest import wxr
class Counted(io.RawIOBase):
    lines = 0
    def write(self, data):
        self.lines += 1
sys.stdout = io.TextIOWrapper(counted := Counted())
wxr._alone(Path(sys.argv[1]), frozenset(("post",)))
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(counted.lines, peak.split()[1], file=sys.stderr)
"""


def test_a_large_file_is_read_in_little_memory(tmp_path: Path) -> None:
    def written() -> Iterator[str]:
        comment = "<wp:comment><wp:comment_id>1</wp:comment_id></wp:comment>"
        yield post(0, more=comment * 60_000)  # more parts than a post may have, if its readers' words counted
        for number in range(1_500):
            yield post(number, content=f"<p>{'Some words of a post. ' * 1_000}</p>\n")

    file = export(tmp_path / "export.xml", written())
    assert file.stat().st_size > 33_000_000
    command = [sys.executable, "-P", "-c", MEASURED, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines, kilobytes = map(int, done.stderr.split())
    assert lines == 1_505  # two authors, two names of the site, and the posts
    assert kilobytes < 100_000
