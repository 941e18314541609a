"""How our settings are called by the two Kafka clients: aiokafka carries records, confluent-kafka answers questions."""

import asyncio
import logging
import ssl
from collections.abc import Coroutine
from typing import Any

from aiokafka.helpers import create_ssl_context

from unenroll.settings import KafkaSettings

REQUEST_SECONDS = 10.0


def for_aiokafka(settings: KafkaSettings) -> dict[str, Any]:
    """The arguments that aiokafka's consumers and producers share."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_security_protocol.endswith("SSL"):
        arguments["ssl_context"] = _ssl_context(settings)
    if settings.kafka_security_protocol.startswith("SASL"):
        arguments["sasl_mechanism"] = settings.kafka_sasl_mechanism
        arguments["sasl_plain_username"] = settings.kafka_sasl_username
        arguments["sasl_plain_password"] = _password(settings)
    return arguments


def for_confluent(settings: KafkaSettings) -> dict[str, Any]:
    """The configuration that confluent-kafka's clients share. They keep quiet: we say ourselves what is wrong."""
    configuration: dict[str, Any] = {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "security.protocol": settings.kafka_security_protocol,
        "logger": _silent(),
        "socket.timeout.ms": int(REQUEST_SECONDS * 1000),
        "reconnect.backoff.max.ms": 1000,
    }
    if settings.kafka_ssl_cafile is not None:
        configuration["ssl.ca.location"] = str(settings.kafka_ssl_cafile)
    if settings.kafka_security_protocol.startswith("SASL"):
        configuration["sasl.mechanism"] = settings.kafka_sasl_mechanism
        configuration["sasl.username"] = settings.kafka_sasl_username
        configuration["sasl.password"] = _password(settings)
    return configuration


def for_reading(settings: KafkaSettings, group_id: str) -> dict[str, Any]:
    """The configuration of a consumer that reads what is visible from where it is told, and commits nothing.

    The client asks for the name of a group, which it does not join.
    """
    return {
        **for_confluent(settings),
        "group.id": group_id,
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
    }


def for_publishing(settings: KafkaSettings, *, seconds: float) -> dict[str, Any]:
    """The configuration of an idempotent producer that gives an event up after so many seconds."""
    return {
        **for_confluent(settings),
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",  # Kafka's own: a customer's events lie together whoever publishes them
        "message.timeout.ms": int(seconds * 1000),
    }


async def let_go(stop: Coroutine[Any, Any, None], *, seconds: float) -> None:
    """Let a client of aiokafka stop, whatever state it is in. While the broker is away it never would."""
    stopping = asyncio.ensure_future(stop)
    done, _ = await asyncio.wait([stopping], timeout=seconds)
    if not done:
        stopping.cancel()
    elif not stopping.cancelled():
        stopping.exception()  # it is thrown away in any case


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    cafile = settings.kafka_ssl_cafile
    context: ssl.SSLContext = create_ssl_context(cafile=None if cafile is None else str(cafile))
    return context


def _password(settings: KafkaSettings) -> str | None:
    secret = settings.kafka_sasl_password
    return None if secret is None else secret.get_secret_value()


def _silent() -> logging.Logger:
    logger = logging.getLogger("unenroll.librdkafka")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
