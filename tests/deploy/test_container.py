"""Test the files of the two container images: the copied code, and the rights and settings of the services."""

import re
from pathlib import Path

from adapters.settings.load import KNOWN_NAMES

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
COMPOSE = (DEPLOY / "compose.yaml").read_text("utf-8")
DEMO_DOCKERFILE = (DEPLOY / "Dockerfile.demo").read_text("utf-8")
DEMO_COMPOSE = (DEPLOY / "compose.demo.yaml").read_text("utf-8")


def test_each_image_has_all_that_its_program_imports_and_nothing_else() -> None:
    for dockerfile, ignored, left_out in (
        (DOCKERFILE, ROOT / ".dockerignore", {"tests", "playground", "tools"}),
        (DEMO_DOCKERFILE, DEPLOY / "Dockerfile.demo.dockerignore", {"tests", "tools"}),
    ):
        lines = re.findall(r"^COPY (?!--from)(.+)", dockerfile.partition("\nLABEL ")[2], re.M)
        copied = {name for line in lines for name in line.split()[:-1]}
        code = {path.name for path in ROOT.glob("*.py")} - {"config.py"}
        code |= {path.parent.name for path in ROOT.glob("*/__init__.py")} - left_out
        assert code | {"locales"} <= copied
        allowed = {line[1:] for line in ignored.read_text("utf-8").splitlines() if line[:1] == "!"}
        assert allowed == copied


def test_the_image_is_not_root_needs_no_shell_and_checks_itself() -> None:
    assert "--require-hashes" in DOCKERFILE
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.M)
    assert re.search(r'^ENTRYPOINT \["/opt/venv/bin/python", "bot.py"\]$', DOCKERFILE, re.M)
    assert re.search(r'CMD \["/opt/venv/bin/python", "-m", "startup.healthcheck"\]', DOCKERFILE)
    assert "METRICS_LISTEN=127.0.0.1:" in DOCKERFILE, "the check asks there"


def test_the_service_has_no_right_that_it_does_not_need() -> None:
    service = COMPOSE.partition("services:")[2].partition("\nsecrets:")[0]
    values = dict(re.findall(r"^ {4}(\w+): (\S.*)$", service, re.M))
    assert values["read_only"] == values["init"] == "true"
    assert values["user"].strip('"') == "10001:10001"
    assert values["mem_limit"] == "256m"
    assert re.search(r"cap_drop:\n +- ALL\n", service)
    assert re.search(r"security_opt:\n +- no-new-privileges:true\n", service)
    assert "ports:" not in service
    assert "privileged:" not in service.replace("no-new-privileges:true", "")


def test_the_demo_has_no_secret_and_is_reached_from_its_own_machine_only() -> None:
    """Check also that the page's three ports in a row are the same inside and outside of the container."""
    service = DEMO_COMPOSE.partition("services:")[2]
    values = dict(re.findall(r"^ {4}(\w+): (\S.*)$", service, re.M))
    assert values["read_only"] == values["init"] == "true"
    assert values["user"].strip('"') == "10001:10001"
    assert re.search(r"cap_drop:\n +- ALL\n", service)
    assert re.search(r"security_opt:\n +- no-new-privileges:true\n", service)
    defaults = dict(re.findall(r"\$\{(DEMO_\w*PORT):-(\d+)\}", service))
    (published,) = re.findall(r'^ {6}- "(.*)"$', service.partition("ports:")[2], re.M)
    ports = "-".join(f"${{{name}:-{default}}}" for name, default in defaults.items())
    assert list(defaults) == ["DEMO_PORT", "DEMO_LAST_PORT"]
    assert published == f"127.0.0.1:{ports}:{ports}"
    assert 'command: ["--port", "${DEMO_PORT:-8765}"]' in service
    (first,) = re.findall(r'"--port", "(\d+)"\]$', DEMO_DOCKERFILE, re.M)
    assert [int(port) for port in defaults.values()] == [int(first), int(first) + 2]
    for word in ("secrets", "env_file", "volumes", "TOKEN", "network_mode"):
        assert word not in service
    assert "--require-hashes" in DEMO_DOCKERFILE
    assert re.search(r"^USER 10001:10001$", DEMO_DOCKERFILE, re.M)
    assert "privileged:" not in service


def test_each_setting_of_the_container_exists() -> None:
    example = (DEPLOY / "bot.env.example").read_text("utf-8")
    given = re.findall(r"^#?([A-Z_]+)=", example, re.M)
    named = re.findall(r"^ {6}([A-Z_]+): /run/secrets/(\w+)$", COMPOSE, re.M)
    assert set(given) | {name for name, _ in named} <= set(KNOWN_NAMES)
    for name, secret in named:
        assert name == f"{secret.upper()}_FILE"
        assert re.search(rf"^  {secret}:\n    file: secrets/{secret}$", COMPOSE, re.M)
    assert named
    ignored = (ROOT / ".gitignore").read_text("utf-8").split()
    assert {"deploy/bot.env", "deploy/secrets/"} <= set(ignored)
