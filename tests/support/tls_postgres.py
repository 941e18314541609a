"""A PostgreSQL that accepts TLS connections only. It is Debian's: the embedded one is built without TLS."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT

from support.certificates import Authority, Pair
from unenroll.sandbox.environment import LOOPBACK, free_ports
from unenroll.sandbox.postgres import postgres_answers, unprivileged_user
from unenroll.sandbox.process import ServerProgram, run_to_end, start

PASSWORD = "crunchy-armchair"  # noqa: S105 - of a server that lives for a minute
_HBA = """\
hostssl all postgres all scram-sha-256
hostssl all certain all cert
"""


@dataclass(frozen=True, kw_only=True)
class TlsPostgres:
    """The port, and the authority that signed the certificate, which names only `localhost`."""

    port: int
    authority: Authority

    def url(self, *, user: str = f"postgres:{PASSWORD}", **options: object) -> str:
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"postgresql://{user}@localhost:{self.port}/postgres?{query}"

    def verified(self, *, user: str = f"postgres:{PASSWORD}", **options: object) -> str:
        """The URL in the form of docs/security.md."""
        return self.url(user=user, sslmode="verify-full", sslrootcert=self.authority.file, **options)


def programs() -> Path | None:
    """The folder of the programs of Debian's PostgreSQL, None if it is not installed."""
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@asynccontextmanager
async def tls_postgres(folder: Path) -> AsyncIterator[TlsPostgres]:
    """Run it until the end of the block."""
    where, owner, (port,) = programs(), unprivileged_user(), free_ports(1)
    assert where is not None
    authority = Authority(folder, "authority")
    data = folder / "data"
    data.mkdir(mode=0o700)
    secret = folder / "password"
    secret.write_text(PASSWORD)
    pair = authority.signs("postgres", hosts=("localhost",))
    files = Pair(certificate=folder / "server.pem", key=folder / "server.key", both=folder / "authority.pem")
    for source, target in ((pair.certificate, files.certificate), (pair.key, files.key), (authority.file, files.both)):
        shutil.copyfile(source, target)
        target.chmod(0o600)
    if owner is not None:
        for path in (folder, data, secret, files.certificate, files.key, files.both):
            os.chown(path, *owner)

    def program(name: str, *arguments: str, address: str = "") -> ServerProgram:
        command = (str(where / name), *arguments)
        return ServerProgram(
            name="Postgres", command=command, folder=folder, stop_signal=SIGINT, owner=owner, address=address
        )

    await run_to_end(program("initdb", "-D", str(data), "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={secret}"))
    (data / "pg_hba.conf").write_text(_HBA)
    settings = {
        "port": port,
        "listen_addresses": LOOPBACK,
        "unix_socket_directories": "",
        "ssl": "on",
        "ssl_cert_file": files.certificate,
        "ssl_key_file": files.key,
        "ssl_ca_file": files.both,
    }
    options = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
    found = TlsPostgres(port=port, authority=authority)
    address = found.url(sslmode="require")
    server = await start(
        program("postgres", "-D", str(data), *options, address=address), answers=lambda: postgres_answers(address)
    )
    try:
        yield found
    finally:
        await server.stop()
