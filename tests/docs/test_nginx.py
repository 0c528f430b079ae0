"""The nginx configuration of the documentation, served by a real nginx on a loopback port."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from digest import feeds, items
from digest.home import Home
from digest.web import guard
from tests.conftest import NOW
from tests.digest.web import serving
from tests.faults.runs import until

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "serve-feeds-with-nginx.md"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
MISSING = "NOT TESTED WITH NGINX, which is missing. Debian: apt-get install nginx"
FRAME = """\
daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  {beside}
  server {{
    listen 127.0.0.1:{port};
    {within}
  }}
}}
"""


def blocks() -> list[str]:
    return re.findall(r"^```nginx\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def nginx(home: Home, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The addresses of nginx, with the documented configuration, and of Digest behind it."""
    if NGINX is None:
        pytest.skip(MISSING)
    with home.db.transaction() as conn:
        items.put(conn, serving.draft("one"), now=NOW, zone=serving.ZONE)
    with home.db.reading() as conn:
        feeds.build(home.settings, conn, home.feeds)
    folder = tmp_path / "nginx"
    folder.mkdir()
    with serving.serve(home) as behind, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        taken.close()
        beside, within, link = blocks()
        within = within.replace("error_page", f"{link} error_page", 1)
        within = within.replace("/srv/digest/", f"{home.path}/").replace("http://127.0.0.1:8080", behind)
        file = folder / "nginx.conf"
        file.write_text(FRAME.format(folder=folder, port=port, beside=beside, within=within), encoding="utf-8")
        command = [NGINX, "-p", str(folder), "-c", str(file), "-e", str(folder / "errors")]
        tried = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
        assert tried.returncode == 0, tried.stderr
        assert "warn" not in tried.stderr
        with subprocess.Popen(command) as running:
            try:
                until(lambda: answers(port), "nginx takes connections")
                yield f"http://127.0.0.1:{port}", behind
            finally:
                running.terminate()


def test_nginx_serves_the_files_as_digest_does(nginx: tuple[str, str]) -> None:
    for name in ("all.rss", "all.atom", "all.json", "all.opml", "feed.xsl", "feed.css"):
        check(*nginx, name)


def check(at: str, behind: str, name: str) -> None:
    plain = {"accept-encoding": "identity"}
    answer, ours = (httpx.get(f"{one}/feeds/{name}", headers=plain, trust_env=False) for one in (at, behind))
    assert (answer.status_code, answer.content) == (200, ours.content)
    assert answer.headers["server"].startswith("nginx"), "it comes from the file and not from Digest"
    same = ["content-type", "cache-control", "access-control-allow-origin", "content-security-policy", "last-modified"]
    for field in [*same, *(field for field, _ in guard.HEADERS)]:
        assert answer.headers[field] == ours.headers[field], field
    assert "hub" in answer.headers["link"]
    for known in (
        {"if-none-match": answer.headers["etag"]},
        {"if-modified-since": answer.headers["last-modified"]},
    ):
        assert httpx.get(f"{at}/feeds/{name}", headers=plain | known, trust_env=False).status_code == 304
    packed = httpx.get(f"{at}/feeds/{name}", headers={"accept-encoding": "gzip"}, trust_env=False)
    assert (packed.headers.get("content-encoding"), packed.headers["vary"]) == ("gzip", "Accept-Encoding")


def test_pages_come_from_digest_and_nothing_else_of_the_home_is_to_be_had(nginx: tuple[str, str]) -> None:
    at, _ = nginx
    shown = httpx.get(f"{at}/feeds/all.rss", headers={"sec-fetch-dest": "document"}, trust_env=False)
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert httpx.get(f"{at}/feeds/", trust_env=False).status_code == 200
    for name in ("nothing.rss", ".stamp", "..%2fdigest.toml", "%2e%2e/digest.toml", ".told"):
        assert httpx.get(f"{at}/feeds/{name}", trust_env=False).status_code == 404, name
