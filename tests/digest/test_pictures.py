"""Foreign pictures made ready for pages: what comes out of each kind, and what no picture can do to us."""

from __future__ import annotations

import contextlib
import io
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from digest import pictures
from tests.digest.samples import opened, photograph, picture

BLUE, RED = (20, 20, 220), (200, 30, 30)


def near(one: object, other: tuple[int, ...], most: int = 12) -> bool:
    return isinstance(one, tuple) and all(abs(a - b) <= most for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (picture("JPEG"), "JPEG"),
        (picture("PNG"), "PNG"),
        (picture("WEBP"), "JPEG"),
        (picture("WEBP", mode="RGBA", color=(1, 2, 3, 128), lossless=True), "PNG"),
        (picture("GIF"), "PNG"),
    ],
)
def test_photographs_stay_photographs_and_the_rest_is_png(data: bytes, kind: str) -> None:
    made = pictures.make(data)
    assert (made.format, opened(made.data).format) == (kind, kind)


@pytest.mark.parametrize(
    ("came", "wide", "narrow"),
    [
        ((600, 20), (600, 20), None),
        ((601, 20), (601, 20), (600, 20)),
        ((1200, 30), (1200, 30), (600, 15)),
        ((4000, 3), (1200, 1), (600, 1)),
        ((2400, 4800), (1200, 2400), (600, 1200)),
        ((300, 9600), (75, 2400), None),
    ],
)
def test_it_is_no_larger_than_a_page_needs_and_never_enlarged(
    came: tuple[int, int], wide: tuple[int, int], narrow: tuple[int, int] | None
) -> None:
    made = pictures.make(picture("PNG", came))
    assert ((made.width, made.height), opened(made.data).size) == (wide, wide)
    assert (opened(made.narrow).size if made.narrow else None) == narrow


@pytest.mark.parametrize("turned", range(1, 9))
def test_it_stands_upright_however_the_camera_was_held(turned: int) -> None:
    """Where the blue quarter lies when a viewer obeys each of the eight values (Exif 2.32, 4.6.4, Orientation)."""
    made = opened(pictures.make(photograph((64, 48), turned)).data).convert("RGB")
    corners = {1: (0, 0), 2: (1, 0), 3: (1, 1), 4: (0, 1), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1)}
    assert made.size == ((64, 48) if turned < 5 else (48, 64))
    across, down = corners[turned]
    assert near(made.getpixel((8 + across * (made.width - 16), 8 + down * (made.height - 16))), BLUE)


def test_nothing_that_its_maker_left_in_it_stays() -> None:
    told = Image.new("RGB", (40, 30))
    out = io.BytesIO()
    words = PngInfo()
    words.add_text("Author", "Dana Ruiz")
    told.save(out, "PNG", pnginfo=words, exif=b"Exif\0\0MM\0*Dana Ruiz")
    for data in (photograph((40, 30)) + b"<script>Dana Ruiz", out.getvalue() + b"<script>Dana Ruiz"):
        assert b"Dana Ruiz" in data
        made = pictures.make(data)
        assert b"Dana" not in made.data
        assert b"script" not in made.data
        assert not opened(made.data).info.keys() & {"exif", "comment", "Author", "icc_profile", "xmp"}


def test_colors_are_brought_to_srgb_and_a_broken_profile_does_no_harm() -> None:
    other = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    plain = pictures.make(picture(color=90, mode="L"))
    broken = pictures.make(picture(color=(90, 90, 90), mode="RGB", icc_profile=b"no profile" * 20))
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = pictures.make(picture(icc_profile=own))
    assert opened(plain.data).getpixel((7, 5)) == 90
    assert near(opened(broken.data).getpixel((7, 5)), (90, 90, 90))
    assert near(opened(same.data).getpixel((7, 5)), RED, 2)
    pictures.make(picture(icc_profile=other))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_mode_comes_out_as_it_looks(mode: str) -> None:
    color = {"1": 1, "L": 200, "LA": (200, 90), "P": 3, "RGBA": (10, 200, 30, 90), "I;16": 200 * 257}[mode]
    data = picture("PNG", (900, 8), mode=mode, color=color)
    made = pictures.make(data)
    for one in (made.data, made.narrow):
        seen, was = opened(one).convert("RGBA").getpixel((300, 2)), opened(data).convert("RGBA").getpixel((300, 2))
        assert near(seen, (200, 200, 200, 255) if mode == "I;16" else was, 1)  # type: ignore[arg-type]


def test_a_printer_s_colors_become_a_screen_s() -> None:
    made = opened(pictures.make(picture("JPEG", (16, 16), mode="CMYK", color=(0, 0, 0, 0))).data)
    assert (made.mode, made.getpixel((3, 3))) == ("RGB", (255, 255, 255))


def test_of_what_moves_the_first_image_stays() -> None:
    frames = [Image.new("RGB", (9, 9), color) for color in ("white", "black")]
    for kind in ("GIF", "WEBP", "PNG"):
        out = io.BytesIO()
        frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=100)
        made = opened(pictures.make(out.getvalue()).data)
        assert getattr(made, "n_frames", 1) == 1
        assert near(made.convert("RGB").getpixel((4, 4)), (255, 255, 255))


def test_the_same_picture_gives_the_same_bytes() -> None:
    data = photograph((1500, 900), 6)
    assert pictures.ready(data) == pictures.make(data)


def test_a_small_file_of_endless_pixels_is_refused_unread() -> None:
    data = picture("PNG", (20_000, 20_000), mode="1", color=0)
    assert len(data) < 60_000
    begun = time.process_time()
    with pytest.raises(ValueError, match="more than 50 million pixels"):
        pictures.make(data)
    assert time.process_time() - begun < 1


@settings(max_examples=60)
@given(st.sampled_from(("PNG", "JPEG", "WEBP", "GIF")), st.data())
def test_no_damage_is_anything_but_a_picture_or_a_reason(kind: str, data: st.DataObject) -> None:
    whole = bytearray(picture(kind, (40, 30)))
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=4)):
        whole[at] = byte
    with contextlib.suppress(*pictures.BROKEN):
        pictures.make(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
