"""A Kafka that requires a password, a token or a certificate over TLS, and the server that issues the tokens."""

import asyncio
import json
import os
import ssl
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from os import pathsep
from pathlib import Path
from signal import SIGTERM
from threading import Thread
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import jwt
from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined] # exported, but not said to be
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives.asymmetric import rsa

from chaos.killable_servers import KillableServer, killable_kafka
from support.certificates import Authority, Pair
from support.deployment import wait_for_result
from unenroll.sandbox.environment import LOOPBACK, cache_folder, free_ports
from unenroll.sandbox.jars import cached_jars, locked_jars
from unenroll.sandbox.kafka import CONFIG, JAVA_OPTIONS, PROPERTIES, java
from unenroll.sandbox.process import ServerProgram, run_to_end, start

AUDIENCE = "kafka"
_KEY_ID = "the only one"


@dataclass
class TokenServer:
    """A token server. `secrets` has the secret of each client, `given` the client of each issued token, in order."""

    url: str
    secrets: dict[str, str]
    seconds: int
    given: list[str] = field(default_factory=list)
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def publish_keys(self, path: Path) -> None:
        """Write the public keys, by which the broker verifies tokens."""
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        path.write_text(json.dumps({"keys": [{**public, "kid": _KEY_ID, "alg": "RS256", "use": "sig"}]}))

    def answer(self, authorization: str) -> tuple[int, dict[str, Any]]:
        """Return the status and the body."""
        name, _, secret = b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        if self.secrets.get(unquote(name)) != unquote(secret):
            return 401, {"error": "invalid_client", "error_description": f"not {secret}"}
        now = int(time.time())
        claims = {"sub": unquote(name), "aud": AUDIENCE, "iss": self.url, "iat": now, "exp": now + self.seconds}
        token = jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": _KEY_ID})
        self.given.append(unquote(name))
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": self.seconds}


@contextmanager
def token_server(certificate: Pair, *, secrets: dict[str, str], seconds: int = 300) -> Iterator[TokenServer]:
    """Run a token server whose tokens expire after this many seconds."""

    class TokenHandler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, told = tokens.answer(self.headers.get("Authorization", ""))
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), TokenHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    tokens = TokenServer(url=f"https://127.0.0.1:{server.server_port}/token", secrets=secrets, seconds=seconds)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield tokens
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


_ITERATIONS = 4096
_OAUTH = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;"
_TLS = """\
listeners=PLAINTEXT://{host}:{open},SASL_SSL://{host}:{sasl},SSL://{host}:{ssl},WRONG://{host}:{wrong},OLD://{host}:{old},\
CONTROLLER://{host}:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL,WRONG:SASL_SSL,OLD:SASL_SSL,CONTROLLER:PLAINTEXT
ssl.keystore.type=PEM
ssl.truststore.type=PEM
ssl.keystore.location={server}
ssl.truststore.location={authority}
listener.name.wrong.ssl.keystore.type=PEM
listener.name.wrong.ssl.keystore.location={elsewhere}
listener.name.old.ssl.keystore.type=PEM
listener.name.old.ssl.keystore.location={expired}
listener.name.ssl.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^CN=(.*?)$/$1/,DEFAULT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
"""
_LISTENER = """\
listener.name.{name}.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required {users};
listener.name.{name}.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.{name}.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.{name}.oauthbearer.sasl.jaas.config={oauth}
listener.name.{name}.oauthbearer.sasl.server.callback.handler.class=\
org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler
listener.name.{name}.oauthbearer.sasl.oauthbearer.jwks.endpoint.url={keys}
listener.name.{name}.oauthbearer.sasl.oauthbearer.expected.audience={audience}
listener.name.{name}.oauthbearer.sasl.oauthbearer.expected.issuer={issuer}
"""
_RIGHTS = """\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:ANONYMOUS
"""


@dataclass(frozen=True, kw_only=True)
class SecureKafka:
    """The listeners, each as host:port. `wrong` has the certificate of another host, `old` an expired one.

    `open` needs no credentials: the tests administer the broker through it.
    """

    open: str
    sasl: str
    ssl: str
    wrong: str
    old: str
    authority: Authority
    folder: Path
    server: KillableServer

    async def restart(self) -> None:
        """Restart the broker, which ends all connections."""
        await self.server.kill(SIGTERM)
        await self.server.start_again()

    def said(self) -> str:
        """The log since the last start."""
        return self.server.server.program.log.read_text(encoding="utf-8", errors="replace")

    @property
    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.open, "log_level": 0})

    def has_user(self, name: str, password: str) -> None:
        """Set the password with which the user logs in by SCRAM."""
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            how = ScramCredentialInfo(mechanism, _ITERATIONS)
            wait_for_result(
                self.admin.alter_user_scram_credentials, [UserScramCredentialUpsertion(name, how, password.encode())]
            )

    def has_users(self, passwords: Mapping[str, str]) -> None:
        """Set the SCRAM passwords of these users."""
        for name, password in passwords.items():
            self.has_user(name, password)


@dataclass(frozen=True, kw_only=True)
class SecureKafkaConfig:
    """What the broker authenticates clients with. `rights`: it also checks ACLs."""

    authority: Authority
    server: Pair
    elsewhere: Pair
    expired: Pair
    tokens: TokenServer
    plain: Mapping[str, str]
    rights: bool = False


@asynccontextmanager
async def secure_kafka(folder: Path, config: SecureKafkaConfig) -> AsyncIterator[SecureKafka]:
    """Run the broker until the end of the block."""
    jars = await cached_jars(locked_jars(), cache_folder(os.environ), say=print)
    keys = folder / "keys.json"
    config.tokens.publish_keys(keys)
    command = (
        *(java(), *JAVA_OPTIONS, "-Xmx384m", f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={keys.as_uri()}"),
        *("-cp", pathsep.join(map(str, jars))),
    )
    ports = dict(zip(("open", "sasl", "ssl", "wrong", "old", "controller"), free_ports(6), strict=True))
    (folder / CONFIG).write_text(_properties(config, keys.as_uri(), ports), encoding="utf-8")
    doors = {name: f"{LOOPBACK}:{port}" for name, port in ports.items() if name != "controller"}
    program = partial(ServerProgram, name="Kafka", folder=folder, stop_signal=SIGTERM, address=doors["open"])
    cluster = urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
    formatting = ("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "--config", CONFIG)
    await run_to_end(program(command=(*command, *formatting)))
    server = await start(
        program(command=(*command, "kafka.Kafka", CONFIG)), answers=lambda: asyncio.to_thread(_answers, doors["open"])
    )
    async with killable_kafka(server) as killable:
        yield SecureKafka(**doors, authority=config.authority, folder=folder, server=killable)


def _properties(config: SecureKafkaConfig, keys: str, ports: Mapping[str, int]) -> str:
    base = PROPERTIES.format(host=LOOPBACK, broker=ports["open"], controller=ports["controller"])
    tls = _TLS.format(
        host=LOOPBACK,
        server=config.server.both,
        elsewhere=config.elsewhere.both,
        expired=config.expired.both,
        authority=config.authority.file,
        **ports,
    )
    users = " ".join(f'user_{name}="{password}"' for name, password in config.plain.items())
    doors = (
        _LISTENER.format(name=name, users=users, oauth=_OAUTH, keys=keys, audience=AUDIENCE, issuer=config.tokens.url)
        for name in ("sasl_ssl", "wrong", "old")
    )
    lines = [line for line in base.splitlines() if not line.startswith("listeners=")]
    return "\n".join([*lines, tls, *doors, _RIGHTS if config.rights else ""])


def _answers(address: str) -> bool:
    try:
        return bool(AdminClient({"bootstrap.servers": address, "log_level": 0}).list_topics(timeout=1).brokers)
    except KafkaException:
        return False
