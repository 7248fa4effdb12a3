# Two commands matter to a newcomer: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SUDO   := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
APT    := $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends
BENCH  ?=
# Tests wait for processes more than they compute: two for each of two cores; who has none left takes over from others.
JOBS   ?= 4

SEED   ?= 1
FRAMES ?= 10000000
FILES  ?= 100000
KILLS  ?= 300
TALKS  ?= 1000000

.PHONY: help demo test check format lint types bench clean fidelity fuzz hostile crash faults

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null || { \
	  echo "Remora needs Python 3.11 to 3.14 with the venv module. On Debian or Ubuntu:"; \
	  echo "  sudo apt-get install -y python3 python3-venv make"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP) ## replay real traffic through the gcs-recorder example into a local recording
	$(BIN)/remora run examples/gcs-recorder/captures --config examples/gcs-recorder/remora.yaml --data demo-data

test: $(STAMP) ## the tests
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal

check: format-check lint types test ## format, lint, types and tests, as CI runs them

format: $(STAMP) ## rewrite the code in the project's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: format-check
format-check: $(STAMP)
	@$(BIN)/ruff format --check .

lint: $(STAMP) ## ruff's checks
	@$(BIN)/ruff check .

types: $(STAMP) ## mypy --strict
	@$(BIN)/mypy

bench: $(STAMP) ## what it costs, beside suricata, tshark and tcpflow on the same captures
	@$(BIN)/python -m benchmarks.against_tshark
	@$(BIN)/python -m benchmarks.peers $(BENCH)

fuzz: $(STAMP) ## mutated frames, capture files, filters and streams, SEED=1 FRAMES=10000000 FILES=100000 TALKS=1000000: hours; CI runs a slice
	@$(BIN)/python -m tests.fuzz.decode --seed $(SEED) --count $(FRAMES)
	@$(BIN)/python -m tests.fuzz.line --seed $(SEED) --count $(FRAMES)
	@$(BIN)/python -m tests.fuzz.files --seed $(SEED) --count $(FILES)
	@$(BIN)/python -m tests.fuzz.filters --seed $(SEED) --count $(FILES)
	@$(BIN)/python -m tests.fuzz.protocols --seed $(SEED) --count $(TALKS)

fidelity: $(STAMP) ## the captures of REMORA_CORPUS beside tshark, Zeek and Arkime; writes docs/fidelity.md
	@$(BIN)/python -m tests.fidelity

crash: $(STAMP) ## SIGKILL for every process of running instances, KILLS=300 SEED=1: about an hour; CI runs a slice
	@$(BIN)/python -m tests.crash --kills $(KILLS) --seed $(SEED)

faults: $(STAMP) ## every fault between shipper and bucket; the table of docs/reliability.md
	@$(BIN)/python -m tests.faults

.PHONY: peers-gsutil
peers-gsutil: ## gsutil in an environment of its own, for the tests that hold the storage server honest
	@[ -x build/peers/gsutil/bin/gsutil ] || { $(PYTHON) -m venv build/peers/gsutil && \
	  build/peers/gsutil/bin/pip install -qq --disable-pip-version-check gsutil==5.35; }

hostile: $(STAMP) ## every attempt to get out of a script; the tables of docs/security.md (as root)
	@$(BIN)/python -m tests.hostile.page
	@$(BIN)/python -m pytest -q -n 2 tests/hostile

.PHONY: bench-policy
bench-policy: $(STAMP) ## what the language of scripts costs beside plain Python
	@$(BIN)/python -m benchmarks.policy

.PHONY: bench-scripts
bench-scripts: $(STAMP) ## items a second to one and to three jailed scripts, and the time from an item to its hook
	@$(BIN)/python -m benchmarks.scripts

.PHONY: bench-table
bench-table: $(STAMP) ## the same, written to docs/performance.md
	@$(BIN)/python -m benchmarks.peers $(BENCH) --write
	@$(BIN)/python -m benchmarks.growth --write
	@$(BIN)/python -m benchmarks.rss --write

.PHONY: bench-ship
bench-ship: $(STAMP) ## what shipping and sealing cost: requests, one object per stream, the bare client, memory
	@$(BIN)/python -m benchmarks.shipping
	@$(BIN)/python -m benchmarks.sealing

.PHONY: bench-kfl
bench-kfl: $(STAMP) ## what a filter costs, beside cel-python and jmespath, which are put into build/peers
	@[ -d build/peers ] || $(BIN)/python -m pip install -qq --disable-pip-version-check --target build/peers cel-python==0.5.0 jmespath==1.1.0
	@PYTHONPATH=.:build/peers $(BIN)/python -m benchmarks.kfl $(BENCH)

.PHONY: bench-items
bench-items: $(STAMP) ## what an exchange costs from reassembled bytes to the stored item, by stage
	@$(BIN)/python -m benchmarks.items $(BENCH)

.PHONY: bench-protocols
bench-protocols: $(STAMP) ## each protocol beside tshark on the same capture, whole processes
	@$(BIN)/python -m benchmarks.protocols $(BENCH)

.PHONY: bench-live
bench-live: $(STAMP) ## live capture on a veth pair, rate by rate; as root, with tcpreplay
	@$(BIN)/python -m benchmarks.live
	@$(BIN)/python -m benchmarks.live_script

.PHONY: bench-rpc
bench-rpc: $(STAMP) ## helper calls of scripts, alone and beside a capture; the latter as root, with tcpreplay
	@$(BIN)/python -m benchmarks.rpc
	@$(BIN)/python -m benchmarks.rpc_live

.PHONY: bench-peers
bench-peers: ## install the peers (Debian; suricata may come from the backports suite of the machine's own mirror)
	@entry=$$($(PYTHON) -m benchmarks.backports) && if [ -n "$$entry" ]; then \
	  printf '%s\n' "$$entry" | $(SUDO) tee /etc/apt/sources.list.d/backports.sources >/dev/null; fi
	@$(SUDO) apt-get update -qq
	@$(APT) tshark tcpflow
	@. /etc/os-release; $(APT) -t "$$VERSION_CODENAME-backports" suricata 2>/dev/null || $(APT) suricata
	@if [ -d /run/systemd/system ]; then $(SUDO) systemctl disable --now suricata; fi # it is run when it is measured

.PHONY: traces
traces: $(STAMP) ## record traces from real servers again: NAMES='http redis' (as root; needs tcpdump and the servers)
	@$(BIN)/python -m tests.recorded $(NAMES)

.PHONY: lock
lock: ## resolve the dependencies again, for Python 3.11 to 3.14
	@uv pip compile --universal --python-version 3.11 --extra dev --generate-hashes --no-header --no-emit-index-url -q pyproject.toml -o requirements.lock

clean: ## remove what the commands above made
	@rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache demo-data remora-data
