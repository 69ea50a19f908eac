# `make` lists what there is to make.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# To be given on the command line.
SEEDS ?= 300
CYCLES ?= 20
DATA_DIR ?= steadfast-data
FILLED_DIR ?= target/budgets
WORKFLOWS ?= 1000000
EVENTS ?= 50000
ARGS ?=

STEP := python3 tests/house/step.py
TESTS := python3 tests/run.py
# Built beside the other tools of tests, not among the workspace's artifacts.
BROWSER := cargo run --quiet --locked --manifest-path tests/browser/Cargo.toml --target-dir target/test-env/browser --

export CARGO_TERM_COLOR ?= never

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- run ----

.PHONY: build
build: ## The one binary, target/release/steadfast
	cargo build --release --locked

.PHONY: run
run: build ## A durable server with its UI; DATA_DIR=dir, ARGS="more flags"
	target/release/steadfast server start --data-dir $(DATA_DIR) $(ARGS)

.PHONY: clean-state
clean-state: ## Deletes the state of the server that `make run` starts (DATA_DIR)
	@if [ -e "$(DATA_DIR)" ] && [ ! -f "$(DATA_DIR)/STEADFAST" ]; then \
		echo "$(DATA_DIR) is not a data directory of Steadfast"; exit 1; fi
	rm -rf -- "$(DATA_DIR)"

# ---- test ----
# Dependencies are built twice: once in the dev profile, for all that runs under cargo test, and once in the release
# profile, for the binary that the tests of a whole server start. clippy and rustdoc share a third, cheap one (checked,
# not compiled). The program of the Rust SDK brings dependencies of its own.

.PHONY: test
test: ## Everything below, on a new machine too; stops at the first failure
	$(MAKE) --no-print-directory tools
	$(MAKE) --no-print-directory fmt
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory unit
	$(MAKE) --no-print-directory doc
	$(STEP) build cargo build --release --locked
	$(MAKE) --no-print-directory golden-if-here
	$(MAKE) --no-print-directory sdk
	$(MAKE) --no-print-directory kill
	$(MAKE) --no-print-directory sim
	$(MAKE) --no-print-directory browser
	@echo "=== all steps passed"

.PHONY: tools
tools: ## Installs what the tests need and is missing: Debian packages, packages of each language
	$(STEP) tools tests/house/tools.sh
	$(TESTS) setup

.PHONY: fmt
fmt: ## The sources are formatted
	$(STEP) fmt cargo fmt --all --check
	$(STEP) fmt-browser cargo fmt --manifest-path tests/browser/Cargo.toml --check

.PHONY: lint
lint: ## clippy has nothing to say
	$(STEP) lint cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
	$(STEP) lint-browser cargo clippy --quiet --locked --manifest-path tests/browser/Cargo.toml \
		--target-dir target/test-env/browser --all-targets -- -D warnings

.PHONY: unit
unit: ## Tests of the crates, and the house rules
	$(STEP) unit cargo test --quiet --locked --workspace

.PHONY: house
house: ## The house rules alone: dependencies, absences, files
	$(STEP) house cargo test --quiet --locked -p steadfast-house

.PHONY: doc
doc: ## The documentation of the sources has no warnings
	RUSTDOCFLAGS="-D warnings" $(STEP) doc cargo doc --quiet --locked --no-deps --document-private-items --workspace

.PHONY: golden
golden: build ## The recorded scenarios of the reference server; the kit is expected in ../shared/golden
	$(TESTS) golden

# The kit is not part of this repository: a clone elsewhere says so and goes on.
.PHONY: golden-if-here
golden-if-here:
	@if [ -f ../shared/golden/golden.py ]; then $(MAKE) --no-print-directory golden; \
	else echo "=== golden: left out, there is no ../shared/golden"; fi

.PHONY: sdk
sdk: build ## The official SDKs: Python, Go, TypeScript, Java, Rust
	$(TESTS) sdk

.PHONY: kill
kill: build ## SIGKILL of the server under load, CYCLES times
	$(TESTS) kill --cycles $(CYCLES)

.PHONY: sim
sim: ## Simulations with faults, from SEEDS seeds
	cargo build --quiet --release --locked -p steadfast-sim
	target/release/steadfast-sim --seeds $(SEEDS)

.PHONY: browser
browser: build ## The UI in a real browser
	$(TESTS) setup --only browser
	$(BROWSER) test

# ---- measure, compare, show ----

.PHONY: bench
bench: build ## Speed and size, as a table; ARGS="--address HOST:PORT" measures another server
	cargo build --quiet --release --locked -p steadfast-bench
	target/release/steadfast-bench all $(ARGS)

# Fills FILLED_DIR once, in some ten minutes; it stays for the next time. Machines are noisy: no part of `make test`.
.PHONY: budgets
budgets: build ## The UI over WORKFLOWS and EVENTS of a run, in a browser, against its budgets; ARGS="--official URL"
	$(TESTS) setup --only browser
	cargo build --quiet --release --locked -p steadfast-bench
	$(BROWSER) budgets --data-dir $(FILLED_DIR) --workflows $(WORKFLOWS) --events $(EVENTS) $(ARGS)

.PHONY: pgo
pgo: ## The binary for packages: built with a profile of itself, for a seventh less CPU; half an hour
	bench/pgo.sh

.PHONY: ui-compat
ui-compat: ## Crawls a running official UI at ADDRESS=http://host:port; ARGS="--out FILE"
	@[ -n "$(ADDRESS)" ] || { echo "say where: make ui-compat ADDRESS=http://host:port"; exit 2; }
	$(BROWSER) compat $(ADDRESS) $(ARGS)

.PHONY: screenshots
screenshots: build ## The pictures in docs/screenshots
	$(TESTS) setup --only browser
	$(BROWSER) screenshots

.PHONY: deny
deny: ## Licences, sources and duplicates of all dependencies; needs cargo-deny
	cargo deny --locked check bans licenses sources
