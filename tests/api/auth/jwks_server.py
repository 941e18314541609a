"""A server of keys over TLS, on a port of this machine."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from api.auth.token_issuer import EC_KEY


class Issuer:
    """What it answers, and how often it was asked."""

    def __init__(self, document: bytes) -> None:
        self.document = document
        self.status = 200
        self.location: str | None = None
        self.asked = 0
        self.url = ""
        self.tls = ssl.create_default_context()


@contextmanager
def issuer(document: bytes, folder: Path) -> Iterator[Issuer]:
    """The server, until the end of the block."""
    one = Issuer(document)

    class TokenHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            one.asked += 1
            self.send_response(one.status)
            if one.location is not None:
                self.send_header("Location", one.location)
            self.send_header("Content-Length", str(len(one.document)))
            self.end_headers()
            self.wfile.write(one.document)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), TokenHandler)
    certificate = _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    one.tls = ssl.create_default_context(cafile=str(certificate))
    one.url = f"https://127.0.0.1:{server.server_port}/keys?tenant=1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield one
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _certificate(folder: Path) -> Path:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(EC_KEY.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(EC_KEY, hashes.SHA256())
    )
    key = EC_KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "issuer.pem"
    path.write_bytes(key + made.public_bytes(serialization.Encoding.PEM))
    return path
