"""Whether Kafka lets us in, asked once before anything else: the clients would only say that it does not answer."""

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

_PATIENCE_SECONDS = 5.0
_AWAY = (ConnectionRefusedError, TimeoutError)


async def check_connection(settings: KafkaSettings) -> None:
    """Returns if a broker lets us in, or if none of them is there. Raises SetupError, OutageError and UsageError."""
    if settings.kafka_security_protocol == "PLAINTEXT":
        return
    if settings.kafka_sasl_mechanism == "OAUTHBEARER" and settings.kafka_security_protocol.startswith("SASL"):
        await asyncio.to_thread(token_cache(settings).current)
    try:
        arguments = for_aiokafka(settings)
    except OutageError as error:  # of files, which is as bad as wrong settings before there is anything to wait for
        raise UsageError(str(error)) from None
    await _one_opens(arguments)


async def _one_opens(arguments: dict[str, Any]) -> None:
    trouble: OutageError | None = None
    for host, port, _ in collect_hosts(arguments.pop("bootstrap_servers"), randomize=False):
        try:
            with kafka_errors("connecting"):
                await _enter(host, port, arguments)
        except OutageError as away:
            if trouble is None and not isinstance(away.__cause__, _AWAY):
                trouble = away
        else:
            return
    if trouble is not None:
        raise trouble


async def _enter(host: str, port: int, arguments: dict[str, Any]) -> None:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            connection = await create_conn(host, port, **arguments)
    except ssl.SSLCertVerificationError as error:
        raise SetupError(
            f"the certificate of Kafka at {host}:{port} is not to be trusted: {error.verify_message}"
        ) from None
    except ssl.SSLError as error:
        raise SetupError(f"Kafka at {host}:{port} does not speak TLS with us: {error.reason or error}") from None
    except SaslAuthenticationFailed as error:
        raise SetupError(f"Kafka at {host}:{port} refuses our user, password or token: {error}") from error
    except (KafkaConnectionError, ConnectionResetError) as error:
        raise OutageError(
            f"Kafka at {host}:{port} closes the connection: "
            "it may want another security protocol, or another certificate of ours",
            server=Server.KAFKA,
        ) from error
    connection.close()
