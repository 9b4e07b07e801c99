# Two commands: `make serve` opens the page, `make test` checks everything. `make help` lists the rest.
# Both need Python 3.11 or newer and set up all the rest themselves, with the versions in constraints.txt.

PORT ?= 8400
PYTHON ?= python3
MODEL ?= storybook
# Half as many workers again as processors: a quarter of what the tests do is waiting for what they started.
JOBS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) * 3 / 2)))

# What is compiled once need not be compiled again by every process that is started.
unexport PYTHONDONTWRITEBYTECODE

BASE := .venv
FULL := .venv-test
NODE := tests/service/pages tests/service/openai/js
# What the tests start, and the Debian package that has it.
PROGRAMS := chromium-headless-shell:chromium-headless-shell npm:npm prometheus:prometheus \
	promtool:prometheus initdb:postgresql mosquitto:mosquitto mosquitto_pub:mosquitto-clients openssl:openssl \
	nginx:nginx-light

# The first name is for pip before 25.3; the second keeps the build's own packages to the same versions.
PIP := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
	PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

.DEFAULT_GOAL := help
.PHONY: help serve test bench bench-sd bench-tuning bench-load bench-chaos bench-gpu format lint types unit programs npm clean

help: ## List the commands.
	@sed -n 's/^\([a-z-]*\):.*## /  make \1@/p' $(MAKEFILE_LIST) | column -t -s @ 2>/dev/null || true

serve: $(BASE)/installed ## Start Limner with its page, on this machine alone (PORT=8400, MODEL=storybook).
	@echo "Starting Limner on port $(PORT)"
	@exec $(BASE)/bin/limner serve --port $(PORT) --model $(MODEL)

test: ## Format, lint, types and tests; sets up all that they need.
	@$(MAKE) -s --no-print-directory -j 2 $(FULL)/installed npm
	@$(MAKE) -s --no-print-directory lint
	@$(MAKE) -s --no-print-directory -j 2 types unit
	@echo "All checks passed"

bench: $(FULL)/installed ## Measure speed and memory against diffusers on the same weights (BENCH=options).
	@$(FULL)/bin/python -m benchmarks.run $(BENCH)

bench-sd: $(FULL)/installed ## Measure Stable Diffusion at full size, with random weights (BENCH=options; a quarter of an hour, 9 GB; with peers twice that).
	@$(FULL)/bin/python -m benchmarks.full_size $(BENCH)

bench-tuning: $(FULL)/installed ## Measure tuning of Stable Diffusion at full size against the usual way (BENCH=options).
	@$(FULL)/bin/python -m benchmarks.tuning $(BENCH)

bench-load: $(FULL)/installed ## Measure many users on one service: errors, memory, waiting (BENCH=options; 22 minutes).
	@$(FULL)/bin/python -m benchmarks.load $(BENCH)

bench-chaos: $(FULL)/installed ## Kill service and engine at random moments under load; nothing may be lost (BENCH=options).
	@$(FULL)/bin/python -m benchmarks.chaos $(BENCH)

bench-gpu: $(FULL)/installed ## Measure a GPU: drawing, users at once, training, against diffusers (BENCH=options; --rehearse without one).
	@$(FULL)/bin/python -m benchmarks.gpu $(BENCH)

format: $(FULL)/installed ## Put the code into its format and mend what the linter can.
	@$(FULL)/bin/ruff check --quiet --fix-only .
	@$(FULL)/bin/ruff format .

lint: $(FULL)/installed ## Check format and lint.
	@echo "Checking format and lint"
	@$(FULL)/bin/ruff format --check --quiet . || { echo "Not in format: run 'make format'" >&2; exit 1; }
	@$(FULL)/bin/ruff check --quiet .

types: $(FULL)/installed ## Check the types of the Python code.
	@echo "Checking types"
	@$(FULL)/bin/mypy

programs: # One call of apt-get for all that is missing.
	@PATH="$$PATH:/usr/sbin:$$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)"; missing=; \
	for each in $(PROGRAMS); do command -v $${each%%:*} >/dev/null || missing="$$missing $${each##*:}"; done; \
	if [ -z "$$missing" ]; then :; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		echo "Installing Debian's$$missing, for the tests"; \
		{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $$missing; } \
			>/dev/null || { echo "Could not install$$missing: see apt-get's message above" >&2; exit 1; }; \
	else \
		echo "Not here:$$missing. Get them with: sudo apt-get install$$missing, or its like." >&2; \
		if command -v npm >/dev/null && { command -v chromium-headless-shell || command -v chromium; } >/dev/null; then \
			echo "The tests that start them are left out." >&2; \
		else \
			echo "The page cannot be tested without chromium and npm." >&2; exit 1; \
		fi; \
	fi

npm: programs
	@for folder in $(NODE); do \
		cmp -s $$folder/package-lock.json $$folder/node_modules/.installed || { \
			echo "Installing what $$folder needs of npm"; \
			(cd $$folder && npm ci --loglevel error --no-audit --no-fund >/dev/null && \
				cp package-lock.json node_modules/.installed) || exit 1; }; \
	done

unit: $(FULL)/installed npm ## Run the tests (JOBS=processes, ARGS=options of pytest).
	@echo "Running the tests"
	@OMP_NUM_THREADS=1 $(FULL)/bin/python -m pytest -n $(JOBS) --dist worksteal -q $(ARGS)

clean: ## Remove what these commands made, but no models, jobs or pictures.
	rm -rf $(BASE) $(FULL) $(addsuffix /node_modules,$(NODE)) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
	find limner tests benchmarks deploy -name __pycache__ -prune -exec rm -rf {} +

define make-venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo \
		"Limner needs Python 3.11 or newer as '$(PYTHON)'; install it, or name it: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo \
		"'$(PYTHON)' cannot make virtual environments; install its venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@echo "Making $(@D)"
	@$(PYTHON) -m venv $(@D)
endef

$(BASE)/installed: pyproject.toml constraints.txt
	$(make-venv)
	@echo "Installing Limner and what it needs into $(@D) (about 400 MB, once)"
	@$(PIP) $(@D)/bin/python -m pip install -qq --editable .
	@touch $@

$(FULL)/installed: pyproject.toml constraints.txt
	$(make-venv)
	@echo "Installing Limner with all that training and tests need into $(@D) (some minutes, once)"
	@$(PIP) $(@D)/bin/python -m pip install -qq --no-compile --editable '.[train,onnx,optimize,scale,dev]'
	@touch $@
