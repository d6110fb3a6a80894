# Everything a newcomer needs: each target sets up what it stands on.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --require-hashes

# GitHub's examples of deliveries, which a test sends: npm's packages, in an ignored folder.
EXAMPLES := @octokit/webhooks-examples@7.6.1 @octokit/openapi-webhooks@12.1.0

# A GitHub that nobody here wrote, which a test talks to (the tag `latest` is another project), and the
# Node that it takes, which a script of npm's package fetches.
EMULATE := emulate@0.12.2 node@22.22.0

.PHONY: run demo test quick check golden lint format screenshots examples emulate bench soak lock clean help

run: $(VENV)/.run-installed  ## serves the bot
	@exec $(BIN)/python app.py serve

demo: $(VENV)/.run-installed  ## plays a week of deliveries on a throw-away database
	@exec $(BIN)/python app.py demo

# Hundreds of processes are started: each compiles everything where nothing compiled may be kept.
test quick: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/.test-installed  ## runs every test; PYTEST_ARGS="tests/server/test_demo.py" some of them
	@$(BIN)/python -m pytest --numprocesses 6 --dist worksteal $(PYTEST_ARGS)

# What answers within a minute: SQLite alone, without browsers, killed processes and long stories.
quick: $(VENV)/.test-installed  ## runs, in a minute, the tests that need no PostgreSQL, browser or patience
	@$(BIN)/python -m pytest -m quick --numprocesses 2 --dist worksteal $(PYTEST_ARGS)

check: format lint quick  ## brings the style about, then checks style, types and the quick tests

# What GitHub shows of the bot, written anew: look at what has changed before it is committed.
golden: $(VENV)/.test-installed  ## writes anew what tests expect GitHub to show, for review
	@test -n "$(PYTEST_ARGS)" || rm -rf tests/golden
	@$(BIN)/python -m pytest -m "golden and not postgresql" --renew-golden $(PYTEST_ARGS)

lint: $(VENV)/.test-installed  ## checks the style and the types
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

format: $(VENV)/.test-installed  ## brings the style about
	$(BIN)/python -m ruff format .
	$(BIN)/python -m ruff check --fix .

screenshots: $(VENV)/.test-installed  ## renews the pictures in docs/screenshots
	@SCREENSHOTS=1 $(BIN)/python -m pytest tests/dashboard/test_browser.py -k is_shown

examples: .examples/.fetched  ## fetches the deliveries that GitHub publishes, which a test sends

.examples/.fetched: Makefile
	@npm install --prefix .examples --no-save --no-package-lock --ignore-scripts --no-audit \
		--no-fund --loglevel error $(EXAMPLES)
	@touch $@

emulate: .emulate/.fetched  ## fetches the second GitHub that a test talks to

.emulate/.fetched: Makefile
	@npm install --prefix .emulate --no-save --no-package-lock --no-audit --no-fund \
		--loglevel error $(EMULATE)
	@touch $@

bench: $(VENV)/.test-installed  ## measures what a delivery costs, beside other bots; BENCH_ARGS="--runs 3"
	@$(BIN)/python bench/compare.py $(BENCH_ARGS)

# What the suite does a few times, often.
soak: $(VENV)/.test-installed  ## kills the service fifty times a test; runs failovers of PostgreSQL under load
	KILLS=50 $(BIN)/python -m pytest -m kills --durations=0
	$(BIN)/python -m bench.soak

# Renews the locks from pyproject.toml: one resolution for every Python and platform.
LOCK := $(BIN)/python -m uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --quiet --upgrade pyproject.toml
lock: $(VENV)/.test-installed  ## renews requirements/ from pyproject.toml
	$(LOCK) -o requirements/run.txt
	$(LOCK) --group dev -o requirements/test.txt

clean:  ## removes .venv
	rm -rf $(VENV)

help:  ## lists these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

# Half made, without its Python any more, or made by something that leaves pip out: made anew.
ifneq ($(shell $(BIN)/python -m pip --version >/dev/null 2>&1 && echo whole),whole)
.PHONY: $(BIN)/python $(VENV)/.run-installed $(VENV)/.test-installed
endif

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name it with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Setting up $(VENV) (the first time only) ..."
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip --version >/dev/null || { rm -rf $(VENV); \
		$(PYTHON) -c 'import sys; print("Python cannot make $(VENV). On Debian and Ubuntu its venv is a package of", \
		"its own: apt install python3-venv (or python%d.%d-venv)" % sys.version_info[:2])' >&2; exit 1; }

$(VENV)/.run-installed: requirements/run.txt | $(BIN)/python
	@$(PIP) -r requirements/run.txt
	@touch $@

$(VENV)/.test-installed: requirements/test.txt | $(BIN)/python
	@$(PIP) -r requirements/test.txt
	@touch $@ $(VENV)/.run-installed
