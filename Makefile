# Everything a fresh machine needs. It takes Python 3.11 or newer with venv, and the package index.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COQUI := $(VENV)/coqui
# In Ray's environment, with a memory of their own of what failed: the other tests run in another one.
CLUSTER_TESTS := $(VENV)/cluster/ray/bin/python -m pytest -o cache_dir=$(VENV)/cluster/pytest tests/cluster
# A file's tests stay in one process: they share a server, a browser or a model.
TESTS := $(BIN)/pytest -n 2 --dist loadfile
# Tests that last as long as the conversations in them.
LIVE := tests/sound tests/browser
# What other programs may import. The rest of realtime is a server and a command line.
PUBLIC := audio tts pipeline realtime.protocol
# PIP_USE_PEP517: build the two packages that have no wheel the new way; the old one warns at length.
PIP := PIP_USE_PEP517=1 $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt

.PHONY: help run setup quick test test-live again again-cluster test-clients test-cluster test-training test-container \
	test-system \
	check docs pictures dashboard sounds lock clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: setup ## Set everything up and serve on http://localhost:8000 (ANTIPHON_PROFILE=tiny: with the small model)
	@echo "Running $(abspath $(BIN))/antiphon serve"
	@$(BIN)/antiphon serve

setup: $(VENV)/.setup ## Make .venv, install the packages, fetch the weights
	@$(BIN)/antiphon models pull
	@$(BIN)/python -c "import ctypes.util, sys; sys.exit(not ctypes.util.find_library('portaudio'))" \
		|| echo "Hint: antiphon talk needs PortAudio (Debian: apt install libportaudio2). All else runs without."

quick: $(VENV)/.test ## Run, in under a minute, the tests that need no root, browser, sound server or weights
	@$(TESTS) -m "not heavy" --ignore tests/cluster --ignore tests/training/stages

test: test-system setup $(VENV)/.test $(COQUI)/.made check ## Set everything up, then run the checks and most tests
	@$(BIN)/antiphon models --profile tiny pull
	@$(TESTS) --ignore tests/clients --ignore tests/cluster --ignore tests/container --ignore tests/training/stages $(LIVE:%=--ignore %)

test-live: test-system setup $(VENV)/.test $(COQUI)/.made ## Talk to the agent in real time, at sound devices and in the browser
	@$(BIN)/antiphon models --profile tiny pull
	@$(TESTS) $(LIVE)

again: ## Run once more, one by one, the tests that failed last
	@$(BIN)/pytest --last-failed --last-failed-no-failures none

again-cluster: ## The same, of the tests that need a cluster
	@$(CLUSTER_TESTS) --last-failed --last-failed-no-failures none

test-clients: test-system setup $(VENV)/.test ## Set up the stock clients of the protocol, and run their own code against the server
	@PYTHON=$(PYTHON) tests/clients/setup.sh $(VENV)/clients
	@$(BIN)/pytest tests/clients

test-cluster: setup $(VENV)/.training ## Set up Ray, vLLM, Redis (4 GB) and what trains models, and run the tests that need a cluster
	@$(BIN)/antiphon models --profile tiny pull
	@PYTHON=$(PYTHON) tests/cluster/setup.sh $(VENV)/cluster
	@$(CLUSTER_TESTS)

test-training: setup $(VENV)/.training ## Install what trains models (300 MB), and run every stage of the recipe in miniature
	@$(BIN)/pytest tests/training

test-container: setup $(VENV)/.test ## Build the image and run it, with buildah and podman (Debian, as root; 10 minutes)
	@$(BIN)/antiphon models --profile tiny pull
	@tests/container/setup.sh build/container
	@$(BIN)/pytest tests/container

test-system: ## Install the browser and the sound server that the tests drive (Debian, as root)
	@tests/setup.sh

check: $(VENV)/.test node_modules/.installed ## Run the linters, the formatters' checks, the type checkers and the check of commit subjects
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@npm run --silent check
	@$(BIN)/python tests/commits.py

docs: $(VENV)/.docs ## Build the API documentation from docstrings into build/docs; a warning fails
	@$(BIN)/python -W error -m pdoc --docformat markdown --output-directory build/docs $(PUBLIC)

pictures: test-system setup $(VENV)/.test ## Take the documents' pictures of the page anew
	@$(BIN)/python -m tests.browser.pictures docs/pictures

dashboard: test-system setup $(VENV)/.test ## Draw the documents' picture of the Grafana dashboard anew, from a real run
	@$(BIN)/antiphon models --profile tiny pull
	@$(BIN)/python -m tests.deploy.dashboard_picture docs/pictures/dashboard.png

sounds: test-system setup $(VENV)/.test ## Record the sound files of the documents
	@mkdir -p docs/sounds
	@$(BIN)/python -m tests.browser.sounds docs/sounds

lock: $(VENV)/.setup ## Write requirements.lock anew: the packages of a server with the sums of their files
	@$(PIP) --quiet uv
	@{ sed -n '/^#/p' requirements.lock; $(BIN)/uv pip compile --quiet pyproject.toml -c constraints.txt --universal \
		--python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate; } > requirements.new
	@mv requirements.new requirements.lock

clean: ## Remove .venv and node_modules; the weights stay in the user's cache
	rm -rf $(VENV) node_modules

# The stamps make a second run quick: pip is asked again only when what it installs has changed.
$(VENV)/.setup: pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; v = sys.version_info; sys.exit(v < (3, 11) and 'Antiphon needs Python 3.11 or newer, \
	and $(PYTHON) is %d.%d: make PYTHON=python3.11' % v[:2])"
	@$(PYTHON) -m venv $(VENV)
	@echo "Installing the packages into $(VENV) (1.8 GB, once) ..."
	$(PIP) -e .
	@touch $@

$(VENV)/.test: $(VENV)/.setup
	$(PIP) -e ".[test]"
	@touch $@

# DeepSpeed has no wheel, and is built without its CUDA operations.
$(VENV)/.training: $(VENV)/.test
	$(PIP) -e ".[test,training]" setuptools wheel
	DS_BUILD_OPS=0 DS_ACCELERATOR=cpu $(PIP) --no-build-isolation "deepspeed>=0.19,<0.20"
	@touch $@

$(VENV)/.docs: $(VENV)/.setup
	$(PIP) -e ".[docs]"
	@touch $@

# What checks the JavaScript. The page itself needs no packages.
node_modules/.installed: package.json package-lock.json
	@command -v npm >/dev/null || { echo "The checks of the JavaScript need Node.js 20 or newer and npm \
	(Debian: apt install nodejs npm)" >&2; exit 1; }
	npm ci --silent
	@touch $@

# coqui-tts in an environment of its own that sees the first one's packages. The package index has torchaudio for CUDA only,
# but it does without its compiled library where there is none, and what is left of it runs beside any torch.
$(COQUI)/.made: tests/tts/engines/coqui.txt $(VENV)/.test
	@$(BIN)/python -m venv --clear $(COQUI)
	$(COQUI)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/tts/engines/coqui.txt
	@rm -f $(COQUI)/lib/python*/site-packages/torchaudio/lib/*.so
	@$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
		> $$($(COQUI)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/antiphon.pth
	@touch $@
