"""Commands that stay: serve (site and worker), scheduler, worker.

Promises: SIGTERM and Ctrl-C end them with exit code 0, and no process is left behind; a worker that ends by itself is
started again; one whose site was killed ends too. Refuses: a port that cannot be had.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Annotated, NoReturn

import typer

import scheduler
from digest import config
from digest.cli import desk
from digest.errors import BadInput, Refused

Host = Annotated[str, typer.Option(help="Where the site listens.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Its port; the next free one when it is taken.")]

PORTS = 50  # how many ports are tried, the wanted one first
PATIENCE = 30.0  # seconds that a worker gets to finish what it holds; what it cannot finish is not lost
AGAIN = 5.0  # seconds until a worker that ended by itself is started again


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("serve")(serve)
    app.command("scheduler")(resident)
    app.command("worker")(resident)


# --- the port --------------------------------------------------------------------------------------------------


def free_port(host: str, port: int) -> int:
    """The wanted port, or the next free one, said plainly."""
    last = min(port + PORTS, 65536) - 1
    for candidate in range(port, last + 1):
        if _is_free(host, candidate):
            if candidate != port:
                desk.say(f"Port {port} is taken; the site uses {candidate}.")
            return candidate
    raise Refused(f"The ports {port} to {last} are all taken. Name a free one with --port.")


def _is_free(host: str, port: int) -> bool:
    try:
        family, kind, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        if error.errno == errno.EACCES:
            raise Refused(f"This account may not use port {port}. Name one above 1023 with --port.") from error
        raise BadInput("--host", f"{host[:60]!r} is no address of this machine.", "Try 127.0.0.1.") from error
    return True


def follow_port(where: desk.Desk, host: str, port: int) -> None:
    """While the site's address is this machine's own, links name the port that is really used, in all processes."""
    if config.is_loopback(config.load(where.path).site.url):
        os.environ["DIGEST_SITE__URL"] = address(host, port)


def address(host: str, port: int) -> str:
    """Where a browser on this machine finds the site."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - every address of this machine
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


# --- the site --------------------------------------------------------------------------------------------------


def serve(
    context: typer.Context,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    no_scheduler: Annotated[bool, typer.Option("--no-scheduler", help="Only the site: nothing is sent.")] = False,
) -> None:
    """The site, and beside it a process with the clock and the sending."""
    where = desk.desk(context)
    config.load(where.path)  # a wrong home is told before a port is looked for
    used = free_port(host, port)
    if used != port:
        follow_port(where, host, used)
    serve_forever(where, host, used, alone=no_scheduler)


def serve_forever(where: desk.Desk, host: str, port: int, *, alone: bool = False) -> None:
    """Serves until SIGTERM or Ctrl-C; the worker is a process of its own, so that sending never slows a page."""
    # Loaded only here: the web framework would double the start-up time of every other command.
    import uvicorn

    from digest.web import app as web

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)  # before uvicorn takes over, and after it hands the signal back
    home = where.home()
    settings = uvicorn.Config(
        web.create(home),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,  # links are secrets
        lifespan="off",  # nothing of ours begins or ends with the server
        server_header=False,
        proxy_headers=False,  # the site's own trusted_proxies decides whom to believe
    )
    with contextlib.nullcontext() if alone else _worker(where):
        desk.say(f"The site is at {address(host, port)}/ . Stop it with Ctrl-C.")
        if config.is_loopback(home.settings.site.url) and not home.settings.site.url.endswith(f":{port}"):
            desk.say(f"Links in mail lead to {home.settings.site.url}, as [site] url in digest.toml says.")
        sys.stdout.flush()
        uvicorn.Server(settings).run()


def _end(*_: object) -> NoReturn:
    sys.exit(0)


# --- the worker ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _worker(where: desk.Desk) -> Iterator[None]:
    """A worker for as long as the block lasts."""
    ended = threading.Event()
    keeper = threading.Thread(target=_keep_worker, args=(where, ended), name="worker's keeper")
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()


def _keep_worker(where: desk.Desk, ended: threading.Event) -> None:
    while not ended.is_set():
        worker = _start_worker(where)
        while worker.poll() is None and not ended.wait(0.2):
            pass
        if ended.is_set():
            _stop(worker)
            return
        print(f"The sending stopped by itself; it is started again in {AGAIN:.0f} seconds.", file=sys.stderr)
        ended.wait(AGAIN)


def _start_worker(where: desk.Desk) -> subprocess.Popen[bytes]:
    """The worker watches its parent: when the site is killed it ends too, and finishes what it holds first."""
    command = [sys.executable, "-m", "digest.cli", "--home", str(where.path), "worker", "--parent", str(os.getpid())]
    return subprocess.Popen(command, start_new_session=True)  # Ctrl-C is for the site, which ends the worker


def _stop(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    try:
        worker.wait(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


def resident(
    context: typer.Context,
    parent: Annotated[int, typer.Option(hidden=True, help="End when this process is gone.")] = 0,
) -> None:
    """The clock and the sending, without the site, until SIGTERM or Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)  # until the clock takes over
    desk.chatty()
    home = desk.desk(context).home()
    if parent:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    scheduler.reside(home)


def _watch(parent: int) -> None:
    while True:
        time.sleep(1.0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return
