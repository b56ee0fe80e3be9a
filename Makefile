# Python >= 3.11 and make are all that is needed. `make` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check install --quiet
# What the lock files name, with its SHA-256, and nothing that would be built here from sources.
LOCKED := $(PIP) --require-hashes --only-binary :all:
# The project itself, by the build tool of requirements/build.txt.
PROJECT := $(PIP) --no-deps --no-build-isolation --editable .
AUDIT := $(VENV)/audit
PROTOS := protos/eventindex/v1/*.proto
# protoc looks for its plugins on the PATH.
PROTOC = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I protos --python_out=$(1) --pyi_out=$(1) \
	--grpc_python_out=$(1) --mypy_grpc_out=quiet:$(1) $(PROTOS)

.DEFAULT_GOAL := help
.PHONY: help run test test-slow test-faults test-model test-citus test-containers fuzz soak lint format docs protos protos-check contract contract-image lock audit sbom pin-images bench bench-small bench-billion up down clean
.DELETE_ON_ERROR:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

run: $(VENV)/.server ## start everything here, send sample events, look them up, serve until Ctrl-C
	@exec $(BIN)/python -m local_stack.demo

# Each worker has a quarter of the tests, file after file; who is done takes half of what another has left.
# Four on two cores: many tests wait for a server, a signal or a limit.
PYTEST := $(BIN)/python -m pytest -n 4 --dist worksteal

test: $(VENV)/.dev ## run the tests (PYTEST_ARGS="-k lookup" to choose)
	@$(PYTEST) -m "not slow" $(PYTEST_ARGS)

test-slow: $(VENV)/.dev ## run the tests that take long: large files, Prometheus, a list of faults
	@$(PYTEST) -m slow $(PYTEST_ARGS)

test-faults: $(VENV)/.dev ## harm everything around the services, prove that nothing is lost (FAULTS_ARGS="--list")
	@$(BIN)/python -m tests.faults --write $(FAULTS_ARGS)

test-model: $(VENV)/.dev ## any mix of calls and crashes against a dictionary, for about two hours
	@$(BIN)/python -m pytest tests/model/test_model.py --hypothesis-profile=model $(PYTEST_ARGS)

fuzz: $(VENV)/.dev ## bytes that nobody meant for everything that reads some, ten minutes (FUZZ_SECONDS=600)
	@EVENTINDEX_FUZZ_SECONDS=$(or $(FUZZ_SECONDS),600) $(BIN)/python -m pytest -n 0 --log-cli-level=WARNING \
	  tests/fuzz/test_readers.py $(PYTEST_ARGS)

# The role of the URL makes databases and roles. With an embedded server of ours beside it: tests
# that stop a server, or read its log, are not about this one.
test-citus: $(VENV)/.dev ## tests of store, index, ingest and model on a server or Citus cluster of yours (CITUS_URL=…)
	@test -n "$(CITUS_URL)" || { echo "CITUS_URL=postgresql://owner@coordinator/database" >&2; exit 2; }
	@EVENTINDEX_TEST_DATABASE_URL="$(CITUS_URL)" $(BIN)/python -m pytest -n 0 \
	  tests/store tests/index tests/ingest tests/model $(PYTEST_ARGS)

test-containers: $(VENV)/.dev ## docker-compose.yml as it is, harmed, on a Docker of its own (as root on Debian)
	@$(BIN)/python -m tests.containers $(CONTAINERS_ARGS)

soak: $(VENV)/.dev ## everything at work for an hour with faults; figures in soak.csv (SOAK_MINUTES=60)
	@$(BIN)/python -m tests.faults.soak --minutes $(or $(SOAK_MINUTES),60)

lint: $(VENV)/.dev ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint deploy/Dockerfile

format: $(VENV)/.dev ## format the code and repair what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.dev ## build the documentation into site/, fail on a dead link (then open site/index.html)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict && echo "site/index.html"

protos: $(VENV)/.dev ## generate the Python code of protos/ into clients/eventindex/v1/
	$(call PROTOC,clients)

protos-check: $(VENV)/.dev ## fail when clients/eventindex/v1/ is not what protos/ gives
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && $(call PROTOC,"$$scratch") \
	  && if diff -r -q -x __init__.py -x __pycache__ clients/eventindex/v1 "$$scratch/eventindex/v1"; \
	  then echo "clients/eventindex/v1 agrees with protos/"; \
	  else echo "run make protos and commit the result" >&2; exit 1; fi

# The contract of the last release; a release commits its own (`make contract-image`).
CONTRACT := .ci/contract-0.1.0.binpb
BUF := npm exec --yes --package=@bufbuild/buf@1.75.0 -- buf

contract: ## check protos/ by buf: its style, and that clients of the last release go on (needs npm)
	$(BUF) lint
	$(BUF) breaking --against $(CONTRACT)

contract-image: ## write the contract of this release, which later ones are held against
	$(BUF) build --exclude-source-info --output $(CONTRACT)

bench: $(VENV)/.bench ## measure the project beside its peers, five minutes (BENCH_ARGS="--only lookups" to choose)
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

bench-small: $(VENV)/.bench ## the same with little data, a minute: fails on a wrong answer, never on a time
	@$(BIN)/python -m benchmarks --small $(BENCH_ARGS)

bench-billion: $(VENV)/.bench ## load a billion events, measure there (BENCH_ARGS="--runs 22": ten million)
	@$(BIN)/python -m benchmarks.billion $(BENCH_ARGS)

lock: $(AUDIT)/.installed ## write requirements/*.txt anew: versions of constraints.txt, hashes of PyPI
	@requirements/lock

audit: $(AUDIT)/.installed ## ask PyPI's advisories for known weaknesses of what is installed
	@$(AUDIT)/bin/python requirements/audit.py

# In an environment of its own, so that it names what is installed and no more.
sbom: $(AUDIT)/.installed ## write dist/sbom-server.cdx.json, a CycloneDX bill of materials (SBOM_OF=gateway)
	@mkdir -p dist && scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && $(PYTHON) -m venv "$$scratch" \
	  && "$$scratch/bin/python" $(LOCKED) -r requirements/$(or $(SBOM_OF),server).txt \
	  && "$$scratch/bin/python" -m pip uninstall --quiet --yes pip setuptools \
	  && $(AUDIT)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
	    --output-file dist/sbom-$(or $(SBOM_OF),server).cdx.json "$$scratch" \
	  && echo dist/sbom-$(or $(SBOM_OF),server).cdx.json

pin-images: ## write the digests of other projects' images anew (needs Docker and the registries)
	@deploy/pin-images

COMPOSE = docker compose --env-file deploy/.env

# The tables are migrated while the services of before still run: if that fails, they go on.
up: ## start the containers, or update them (needs Docker, Compose 2.24)
	@deploy/make-env
	$(COMPOSE) build
	$(COMPOSE) run --rm migrate
	$(COMPOSE) up --detach --wait

down: ## stop the containers; the data stays
	$(COMPOSE) down

clean: ## remove the environment and caches; the data in .eventindex stays
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and \
	  f"Python 3.11 or newer is needed, {sys.executable} is {v[0]}.{v[1]}: make PYTHON=python3.12")'
	@echo "making the Python environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# Stamps: installed again when the lock changes. `dev` contains `server`.
$(VENV)/.server: pyproject.toml requirements/build.txt requirements/server.txt | $(VENV)/bin/python
	@echo "installing what the services need (about a minute, once)"
	@$(BIN)/python $(LOCKED) -r requirements/build.txt -r requirements/server.txt
	@$(BIN)/python $(PROJECT)
	@touch $@

$(VENV)/.dev: pyproject.toml requirements/build.txt requirements/dev.txt | $(VENV)/bin/python
	@echo "installing what the services and the tests need"
	@$(BIN)/python $(LOCKED) -r requirements/build.txt -r requirements/dev.txt
	@$(BIN)/python $(PROJECT)
	@touch $(VENV)/.server $@

$(VENV)/.bench: $(VENV)/.dev requirements/bench.txt
	@echo "installing what the benchmarks measure beside the project"
	@$(BIN)/python $(LOCKED) -r requirements/bench.txt
	@touch $@

$(AUDIT)/.installed: requirements/audit.txt | $(VENV)/bin/python
	@$(PYTHON) -m venv $(AUDIT)
	@$(AUDIT)/bin/python $(LOCKED) -r requirements/audit.txt
	@touch $@
