"""`digest bench smtp`: an edition of 47 kB mails into a mail server on this machine, beside smtplib and aiosmtplib."""

from __future__ import annotations

import tempfile
from pathlib import Path

from digest.bench import delivering, made_up, peers, sinks
from digest.bench.measuring import Measured
from digest.config import SmtpSection, TransportSection

PEER_MAILS = 2_000


def smtp(n: int, *, connections: int = 8, compiled: bool = True) -> Measured:
    """Delivers to `n` readers over so many connections; `compiled` allows a far end in C."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        edition_id = made_up.make(folder, made_up.TOGETHER, n)
        with sinks.started("smtp", folder, compiled=compiled) as sink:
            server = SmtpSection(host="127.0.0.1", port=sink.port, security="none", connections=connections)
            section = TransportSection(kind="smtp", smtp=server)
            delivered = delivering.deliver(folder, edition_id, n, section)
            figures = delivered.timer.of(n)
            came = sink.counts()
            delivering.agree(came, n)
            mail = peers.prepare(folder / "mail.json", sink.port, delivered.body, delivered.reader)
            rounds = min(n, PEER_MAILS)
            beside, missing = peers.measure(peers.SMTP, mail, rounds)
            delivering.agree(sink.counts().since(came), rounds * len(beside))
    parts = {
        **delivered.parts,
        "bytes_each": came.bytes // n,
        "connections": came.connections,
        "far_end": sink.how,
        **missing,
    }
    return Measured(**figures, parts=parts, beside=beside)
