"""Test the files of the container image: what is copied, what is kept out, and what is promised."""

import re
from pathlib import Path

from adapters.settings.load import KNOWN_NAMES

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
COMPOSE = (DEPLOY / "compose.yaml").read_text("utf-8")


def test_the_image_has_all_that_the_bot_imports_and_nothing_else() -> None:
    lines = re.findall(r"^COPY (?!--from)(.+)", DOCKERFILE.partition("\nLABEL ")[2], re.M)
    copied = {name for line in lines for name in line.split()[:-1]}
    code = {path.name for path in ROOT.glob("*.py")} - {"config.py"}
    code |= {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "playground", "tools"}
    assert code | {"locales"} <= copied
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] == "!"
    }
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
