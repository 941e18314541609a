"""A Kafka and a Postgres with authentication, and with the rights that deploy/ grants and no others."""

import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from confluent_kafka.admin import (  # type: ignore[attr-defined] # exported, but not said to be
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from support.certificates import Authority, Pair
from support.databases import empty_database
from support.deployment import wait_for_result
from support.secure_kafka import SecureKafka, SecureKafkaConfig, TokenServer, secure_kafka, token_server
from support.workers import wait_until
from unenroll.sandbox.servers import ServerAddresses

DEPLOY = Path(__file__).parents[2] / "deploy"
PARTS = ("worker", "api", "operator", "topics")
LOGINS = {"owner": "migrator", "worker": "worker", "api": "api", "reader": "reader", "operator": "operator"}
_RECORDS = '#!/bin/sh\necho "$@" >> "$(dirname "$0")/told"\n'
_ALLOW = AclPermissionType.ALLOW
_KINDS = {
    "--topic": ResourceType.TOPIC,
    "--group": ResourceType.GROUP,
    "--transactional-id": ResourceType.TRANSACTIONAL_ID,
}


@dataclass(frozen=True, kw_only=True)
class SecureServers:
    """A Kafka and a database. The rights are for `prefix` and `group_id`."""

    kafka: SecureKafka
    tokens: TokenServer
    passwords: Mapping[str, str]
    folder: Path
    database_url: str
    prefix: str
    group_id: str

    @property
    def authority(self) -> Authority:
        return self.kafka.authority

    def environment(self, kafka: str, postgres: str, *, how: Mapping[str, str] | None = None) -> dict[str, str]:
        """The settings of a process that logs in to Kafka as this part and to Postgres in this role."""
        return {
            "UNENROLL_DATABASE_URL": self.url(postgres),
            "UNENROLL_TOPIC_PREFIX": self.prefix,
            "UNENROLL_GROUP_ID": self.group_id,
            "UNENROLL_SESSION_TIMEOUT_MS": "6000",
            **(self.by_scram(kafka) if how is None else how),
        }

    def url(self, role: str) -> str:
        """The URL of the database for this role."""
        parts = urlsplit(self.database_url)
        login = f"{LOGINS[role]}_{self.suffix}"
        return parts._replace(netloc=f"{login}:{self.passwords[role]}@{parts.hostname}:{parts.port}").geturl()

    @property
    def suffix(self) -> str:
        return self.database_url[-8:]

    def by_scram(self, part: str, mechanism: str = "SCRAM-SHA-512") -> dict[str, str]:
        return self._sasl(mechanism) | self._password(part)

    def by_plain(self, part: str) -> dict[str, str]:
        return self._sasl("PLAIN") | self._password(part)

    def by_token(self, part: str) -> dict[str, str]:
        return self._sasl("OAUTHBEARER") | {
            "UNENROLL_KAFKA_SASL_OAUTH_TOKEN_URL": self.tokens.url,
            "UNENROLL_KAFKA_SASL_OAUTH_CLIENT_ID": part,
            "UNENROLL_KAFKA_SASL_OAUTH_CLIENT_SECRET": self.passwords[part],
            "UNENROLL_KAFKA_SASL_OAUTH_CAFILE": str(self.authority.file),
        }

    def by_certificate(self, pair: Pair) -> dict[str, str]:
        return {
            "UNENROLL_KAFKA_BOOTSTRAP_SERVERS": self.kafka.ssl,
            "UNENROLL_KAFKA_SECURITY_PROTOCOL": "SSL",
            "UNENROLL_KAFKA_SSL_CAFILE": str(self.authority.file),
            "UNENROLL_KAFKA_SSL_CERTFILE": str(pair.certificate),
            "UNENROLL_KAFKA_SSL_KEYFILE": str(pair.key),
        }

    def _sasl(self, mechanism: str) -> dict[str, str]:
        return {
            "UNENROLL_KAFKA_BOOTSTRAP_SERVERS": self.kafka.sasl,
            "UNENROLL_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "UNENROLL_KAFKA_SSL_CAFILE": str(self.authority.file),
            "UNENROLL_KAFKA_SASL_MECHANISM": mechanism,
        }

    def _password(self, part: str) -> dict[str, str]:
        return {"UNENROLL_KAFKA_SASL_USERNAME": part, "UNENROLL_KAFKA_SASL_PASSWORD": self.passwords[part]}

    def admit(self) -> list[AclBinding]:
        """Create the ACLs that deploy/kafka/acls.sh creates."""
        rules = list(granted(self.folder, prefix=self.prefix, group_id=self.group_id))
        self.allow(rules)
        return rules

    def allow(self, rules: list[AclBinding]) -> None:
        wait_for_result(self.kafka.admin.create_acls, rules)
        self._wait(rules, there=True)

    @contextmanager
    def without(self, rule: AclBinding) -> Iterator[None]:
        """Take the right away until the end of the block."""
        wait_for_result(self.kafka.admin.delete_acls, [_exactly(rule)])
        self._wait([rule], there=False)
        try:
            yield
        finally:
            self.allow([rule])

    def _wait(self, rules: list[AclBinding], *, there: bool) -> None:
        admin = self.kafka.admin
        wait_until(
            lambda: all(bool(admin.describe_acls(_exactly(rule)).result()) is there for rule in rules), "the rights"
        )

    async def execute(self, statement: str) -> None:
        """Run the statement as a superuser."""
        await _execute(self.database_url, statement)

    async def run_file(self, name: str, *, role: str | None = None) -> None:
        """Run a file of deploy/postgres, as a superuser or in this role."""
        text = (DEPLOY / "postgres" / name).read_text(encoding="utf-8")
        await _execute(self.database_url if role is None else self.url(role), text)


@asynccontextmanager
async def secure_kafka_with_users(folder: Path) -> AsyncIterator[tuple[SecureKafka, TokenServer, dict[str, str]]]:
    """A Kafka that knows each part by a password, a token and a certificate; and the passwords."""
    authority = Authority(folder, "authority")
    server = authority.signs("broker", hosts=("127.0.0.1", "localhost"))
    passwords = {part: secrets.token_urlsafe(12) for part in (*PARTS, "owner", "reader")}
    with token_server(server, secrets=passwords) as tokens:
        config = SecureKafkaConfig(
            authority=authority,
            server=server,
            elsewhere=authority.signs("elsewhere", hosts=("elsewhere.example",)),
            expired=authority.signs("expired", hosts=("127.0.0.1",), expired=True),
            tokens=tokens,
            plain=passwords,
            rights=True,
        )
        async with secure_kafka(folder, config) as kafka:
            kafka.has_users({part: passwords[part] for part in PARTS})
            yield kafka, tokens, passwords


@asynccontextmanager
async def secure_database(servers: ServerAddresses, passwords: Mapping[str, str]) -> AsyncIterator[str]:
    """The address of an empty database whose roles are those of deploy/postgres/roles.sql, each with one login."""
    async with empty_database(servers) as url:
        suffix = url[-8:]
        await _execute(url, (DEPLOY / "postgres" / "roles.sql").read_text(encoding="utf-8"))
        for role, login in LOGINS.items():
            await _execute(
                url, f"create role {login}_{suffix} login password '{passwords[role]}' in role unenroll_{role}"
            )
        await _execute(url, f"alter role migrator_{suffix} set role to unenroll_owner")
        try:
            yield url
        finally:
            await _execute(url, "".join(f"drop role {login}_{suffix};" for login in LOGINS.values()))


def granted(folder: Path, *, prefix: str, group_id: str) -> Iterator[AclBinding]:
    """The rights that deploy/kafka/acls.sh gives. The parts are called worker, api, operator and topics."""
    tool = folder / "kafka-acls"
    tool.write_text(_RECORDS)
    tool.chmod(0o700)
    recorded = folder / "told"
    recorded.unlink(missing_ok=True)
    names = {"WORKER": "worker", "API": "api", "OPERATOR": "operator", "TOPIC_MAKER": "topics"}
    environment = {name: f"User:{part}" for name, part in names.items()}
    subprocess.run(
        [str(shutil.which("sh")), str(DEPLOY / "kafka" / "acls.sh")],
        env={"KAFKA_ACLS": str(tool), "PREFIX": prefix, "GROUP": group_id, "PATH": "/usr/bin:/bin", **environment},
        check=True,
    )
    for line in recorded.read_text().splitlines():
        yield from _bindings(line.split())


def _bindings(words: list[str]) -> Iterator[AclBinding]:
    """What `kafka-acls.sh --add` makes of its arguments."""
    given: dict[str, list[str]] = {}
    arguments = iter(word for word in words if word != "--add")
    for name, value in zip(arguments, arguments, strict=True):
        given.setdefault(name, []).append(value)
    pattern = ResourcePatternType[given.pop("--resource-pattern-type", ["literal"])[0].upper()]
    (principal,), operations = given.pop("--allow-principal"), given.pop("--operation")
    for ignored in ("--bootstrap-server", "--command-config"):
        given.pop(ignored)
    ((kind, (name,)),) = given.items()
    for word in operations:
        operation = next(one for one in AclOperation if one.name.replace("_", "") == word.upper())
        yield AclBinding(_KINDS[kind], name, pattern, principal, "*", operation, _ALLOW)


def _exactly(rule: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        rule.restype, rule.name, rule.resource_pattern_type, rule.principal, rule.host, rule.operation, _ALLOW
    )


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        with suppress(asyncpg.PostgresError):
            await connection.close()
