"""The style sheet over HTTP: kept as long as its address says, and nothing outside the folders."""

from __future__ import annotations

import pytest

from tests.digest.web.conftest import Served


@pytest.mark.parametrize("folder", ["media", "feeds", "static"])
def test_nothing_outside_the_folders_can_be_reached(served: Served, folder: str) -> None:
    (served.home.path / folder).mkdir(exist_ok=True)
    (served.home.path / folder / ".hidden").write_bytes(b"hidden")
    for name in ("..%2Fdigest.toml", "%2e%2e%2fdigest.toml", ".hidden", "..%5Cdigest.toml", "a%00.pdf", "sub%2Fx.pdf"):
        assert served.client.get(f"/{folder}/{name}").status_code == 404, name


def test_the_style_sheet_is_kept_for_ever_only_under_its_hash(served: Served) -> None:
    page = served.client.get("/").text
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    assert "immutable" in served.client.get(address).headers["cache-control"]
    assert served.client.get("/static/site.css?v=other").headers["cache-control"] == "no-cache"


def test_every_page_names_an_icon_that_is_there(served: Served) -> None:
    page = served.client.get("/").text
    icon = served.client.get(page.split('rel="icon" type="image/svg+xml" href="')[1].split('"')[0])
    assert icon.headers["content-type"] == "image/svg+xml"
    assert "immutable" in icon.headers["cache-control"]
