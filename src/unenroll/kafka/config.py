"""Translates our settings into the configuration of the two Kafka clients.

The worker reads and publishes with aiokafka; admin requests and operators' commands use confluent-kafka.
"""

import asyncio
import logging
import ssl
from collections.abc import Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.helpers import create_ssl_context
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from unenroll.errors import OutageError, Server
from unenroll.kafka.aiokafka_internals import read_credentials_on_connect
from unenroll.kafka.oauth import TokenProvider, token_cache
from unenroll.secret_files import may_change
from unenroll.settings import KafkaSettings

REQUEST_SECONDS = 10.0
"""How long we wait for an answer."""

CLIENT_SECONDS = 5.0
"""How long a client waits for an answer before it opens a new connection: less than we wait for the client."""

_OAUTH = "OAUTHBEARER"
_LOOK_SECONDS = 1.0


def for_aiokafka(settings: KafkaSettings) -> dict[str, Any]:
    """Return the arguments that all clients of aiokafka have in common. Raises OutageError for unreadable files."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_security_protocol.endswith("SSL"):
        arguments["ssl_context"] = _ssl_context(settings)
    if not settings.kafka_security_protocol.startswith("SASL"):
        return arguments
    arguments["sasl_mechanism"] = settings.kafka_sasl_mechanism
    if settings.kafka_sasl_mechanism == _OAUTH:
        arguments["sasl_oauth_token_provider"] = TokenProvider(token_cache(settings))
    else:
        arguments["sasl_plain_username"] = broker_text(settings.kafka_sasl_username)
        arguments["sasl_plain_password"] = broker_text(settings.kafka_sasl_password)
    return arguments


def for_confluent(settings: KafkaSettings) -> dict[str, Any]:
    """Return the configuration that all clients of confluent-kafka have in common. It turns their log off."""
    return {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "security.protocol": settings.kafka_security_protocol,
        "logger": _null_logger(),
        "socket.timeout.ms": int(CLIENT_SECONDS * 1000),
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 1000,
        **_librdkafka_tls(settings),
        **_librdkafka_sasl(settings),
    }


def for_reading(settings: KafkaSettings, group_id: str) -> dict[str, Any]:
    """Return the configuration of a consumer that reads committed records of assigned partitions, and commits nothing.

    The client requires a group id, but does not join the group.
    """
    return {
        **for_confluent(settings),
        "group.id": group_id,
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
    }


def reload_credentials(settings: KafkaSettings, client: AIOKafkaClient) -> None:
    """Let a client of aiokafka read the files with user and password again before each connection.

    Does nothing if neither of them is in a file.
    """

    def read() -> tuple[str, str] | None:
        try:
            return _credentials(settings)
        except OutageError:  # somebody replaces the files right now
            return None

    if may_change(settings.kafka_sasl_username, settings.kafka_sasl_password):
        read_credentials_on_connect(client, read)


class LibrdkafkaCredentials:
    """The user and password of one confluent-kafka client, which it uses from its next connection on."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._can_change = settings.kafka_security_protocol.startswith("SASL") and may_change(
            settings.kafka_sasl_username, settings.kafka_sasl_password
        )
        self._current = ("", "")
        self._next_look = 0.0

    def refresh(self, client: Consumer | Producer | AdminClient) -> None:
        """Give the client the content of the files if it has changed. Reads them once a second at most."""
        if not self._can_change or monotonic() < self._next_look:
            return
        self._next_look = monotonic() + _LOOK_SECONDS
        with suppress(OutageError):  # somebody replaces the files right now
            credentials = _credentials(self._settings)
            if credentials != self._current:
                client.set_sasl_credentials(*credentials)
                self._current = credentials


async def stop_quietly(stop: Coroutine[Any, Any, None], *, seconds: float) -> None:
    """Stop a client of aiokafka. Give up after so many seconds: without a broker it would never stop."""
    stopping = asyncio.ensure_future(stop)
    done, _ = await asyncio.wait([stopping], timeout=seconds)
    if not done:
        stopping.cancel()
    elif not stopping.cancelled():
        stopping.exception()  # retrieved, so that asyncio does not log it


def broker_text(secret: SecretStr | None) -> str | None:
    """Return the current text of the secret."""
    return None if secret is None else secret.get_secret_value()


def _credentials(settings: KafkaSettings) -> tuple[str, str]:
    return broker_text(settings.kafka_sasl_username) or "", broker_text(settings.kafka_sasl_password) or ""


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    password = broker_text(settings.kafka_ssl_key_password) or ""
    try:
        context: ssl.SSLContext = create_ssl_context(
            cafile=settings.kafka_ssl_cafile,
            certfile=settings.kafka_ssl_certfile,
            keyfile=settings.kafka_ssl_keyfile,
            password=lambda: password,  # without it, OpenSSL would prompt on the terminal
        )
    except OSError as error:
        files = (settings.kafka_ssl_cafile, settings.kafka_ssl_certfile, settings.kafka_ssl_keyfile)
        raise OutageError(
            f"{', '.join(str(file) for file in files if file)}: a certificate or key cannot be used, "
            f"or its password is wrong ({error.strerror or error})",
            server=Server.KAFKA,
        ) from None
    return context


def _librdkafka_tls(settings: KafkaSettings) -> dict[str, str]:
    certificate, key = settings.kafka_ssl_certfile, settings.kafka_ssl_keyfile or settings.kafka_ssl_certfile
    values = {
        "ssl.ca.location": settings.kafka_ssl_cafile,
        "ssl.certificate.location": certificate,
        "ssl.key.location": key,
        "ssl.key.password": broker_text(settings.kafka_ssl_key_password),
    }
    return {name: str(value) for name, value in values.items() if value is not None}


def _librdkafka_sasl(settings: KafkaSettings) -> dict[str, Any]:
    if not settings.kafka_security_protocol.startswith("SASL"):
        return {}
    mechanism = {"sasl.mechanism": settings.kafka_sasl_mechanism}
    if settings.kafka_sasl_mechanism != _OAUTH:
        return {
            **mechanism,
            "sasl.username": broker_text(settings.kafka_sasl_username),
            "sasl.password": broker_text(settings.kafka_sasl_password),
        }
    tokens = token_cache(settings)

    def current_token(_: str) -> tuple[str, float]:
        token = tokens.current()
        return token.text, token.expires_at

    return {**mechanism, "oauth_cb": current_token}


def _null_logger() -> logging.Logger:
    logger = logging.getLogger("unenroll.librdkafka")
    logger.disabled = True
    return logger
