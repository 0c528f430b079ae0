"""What only WordPress understands of a text: its shortcodes, the comments of its blocks, its paragraphs. Pure.

Promises: what is taken out is WordPress's own, and the words around it stay; a shortcode that names an address becomes
a link. Refuses nothing: what it makes is foreign HTML still.
"""

from __future__ import annotations

import re
from html import escape

_CODE = re.compile(r"\[(\[?)(/?)([a-z][a-z0-9_-]*)((?:\s[^\]\[<>]*)?)\](\]?)", re.IGNORECASE)
_KNOWN = frozenset(("caption", "wp_caption", "gallery", "embed", "audio", "video", "playlist"))
_EMBED = re.compile(r"\[embed[^\]\[]*\]\s*(https?://[^\s\[\]<>\"]+)\s*\[/embed\]", re.IGNORECASE)
_ADDRESS = re.compile(r"""\b(?:url|src|href|mp3|mp4)\s*=\s*["'](https?://[^"'\s<>]+)["']""", re.IGNORECASE)
_BLOCKS = re.compile(r"<(p|div|table|ul|ol|h[1-6]|blockquote|figure|section|article|pre|hr|dl)\b", re.IGNORECASE)
_COMMENTS = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


def without_shortcodes(text: str) -> str:
    """Shortcodes taken out: what they stand around stays, one that names an address becomes a link.

    What is in brackets and no shortcode stays: a known name, attributes, or a closing partner make one.
    """
    text = _EMBED.sub(lambda found: _link(found[1]), text)
    closed = {found[3].lower() for found in _CODE.finditer(text) if found[2]}

    def plain(found: re.Match[str]) -> str:
        name, attributes = found[3].lower(), found[4]
        if found[1] and found[5]:  # [[escaped]]
            return found[0][1:-1]
        if name not in _KNOWN and name not in closed and "=" not in attributes:
            return found[0]
        address = _ADDRESS.search(attributes)
        return f"{found[1]}{_link(address[1]) if address and not found[2] else ''}{found[5]}"

    return _CODE.sub(plain, text)


def _link(address: str) -> str:
    return f'<a href="{escape(address)}">{escape(address)}</a>'


def paragraphs(html: str) -> str:
    """Text of the old editor, whose paragraphs are empty lines, as HTML; what has blocks already is left alone."""
    html = _COMMENTS.sub("", html).replace("\r\n", "\n")
    if _BLOCKS.search(html):
        return html
    parts = [part.strip() for part in re.split(r"\n\s*\n", html) if part.strip()]
    return "\n".join(f"<p>{part.replace(chr(10), '<br>')}</p>" for part in parts)
