"""How our settings are called by the two Kafka clients: aiokafka carries records, confluent-kafka answers questions."""

import asyncio
import logging
import ssl
from collections.abc import Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any

from aiokafka.client import ConnectionGroup
from aiokafka.helpers import create_ssl_context
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from unenroll.errors import OutageError, Server
from unenroll.kafka.oauth import TokenProvider, token_cache
from unenroll.secret_files import may_change
from unenroll.settings import KafkaSettings

REQUEST_SECONDS = 10.0

_OAUTH = "OAUTHBEARER"
_LOOK_SECONDS = 1.0


def for_aiokafka(settings: KafkaSettings) -> dict[str, Any]:
    """The arguments that aiokafka's consumers and producers share."""
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
    """The configuration that confluent-kafka's clients share. They keep quiet: we say ourselves what is wrong."""
    return {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "security.protocol": settings.kafka_security_protocol,
        "logger": _silent(),
        "socket.timeout.ms": int(REQUEST_SECONDS * 1000),
        "reconnect.backoff.max.ms": 1000,
        **_tls_of_confluent(settings),
        **_sasl_of_confluent(settings),
    }


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


def stays_current(settings: KafkaSettings, client: Any) -> None:  # noqa: ANN401 - untyped client
    """Let a client of aiokafka say who we are as the files have it when it connects, not as when it was made.

    There is no public way: with the old password it would try for ever, and tell nobody.
    """
    if not may_change(settings.kafka_sasl_username, settings.kafka_sasl_password):
        return
    get = client._get_conn  # noqa: SLF001 - as said above

    async def current(node_id: int, *, group: ConnectionGroup = ConnectionGroup.DEFAULT, **more: Any) -> Any:  # noqa: ANN401 - the client's own types
        known = client._conns.get((node_id, group))  # noqa: SLF001
        if known is None or not known.connected():
            with suppress(OutageError):  # the files are just being replaced: what was known may still do
                name, password = broker_text(settings.kafka_sasl_username), broker_text(settings.kafka_sasl_password)
                client._sasl_plain_username, client._sasl_plain_password = name, password  # noqa: SLF001
        return await get(node_id, group=group, **more)

    client._get_conn = current  # noqa: SLF001


class ClientIdentity:
    """Who we are for one client of confluent-kafka: it takes a new name or password when it connects the next time."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._secrets = (settings.kafka_sasl_username, settings.kafka_sasl_password)
        self._changes = settings.kafka_security_protocol.startswith("SASL") and may_change(*self._secrets)
        self._told = ("", "")
        self._look_at = 0.0

    def renew(self, client: Consumer | Producer | AdminClient) -> None:
        """Tell the client what the files hold now, if that has changed. They are read once a second at most."""
        if not self._changes or monotonic() < self._look_at:
            return
        self._look_at = monotonic() + _LOOK_SECONDS
        with suppress(OutageError):  # the files are just being replaced
            name, password = (broker_text(secret) or "" for secret in self._secrets)
            if (name, password) != self._told:
                client.set_sasl_credentials(name, password)
                self._told = (name, password)


async def stop_quietly(stop: Coroutine[Any, Any, None], *, seconds: float) -> None:
    """Let a client of aiokafka stop, whatever state it is in. While the broker is away it never would."""
    stopping = asyncio.ensure_future(stop)
    done, _ = await asyncio.wait([stopping], timeout=seconds)
    if not done:
        stopping.cancel()
    elif not stopping.cancelled():
        stopping.exception()  # it is thrown away in any case


def broker_text(secret: SecretStr | None) -> str | None:
    """The secret as it is now."""
    return None if secret is None else secret.get_secret_value()


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    password = broker_text(settings.kafka_ssl_key_password) or ""
    try:
        context: ssl.SSLContext = create_ssl_context(
            cafile=settings.kafka_ssl_cafile,
            certfile=settings.kafka_ssl_certfile,
            keyfile=settings.kafka_ssl_keyfile,
            password=lambda: password,  # without one, OpenSSL would ask whoever sits at the terminal
        )
    except OSError as error:  # perhaps they are just being replaced
        files = (settings.kafka_ssl_cafile, settings.kafka_ssl_certfile, settings.kafka_ssl_keyfile)
        raise OutageError(
            f"{', '.join(str(file) for file in files if file)}: a certificate or key cannot be used, "
            f"or its password is wrong ({error.strerror or error})",
            server=Server.KAFKA,
        ) from None
    return context


def _tls_of_confluent(settings: KafkaSettings) -> dict[str, str]:
    certificate, key = settings.kafka_ssl_certfile, settings.kafka_ssl_keyfile or settings.kafka_ssl_certfile
    told = {
        "ssl.ca.location": settings.kafka_ssl_cafile,
        "ssl.certificate.location": certificate,
        "ssl.key.location": key,
        "ssl.key.password": broker_text(settings.kafka_ssl_key_password),
    }
    return {name: str(value) for name, value in told.items() if value is not None}


def _sasl_of_confluent(settings: KafkaSettings) -> dict[str, Any]:
    if not settings.kafka_security_protocol.startswith("SASL"):
        return {}
    told: dict[str, Any] = {"sasl.mechanism": settings.kafka_sasl_mechanism}
    if settings.kafka_sasl_mechanism != _OAUTH:
        return {
            **told,
            "sasl.username": broker_text(settings.kafka_sasl_username),
            "sasl.password": broker_text(settings.kafka_sasl_password),
        }
    tokens = token_cache(settings)

    def current(_: str) -> tuple[str, float]:
        token = tokens.current()
        return token.text, token.ends

    return {**told, "oauth_cb": current}


def _silent() -> logging.Logger:
    logger = logging.getLogger("unenroll.librdkafka")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
