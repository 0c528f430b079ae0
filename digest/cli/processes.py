"""Commands that stay: serve (site and worker), scheduler, worker."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from typing import Annotated

import typer

import scheduler
from digest.cli import desk, sending
from digest.errors import Refused

Host = Annotated[str, typer.Option(help="Where the site listens.")]
Port = Annotated[int, typer.Option(help="Its port.")]

PORTS = 50  # how many ports are tried after the wanted one

result = sending.result


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("serve")(serve)
    app.command("scheduler")(resident)
    app.command("worker")(resident)


def free_port(host: str, port: int) -> int:
    """The wanted port, or the next free one, said plainly."""
    for candidate in range(port, port + PORTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
            except OSError:
                continue
        if candidate != port:
            desk.say(f"Port {port} is taken; the site uses {candidate}.")
        return candidate
    raise Refused(f"The ports {port} to {port + PORTS - 1} are all taken. Name a free one with --port.")


def serve(
    context: typer.Context,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    no_scheduler: Annotated[bool, typer.Option("--no-scheduler", help="Only the site.")] = False,
) -> None:
    """The site, and beside it a process with the clock and the senders."""
    serve_forever(desk.desk(context), host, free_port(host, port), alone=no_scheduler)


def serve_forever(where: desk.Desk, host: str, port: int, *, alone: bool = False) -> None:
    """Serves until SIGTERM or Ctrl-C; the worker is a process of its own, so that sending never slows a page."""
    # Loaded only here: the web framework would double the start-up time of every other command.
    import uvicorn

    from digest.web import app as web

    worker = None if alone else _start_worker(where)
    try:
        desk.say(f"The site is at http://{host}:{port}/ . Stop with Ctrl-C.")
        sys.stdout.flush()
        application = web.create(where.home())
        settings = uvicorn.Config(
            application,
            host=host,
            port=port,
            log_level="warning",
            access_log=False,  # links are secrets
            server_header=False,
            proxy_headers=False,  # the site's own trusted_proxies decides whom to believe
        )
        uvicorn.Server(settings).run()
    finally:
        if worker is not None:
            worker.terminate()
            worker.wait(timeout=30)


def _start_worker(where: desk.Desk) -> subprocess.Popen[bytes]:
    """The worker watches its parent: when the site is killed it ends too, and finishes what it holds first."""
    command = [sys.executable, "-m", "digest.cli", "--home", str(where.path), "worker", "--parent", str(os.getpid())]
    return subprocess.Popen(command)


def resident(
    context: typer.Context,
    parent: Annotated[int, typer.Option(hidden=True, help="End when this process is gone.")] = 0,
) -> None:
    """The clock and the senders, until SIGTERM."""
    desk.chatty()
    home = desk.desk(context).home()
    office = scheduler.open_office(home)
    stop = threading.Event()
    if parent:
        threading.Thread(target=_watch, args=(parent, stop), daemon=True).start()
    try:
        scheduler.run_forever(office, stop=stop)
    finally:
        office.close()


def _watch(parent: int, stop: threading.Event) -> None:
    while not stop.wait(1.0):
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return
