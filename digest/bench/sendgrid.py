"""`digest bench sendgrid`: an edition into a stand-in of the provider on this machine, beside the sendgrid package."""

from __future__ import annotations

import tempfile
from pathlib import Path

from digest.bench import delivering, made_up, peers, sinks
from digest.bench.measuring import Measured
from digest.config import SendGridSection, TransportSection

PEER_MAILS = 5_000
KEY_FILE = "sendgrid.key"


def sendgrid(n: int, *, compiled: bool = True) -> Measured:
    """Delivers to `n` readers; `compiled` allows a far end in C."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / KEY_FILE).write_text(peers.KEY + "\n", encoding="ascii")
        edition_id = made_up.make(folder, made_up.TOGETHER, n)
        with sinks.started("http", folder, compiled=compiled) as sink:
            account = SendGridSection(
                base_url=f"http://127.0.0.1:{sink.port}", api_key_file=str(folder / KEY_FILE), max_per_request=500
            )
            delivered = delivering.deliver(folder, edition_id, n, TransportSection(kind="sendgrid", sendgrid=account))
            figures = delivered.timer.of(n)
            came = sink.counts()
            delivering.agree(came, n)
            mail = peers.prepare(folder / "mail.json", sink.port, delivered.body, delivered.reader)
            rounds = min(n, PEER_MAILS)
            beside, missing = peers.measure(peers.SENDGRID, mail, rounds)
            delivering.agree(sink.counts().since(came), rounds * len(beside))
    parts = {
        **delivered.parts,
        "bytes_each": came.bytes // n,
        "requests": came.requests,
        "readers_per_request": round(n / max(came.requests, 1), 1),
        "connections": came.connections,
        "far_end": sink.how,
        **missing,
    }
    return Measured(**figures, parts=parts, beside=beside)
