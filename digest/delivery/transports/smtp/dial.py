"""Reaching a mail server: its name, its addresses, and encryption.

Promises: every address of the name gets its share of the time, so that one that swallows packets does not hide the
others; certificates and host names are checked. Refuses, with Unavailable: a certificate that is not valid, which a
person must mend; everything else that breaks is worth another try.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl

from digest.delivery.transports.base import Receipt
from digest.delivery.transports.smtp.relay import Relay
from digest.delivery.transports.smtp.replies import Unavailable, away, relay_wide

MOST_ADDRESSES = 6  # of one host name that are tried


async def connect(loop: asyncio.AbstractEventLoop, relay: Relay, protocol: asyncio.Protocol) -> None:
    """Connects `protocol` to the first address that takes it, encrypted where that is so from the start."""
    limits = relay.timeouts
    addresses = await _addresses(loop, relay)
    share = limits.connect / len(addresses)
    implicit = relay.security == "tls"
    why = away("no connection", f"{relay.host} has no address.")
    for address in addresses:
        try:
            async with asyncio.timeout(share + (limits.tls if implicit else 0)):
                await loop.create_connection(
                    lambda: protocol,
                    address,
                    relay.port,
                    ssl=relay.tls if implicit else None,
                    server_hostname=relay.host if implicit else None,
                    ssl_handshake_timeout=limits.tls if implicit else None,
                )
            return
        except ssl.SSLError as error:
            raise Unavailable(unencrypted(relay, error)) from error
        except TimeoutError:
            why = away("timed out", f"{relay.host} did not answer within {share:g} seconds.")
        except OSError as error:
            why = away("no connection", f"{relay.host} could not be reached: {plain(error)}.")
    raise Unavailable(why)


async def encrypt(
    loop: asyncio.AbstractEventLoop, relay: Relay, transport: asyncio.Transport, protocol: asyncio.Protocol
) -> asyncio.Transport:
    """The encrypted connection in place of `transport`, after STARTTLS. Raises OSError when it fails."""
    encrypted = await loop.start_tls(
        transport, protocol, relay.tls, server_hostname=relay.host, ssl_handshake_timeout=relay.timeouts.tls
    )
    if encrypted is None:
        raise ConnectionError("it was closed")
    return encrypted


def unencrypted(relay: Relay, error: OSError) -> Receipt:
    """A broken connection may stand again; a certificate or a protocol that does not fit needs a person."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return relay_wide(
            "TLS",
            f"The certificate of {relay.host} is not valid: {error.verify_message}. Mend it, set [transport.smtp] host "
            'to the name in it, or for a server on this machine set security to "none".',
        )
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return relay_wide(
            "TLS",
            f"Encryption with {relay.host} failed: {plain(error)}. Check [transport.smtp] port and security: "
            '"starttls" is usual on port 587, "tls" on port 465.',
        )
    return away("connection lost", f"The connection broke at the start of encryption: {plain(error)}.")


def plain(error: BaseException) -> str:
    """What an error of the network says, in words."""
    return str(getattr(error, "reason", None) or getattr(error, "strerror", None) or error or type(error).__name__)


async def _addresses(loop: asyncio.AbstractEventLoop, relay: Relay) -> list[str]:
    host = relay.host
    try:
        ipaddress.ip_address(host.partition("%")[0])
        return [host]
    except ValueError:
        pass
    try:
        async with asyncio.timeout(relay.timeouts.connect):
            found = await loop.getaddrinfo(host, relay.port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise Unavailable(away("DNS", f"The name {host} could not be looked up in time.")) from None
    except (OSError, UnicodeError) as error:
        raise Unavailable(away("DNS", f"The name {host} could not be looked up: {plain(error)}.")) from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))[:MOST_ADDRESSES]
