"""Files as people have them, made here: pictures of every kind, and PDFs of every age."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pypdf
from PIL import Image

CAMERA, TURNED = 0x010F, 0x0112  # Exif


def picture(
    kind: str = "PNG", size: tuple[int, int] = (8, 6), *, mode: str = "RGB", color: Any = (200, 30, 30), **saved: Any
) -> bytes:
    """A picture whose upper left quarter is blue, so that one can see how it is turned."""
    image = Image.new(mode, size, color)
    if mode == "RGB":
        image.paste((20, 20, 220), (0, 0, size[0] // 2, size[1] // 2))
    out = io.BytesIO()
    image.save(out, kind, **saved)
    return out.getvalue()


def photograph(size: tuple[int, int], turned: int = 1) -> bytes:
    """A JPEG from a camera that says its maker, its place and how it was held."""
    exif = Image.Exif()
    exif[CAMERA], exif[TURNED] = "Camera of Dana Ruiz", turned
    exif.get_ifd(0x8825)[1] = "N"  # the place
    return picture("JPEG", size, exif=exif, comment=b"by Dana Ruiz", quality=95)


def opened(data: bytes) -> Image.Image:
    """The picture in these bytes, read whole."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def paper(pages: int = 1, *, opens: str = "", permits: str = "") -> bytes:
    """A PDF with so many empty pages, locked by the password that opens it, or that permits printing and the like."""
    writer = pypdf.PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(200, 200)
    if opens or permits:
        writer.encrypt(opens, permits, algorithm="AES-256")
    return _bytes(writer)


def packed_paper(pages: int) -> bytes:
    """A PDF whose page objects lie in a compressed stream, so that no page can be seen in its bytes (PDF 1.5)."""
    kids = " ".join(f"{number} 0 R" for number in range(3, 3 + pages))
    objects = ["<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Kids[{kids}]/Count {pages}>>"]
    objects += ["<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"] * pages
    return _with_object_stream(objects)


def _with_object_stream(objects: list[str]) -> bytes:
    starts, body = [], ""
    for one in objects:
        starts.append(len(body))
        body += one + " "
    head = " ".join(f"{number} {start}" for number, start in enumerate(starts, start=1)) + " "
    packed = zlib.compress((head + body).encode())
    stream = len(objects) + 1
    out = b"%PDF-1.5\n"
    at = len(out)
    out += (
        f"{stream} 0 obj<</Type/ObjStm/N {len(objects)}/First {len(head)}/Filter/FlateDecode/Length {len(packed)}>>\n"
        "stream\n"
    ).encode()
    out += packed + b"\nendstream endobj\n"
    table = b"".join(
        [struct.pack(">BHB", 0, 0, 255)]
        + [struct.pack(">BHB", 2, stream, place) for place in range(len(objects))]
        + [struct.pack(">BHB", 1, at, 0), struct.pack(">BHB", 1, len(out), 0)]
    )
    reference = len(out)
    out += (
        f"{stream + 1} 0 obj<</Type/XRef/Size {stream + 2}/W[1 2 1]/Root 1 0 R/Length {len(table)}>>\nstream\n"
    ).encode()
    return out + table + f"\nendstream endobj\nstartxref\n{reference}\n%%EOF\n".encode()


def _bytes(writer: pypdf.PdfWriter) -> bytes:
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _plain(pages: str) -> bytes:
    """A PDF as of old, with this page tree."""
    out, starts = b"%PDF-1.4\n", []
    for number, one in enumerate(("<</Type/Catalog/Pages 2 0 R>>", pages, "<</Type/Page/Parent 2 0 R>>"), start=1):
        starts.append(len(out))
        out += f"{number} 0 obj{one}endobj\n".encode()
    table = "".join(f"{start:010} 00000 n \n" for start in starts)
    tail = f"xref\n0 4\n0000000000 65535 f \n{table}trailer<</Size 4/Root 1 0 R>>\nstartxref\n{len(out)}\n%%EOF\n"
    return out + tail.encode()


def _bomb() -> bytes:
    """300 megabytes of spaces where a table of objects should be."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b" " * 1_000_000) for _ in range(300)) + packer.flush()
    head = (
        f"%PDF-1.5\n1 0 obj<</Type/XRef/Size 3/W[1 2 1]/Filter/FlateDecode/Root 2 0 R/Length {len(packed)}>>\nstream\n"
    )
    return head.encode() + packed + b"\nendstream endobj\nstartxref\n9\n%%EOF\n"


# PDFs that would take a trusting reader's time or memory.
HOSTILE_PAPERS: dict[str, Callable[[], bytes]] = {
    "a page tree that holds itself": lambda: _plain("<</Type/Pages/Kids[2 0 R 2 0 R]/Count 9>>"),
    "three million times one page": lambda: _plain(f"<</Type/Pages/Kids[{'3 0 R ' * 3_000_000}]/Count 1>>"),
    "arrays in arrays": lambda: _plain("[" * 500_000),
    "a stream that inflates": _bomb,
}
