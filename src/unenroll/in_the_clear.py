"""Connections that leave the machine without TLS that is verified: allowed, and said at the start."""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

import structlog
from aiokafka.conn import collect_hosts

from unenroll.settings import WorkerSettings

log = structlog.get_logger()

_VERIFIED = {"verify-ca", "verify-full"}


def warn_of_the_clear(settings: WorkerSettings) -> None:
    """Say in the log what is spoken without TLS that is verified."""
    for why in in_the_clear(settings):
        log.warning("connection_not_encrypted", why=why)


def in_the_clear(settings: WorkerSettings) -> Iterator[str]:
    """What whoever runs the program would want to be told, a sentence for each server. It repeats no setting."""
    if not settings.kafka_security_protocol.endswith("SSL") and not all(
        _is_here(host) for host, *_ in collect_hosts(settings.kafka_bootstrap_servers, randomize=False)
    ):
        yield "Kafka is spoken to without TLS: set UNENROLL_KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL"
    url = urlsplit(settings.database_url.get_secret_value())
    options = parse_qs(url.query)
    host = options.get("host", [url.hostname or ""])[0]
    if not _is_here(host) and options.get("sslmode", [""])[0] not in _VERIFIED:
        yield (
            "nothing proves that Postgres is the one that is meant: "
            "add ?sslmode=verify-full&sslrootcert=FILE to UNENROLL_DATABASE_URL"
        )


def _is_here(host: str) -> bool:
    if host in {"", "localhost"} or host.startswith("/"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
