"""A web server of a benchmark in a process of its own on one core: our site over a made-up home, or nginx over files.

Promises: it answers each byte on standard input with its port, and the CPU and memory it took so far; it ends when that
input does, and nginx with it. Refuses nothing.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from digest.bench import made_up, measuring
from digest.config import TransportSection
from digest.db import Database
from digest.home import Home

HOST = "127.0.0.1"
NGINX = """\
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.errors;
events {{}}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  types {{ application/rss+xml rss; }}
  server {{ listen {host}:{port}; root {folder}; }}
}}
"""
Figures = Callable[[], dict[str, Any]]


def clock() -> datetime:
    """The time as it is."""
    return datetime.now(UTC)


@contextmanager
def site(folder: Path, clock: Callable[[], datetime] = clock) -> Iterator[Figures]:
    """Our site, as `digest serve` runs it."""
    import uvicorn

    from digest.web import app

    database = Database(made_up.database_url(folder))
    home = Home(folder, made_up.settings(TransportSection()), made_up.KEYS, database)
    settings = uvicorn.Config(
        app.create(home, clock=clock), host=HOST, port=0, log_level="critical", access_log=False, lifespan="off",
        server_header=False, proxy_headers=False,
    )  # fmt: skip
    server = uvicorn.Server(settings)
    listening = settings.bind_socket()
    listening.listen()  # from now on a client waits, and is not refused, until the server answers
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    port = listening.getsockname()[1]
    try:
        yield lambda: {"port": port, "cpu_s": time.process_time(), "peak_mb": measuring.peak_mb()}
    finally:
        server.should_exit = True
        thread.join()
        database.close()


def console(folder: Path) -> AbstractContextManager[Figures]:
    """The same, at the moment at which the made-up world ends."""
    return site(folder, lambda: made_up.NOW)


@contextmanager
def nginx(folder: Path) -> Iterator[Figures]:
    """nginx with one worker, over the same files."""
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, host=HOST, port=port), encoding="utf-8")
    with subprocess.Popen(["nginx", "-p", folder, "-e", folder / "nginx.errors", "-c", file]) as running:
        try:
            yield lambda: {"port": port, **_of(running.pid)}
        finally:
            running.terminate()


def _of(pid: int) -> dict[str, float]:
    """CPU and memory of another process, as Linux tells them (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    peak = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    ticks = int(fields[11]) + int(fields[12])
    return {"cpu_s": ticks / os.sysconf("SC_CLK_TCK"), "peak_mb": round(int(peak[1]) / 1024, 1) if peak else 0.0}


SERVERS: dict[str, Callable[[Path], AbstractContextManager[Figures]]] = {
    "site": site,
    "console": console,
    "nginx": nginx,
}


def main(name: str, folder: str, core: str) -> None:
    """Serves until standard input ends."""
    with suppress(OSError, AttributeError):  # where cores cannot be chosen, it may use them all
        os.sched_setaffinity(0, {int(core)})
    with SERVERS[name](Path(folder)) as figures:
        while os.read(0, 1):
            print(json.dumps(figures()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
