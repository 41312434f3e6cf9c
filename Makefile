# One command each, from a fresh clone: make test, make demo.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# The tests start many Python processes. Without compiled files each of them would compile everything.
export PYTHONDONTWRITEBYTECODE :=

help:           ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## +/\t/' | expand -t 16

# The environment is made again when the requirements change.
$(VENV)/ready: requirements.txt requirements-demo.txt requirements-dev.txt
	@$(PYTHON) startup/requirements_check.py
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@ $(VENV)/demo-ready

# The demo alone needs less, so that a first look comes sooner.
$(VENV)/demo-ready: requirements.txt requirements-demo.txt
	@$(PYTHON) startup/requirements_check.py
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-demo.txt
	@touch $@

demo: $(VENV)/demo-ready   ## A Discord and a Proxmox cluster on this machine, and the bot between them
	$(RUN) bot.py --demo

screens: $(VENV)/ready   ## All pictures: the screens, the animation of the READMEs, the sketches (a few minutes)
	$(RUN) -m playground.screens
	$(RUN) -m playground.moving_picture
	$(RUN) -m playground.sketches

# Many tests wait for another process more than they compute: eight workers keep two cores busy.
test: $(VENV)/ready   ## All tests
	$(RUN) -m pytest -n 8 --dist loadgroup

# Tests of rules alone: no socket, no process, no Discord.
PURE := tests/core tests/project/test_catalogues.py tests/project/test_requirements.py

quick: $(VENV)/ready   ## The pure tests (seconds)
	$(RUN) -m pytest -q -n 2 $(PURE)

# Measuring doubles the CPU time of the tests, so `make test` does without it.
coverage: $(VENV)/ready   ## All tests, and how much of core, adapters and ui they run
	$(RUN) -m pytest -n 4 --dist loadgroup --deep --cov --cov-report=json
	$(RUN) -m tools.coverage_floor coverage.json

soak: $(VENV)/ready   ## 10,000 generated histories of the watch against the oracle, and a day of the bot in accelerated time (about 25 minutes on 2 cores)
	$(RUN) -m tests.long_runs.soak
	$(RUN) -m tests.long_runs.day

chaos: $(VENV)/ready   ## The real process under kills and faults on both sides, compared with what really happened (about 8 minutes)
	$(RUN) -m tests.long_runs.chaos

leaks: $(VENV)/ready   ## 10,000 generated requests of people who may see only some guests (about 2 minutes on 2 cores)
	$(RUN) -m tests.long_runs.leaks

crossings: $(VENV)/ready   ## 10,000 generated requests to three sites with the same VMIDs (about 2 minutes on 2 cores)
	$(RUN) -m tests.long_runs.crossings

access: $(VENV)/ready   ## The bot against the access table: every person, place and site (about 3 minutes on 2 cores)
	EVERY_CELL=1 $(RUN) -m pytest -q -n 4 tests/bot/access/test_table.py tests/bot/access/test_cells.py tests/bot/sites/test_table.py

flood: $(VENV)/ready   ## What one person's flood of requests costs everybody else (about 6 minutes)
	$(RUN) -m tests.long_runs.flood

dashboards: $(VENV)/ready   ## 1,000 generated sequences of what may happen to a dashboard (about 1 minute on 2 cores)
	$(RUN) -m tests.long_runs.dashboards

# make bench ONLY="/info" for some rows, COMPARE=old.json for what moved since.
bench: $(VENV)/ready   ## How fast the bot is and what it costs, against goals and floors (about 5 minutes)
	$(RUN) -m tests.bench $(if $(ONLY),--only "$(ONLY)") $(if $(COMPARE),--compare "$(COMPARE)")

format: $(VENV)/ready   ## Format the code
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

lint: $(VENV)/ready   ## Check format, lint and types; changes nothing
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy

check: lint coverage   ## What has to pass before every commit

messages: $(VENV)/ready   ## Bring the catalogues in step with the source
	$(RUN) -m tools.messages

documents: $(VENV)/ready   ## Update the tables in the documents that are made from the code
	$(RUN) -m tools.documents

.PHONY: help demo screens test quick coverage soak chaos leaks access crossings flood dashboards bench format lint check messages documents
