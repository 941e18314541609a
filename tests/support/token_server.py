"""A server of tokens, as OAUTHBEARER needs one: client credentials in, a signed token out, over TLS."""

import json
import ssl
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from support.certificates import Pair

AUDIENCE = "kafka"
_KEY_ID = "the only one"


@dataclass
class TokenServer:
    """`secrets`: of whom it knows. `given`: how many tokens it gave to whom, in order."""

    url: str
    secrets: dict[str, str]
    seconds: int
    given: list[str] = field(default_factory=list)
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def publish_keys(self, path: Path) -> None:
        """Write what the broker checks tokens with."""
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        path.write_text(json.dumps({"keys": [{**public, "kid": _KEY_ID, "alg": "RS256", "use": "sig"}]}))

    def answer(self, authorization: str) -> tuple[int, dict[str, Any]]:
        """Status and body."""
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
    """A server of tokens that last so many seconds."""

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, told = tokens.answer(self.headers.get("Authorization", ""))
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
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
