"""Settings of the guards, without the environment."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Told:
    """Nobody may come in, and who does may as often as they like."""

    api_clients_file: Path | None = None
    api_jwks: str | None = None
    api_jwt_audience: str | None = None
    api_jwt_issuer: str | None = None
    api_rate: float = 1e6
    api_rate_burst: int = 1_000_000
