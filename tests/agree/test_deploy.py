"""What can be known of the container image and the compose file without a container engine."""

import os
import re
import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
import yaml

import providers
from agree.pages import ROOT, variables
from unenroll.cli.worker import defaults
from unenroll.sandbox.jars import locked_jars
from unenroll.settings import ApiSettings

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("migrate", "topics", "worker", "api")
BEGUN = {"migrate": "service_completed_successfully", "topics": "service_completed_successfully"}


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, each as its word and the rest of it in one line."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [(word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in lines if line)]


IMAGE = instructions()
LAST_STAGE = IMAGE[max(at for at, (word, _) in enumerate(IMAGE) if word == "FROM") :]


def test_compose_starts_the_servers_then_tables_and_topics_then_the_worker_and_the_http_api() -> None:
    assert set(SERVICES) == {"kafka", "postgres", *OURS}
    waits = {name: {on: how["condition"] for on, how in SERVICES[name]["depends_on"].items()} for name in OURS}
    assert waits == {
        "migrate": {"postgres": "service_healthy"},
        "topics": {"kafka": "service_healthy"},
        "worker": BEGUN,
        "api": BEGUN,
    }
    assert [SERVICES[name]["command"][0] for name in OURS] == ["migrate", "topics", "run", "api"]
    assert [name for name in SERVICES if "profiles" in SERVICES[name]] == ["api"]


def test_the_servers_have_health_checks_and_the_image_has_one() -> None:
    assert all(SERVICES[name]["healthcheck"]["test"] for name in ("kafka", "postgres"))
    assert [word for word, _ in LAST_STAGE].count("HEALTHCHECK") == 1
    assert not any("healthcheck" in SERVICES[name] for name in ("worker", "api"))


def test_the_images_are_those_that_the_tests_run_on() -> None:
    assert SERVICES["kafka"]["image"] == providers.KAFKA_IMAGE
    assert SERVICES["postgres"]["image"] == providers.POSTGRES_IMAGE


def test_the_kafka_of_the_image_is_that_of_the_sandbox() -> None:
    versions = {
        jar.coordinate.rpartition(":")[2] for jar in locked_jars() if jar.coordinate.startswith("org.apache.kafka:")
    }
    assert versions == {SERVICES["kafka"]["image"].rpartition(":")[2]}


def test_each_variable_of_ours_is_a_setting() -> None:
    named = {
        name for file in DEPLOY.iterdir() if file.is_file() for name in variables(file.read_text(encoding="utf-8"))
    }
    assert named <= set(defaults(ApiSettings))


def test_the_worker_finds_the_servers_where_compose_puts_them() -> None:
    found = SERVICES["worker"]["environment"]
    assert found["UNENROLL_KAFKA_BOOTSTRAP_SERVERS"] in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    user, database = (SERVICES["postgres"]["environment"][name] for name in ("POSTGRES_USER", "POSTGRES_DB"))
    assert found["UNENROLL_DATABASE_URL"] == f"postgresql://{user}@postgres:5432/{database}"


def test_no_password_stands_in_the_compose_file() -> None:
    secrets = [
        value for service in SERVICES.values() for name, value in service["environment"].items() if "PASS" in name
    ]
    assert len(secrets) == 5
    assert all(re.fullmatch(r"\$\{POSTGRES_PASSWORD:\?[^}]+\}", secret) for secret in secrets)
    assert "POSTGRES_PASSWORD=" in (DEPLOY / ".env.example").read_text(encoding="utf-8")
    assert ".env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_ports_are_published_to_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_data_lie_in_named_volumes() -> None:
    volumes = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    used = {volume.partition(":")[0] for volume in volumes if isinstance(volume, str)}
    assert used == set(COMPOSE["volumes"]) == {"kafka", "postgres"}


def test_the_http_api_is_called_from_this_machine_by_those_in_a_file_that_it_only_reads() -> None:
    api = SERVICES["api"]
    (clients,) = api["volumes"]
    assert api["environment"]["UNENROLL_API_CLIENTS_FILE"] == clients["target"]
    assert (clients["type"], clients["read_only"]) == ("bind", True)
    assert clients["bind"] == {"create_host_path": False}
    (port,) = api["ports"]
    assert port.endswith(":" + api["environment"]["UNENROLL_API_ADDRESS"].rpartition(":")[2])
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert f"deploy/{clients['source'].removeprefix('./')}" in ignored


def test_the_lock_of_the_image_is_made_with_what_the_http_api_needs() -> None:
    (recipe,) = [
        line
        for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
        if line.endswith("--output-file requirements/run.lock")
    ]
    assert "--extra api " in recipe


def test_the_image_installs_the_run_lock_by_hash_and_as_wheels_only() -> None:
    installs = [step for word, rest in IMAGE if word == "RUN" for step in rest.split("&&") if " install " in step]
    by_hash = [step for step in installs if "--require-hashes" in step and "--only-binary :all:" in step]
    others = [step for step in installs if step not in by_hash]
    assert [step.split()[-1] for step in by_hash] == ["requirements/run.lock", "requirements/build.lock"]
    assert [("--no-deps" in step, "--no-index" in step) for step in others] == [(True, True)]


def test_what_the_image_copies_is_there_and_not_kept_out() -> None:
    copied = {
        source.rstrip("/")
        for word, rest in IMAGE
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    let_in = {
        line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")
    }
    assert {source for source in copied if not (ROOT / source).exists()} == set()
    assert {source.partition("/")[0] for source in copied} == let_in


def test_the_image_runs_the_worker_as_nobody_in_particular_without_build_tools() -> None:
    stage = dict(LAST_STAGE)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", stage["USER"])
    assert stage["ENTRYPOINT"] == '["unenroll"]'
    assert stage["CMD"] == '["run"]'
    assert "PYTHONUNBUFFERED=1" in stage["ENV"]
    assert "pip uninstall --yes pip setuptools wheel" in stage["RUN"]
    assert all(rest.startswith("python:3.11-slim") for word, rest in IMAGE if word == "FROM")


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_asks_the_address_of_the_process(status: int, healthy: bool) -> None:
    asked: list[str] = []

    class Worker(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody wants to know."""

    with HTTPServer(("127.0.0.1", 0), Worker) as server:
        Thread(target=server.handle_request, daemon=True).start()
        assert (health_check(f"0.0.0.0:{server.server_port}") == 0) is healthy
    assert asked == ["/healthz"]


def test_the_health_check_finds_nobody_well_who_does_not_listen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert health_check(f"127.0.0.1:{port}") != 0


def test_the_health_check_asks_the_default_address_where_none_is_set() -> None:
    (default,) = re.findall(r"'UNENROLL_HTTP_ADDRESS', '(.*?)'", dict(LAST_STAGE)["HEALTHCHECK"])
    assert defaults(ApiSettings)["UNENROLL_HTTP_ADDRESS"].endswith(default)


def health_check(address: str) -> int:
    """How the health check of the image ends beside a process with this address."""
    python, *arguments = yaml.safe_load(dict(LAST_STAGE)["HEALTHCHECK"].partition(" CMD ")[2])
    assert python == "python"
    environment = {**os.environ, "UNENROLL_HTTP_ADDRESS": address}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, stderr=subprocess.DEVNULL, check=False
    ).returncode
