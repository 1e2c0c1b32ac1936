# Everything a fresh machine needs. It takes Python 3.11 or newer with venv, and the package index.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COQUI := $(VENV)/coqui
# PIP_USE_PEP517: build the two packages that have no wheel the new way; the old one warns at length.
PIP := PIP_USE_PEP517=1 $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help run setup test test-system check pictures clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: setup ## Set everything up and serve on http://localhost:8000
	@$(BIN)/antiphon serve

setup: $(VENV)/.setup ## Make .venv, install the packages, fetch the weights
	@$(BIN)/antiphon models pull
	@$(BIN)/python -c "import ctypes.util, sys; sys.exit(not ctypes.util.find_library('portaudio'))" \
		|| echo "Hint: antiphon talk needs PortAudio (Debian: apt install libportaudio2). All else runs without."

test: test-system setup $(VENV)/.test $(COQUI)/.made check ## Set everything up, then run the checks and the tests
	@$(BIN)/pytest -n 2 --dist loadfile

test-system: ## Install the browser and the sound server that the tests drive (Debian, as root)
	@tests/setup.sh

check: $(VENV)/.test ## Run the linter, the formatter's check and the type checker
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

pictures: test-system setup $(VENV)/.test ## Take the documents' pictures of the page anew
	@$(BIN)/python -m tests.browser.pictures docs/pictures

clean: ## Remove .venv; the weights stay in the user's cache
	rm -rf $(VENV)

# The stamps make a second run quick: pip is asked again only when what it installs has changed.
$(VENV)/.setup: pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; v = sys.version_info; sys.exit(v < (3, 11) and 'Antiphon needs Python 3.11 or newer, \
	and $(PYTHON) is %d.%d: make PYTHON=python3.11' % v[:2])"
	@$(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	@touch $@

$(VENV)/.test: $(VENV)/.setup
	$(PIP) -e ".[test]"
	@touch $@

# coqui-tts in an environment of its own that sees the first one's packages. The package index has torchaudio for CUDA only,
# but it does without its compiled library where there is none, and what is left of it runs beside any torch.
$(COQUI)/.made: tests/tts/coqui.txt $(VENV)/.test
	@$(BIN)/python -m venv --clear $(COQUI)
	$(COQUI)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/tts/coqui.txt
	@rm -f $(COQUI)/lib/python*/site-packages/torchaudio/lib/*.so
	@$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
		> $$($(COQUI)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/antiphon.pth
	@touch $@
