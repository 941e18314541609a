"""Checks once, before the first request, that Kafka accepts our connection: the clients do not report why not."""

import asyncio
import ssl
from typing import Any

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaConnectionError, SaslAuthenticationFailed

from unenroll.errors import OutageError, Server, SetupError, UsageError
from unenroll.kafka.config import for_aiokafka
from unenroll.kafka.errors import kafka_errors
from unenroll.kafka.oauth import token_cache
from unenroll.settings import KafkaSettings

_CONNECT_SECONDS = 5.0
_UNREACHABLE = (ConnectionRefusedError, TimeoutError)


async def check_connection(settings: KafkaSettings) -> None:
    """Return if a broker accepts us, or if no broker is reachable. Raises SetupError, OutageError or UsageError."""
    if settings.kafka_security_protocol == "PLAINTEXT":
        return
    if settings.kafka_sasl_mechanism == "OAUTHBEARER" and settings.kafka_security_protocol.startswith("SASL"):
        await asyncio.to_thread(token_cache(settings).current)
    try:
        arguments = for_aiokafka(settings)
    except OutageError as error:  # a certificate or password file is wrong; at the start that is a wrong setting
        raise UsageError(str(error)) from None
    await _connect_to_one(arguments)


async def _connect_to_one(arguments: dict[str, Any]) -> None:
    first_error: OutageError | None = None
    for host, port, _ in collect_hosts(arguments.pop("bootstrap_servers"), randomize=False):
        try:
            with kafka_errors("connecting"):
                await _connect(host, port, arguments)
        except OutageError as outage:
            if first_error is None and not isinstance(outage.__cause__, _UNREACHABLE):
                first_error = outage
        else:
            return
    if first_error is not None:
        raise first_error


async def _connect(host: str, port: int, arguments: dict[str, Any]) -> None:
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            connection = await create_conn(host, port, **arguments)
    except ssl.SSLCertVerificationError as error:
        raise SetupError(f"the certificate of Kafka at {host}:{port} is not trusted: {error.verify_message}") from None
    except ssl.SSLError as error:
        raise SetupError(f"the TLS handshake with Kafka at {host}:{port} failed: {error.reason or error}") from None
    except SaslAuthenticationFailed as error:
        raise SetupError(f"Kafka at {host}:{port} refuses our user, password or token: {error}") from error
    except (KafkaConnectionError, ConnectionResetError) as error:
        raise OutageError(
            f"Kafka at {host}:{port} closed the connection: check UNENROLL_KAFKA_SECURITY_PROTOCOL "
            "and UNENROLL_KAFKA_SSL_CERTFILE",
            server=Server.KAFKA,
        ) from error
    connection.close()
