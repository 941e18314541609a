"""An outage names the server that failed, whatever its text says, and the metrics have that name."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import Counter

from unenroll.errors import LaneLostError, OutageError, Server
from unenroll.kafka import errors as kafka
from unenroll.postgres import errors as postgres
from unenroll.secret_files import FileSecret
from unenroll.telemetry.collectors import BuildInfo, worker_meters
from unenroll.telemetry.state import ProcessState
from unenroll.telemetry.tracing import Traces
from unenroll.worker.lane_telemetry import LaneTelemetry


def of_postgres() -> None:
    with postgres.postgres_errors():
        raise ConnectionRefusedError


def of_its_certificate() -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_message = "certificate has expired"
    with postgres.postgres_errors():
        raise error


def of_its_url() -> None:
    FileSecret(Path("missing"), variable="UNENROLL_DATABASE_URL").get_secret_value()


def of_kafka() -> None:
    with kafka.kafka_errors("publishing"):
        raise ConnectionRefusedError


def of_its_password() -> None:
    FileSecret(Path("missing"), variable="UNENROLL_KAFKA_SASL_PASSWORD").get_secret_value()


@pytest.mark.parametrize(
    ("fail", "server"),
    [
        (of_postgres, Server.POSTGRES),
        (of_its_certificate, Server.POSTGRES),
        (of_its_url, Server.POSTGRES),
        (of_kafka, Server.KAFKA),
        (of_its_password, Server.KAFKA),
    ],
)
def test_an_outage_names_the_server_that_failed(fail: Callable[[], None], server: Server) -> None:
    with pytest.raises(OutageError) as caught:
        fail()
    assert caught.value.server is server


def test_the_metrics_have_the_name_of_the_server_that_failed() -> None:
    process = ProcessState()
    meters = worker_meters(BuildInfo(version="1", schema="1", rules="1"))
    telemetry = LaneTelemetry(
        number=0, prefix="", process=process, state=process.add_lane(0), meters=meters, traces=Traces()
    )
    away = OutageError("the certificate of Postgres is not to be trusted", server=Server.POSTGRES)
    telemetry.reopening(away)
    telemetry.retrying(away)
    telemetry.reopening(LaneLostError("Postgres did not answer to a COMMIT"))
    assert _totals(meters.reopenings) == {"postgres": 1, "lane_lost": 1}
    assert _totals(meters.retries) == {"postgres": 1}


def _totals(counter: Counter) -> dict[str, float]:
    """What was counted, by the only label."""
    samples = [sample for metric in counter.collect() for sample in metric.samples if sample.name.endswith("_total")]
    return {label: sample.value for sample in samples for label in sample.labels.values() if sample.value}
