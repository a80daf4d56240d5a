# Everything a person or a machine does with this repository. `make demo` and `make test` install what they need and
# say so (deploy/setup); they work from a fresh clone on Debian 12 with Rust, Node and make.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
# The suites mostly wait for the programs they start, so more of them than cores run at once.
export RUST_TEST_THREADS ?= 4
# What `make soak` adds up to.
SOAK_KILLS ?= 1000
BENCH_ROUNDS ?= 5
SOAK_SEED ?= $(shell date +%s)

.PHONY: help setup setup-build build demo test determinism soak bench bench-sync fmt lint generated

help:
	@echo "make demo    build, start a server, stitch a simulated mirror over WebDAV, stay until Ctrl-C (ONCE=1: end)"
	@echo "make test    the whole test suite"
	@echo "make determinism   one digest for every number of threads, build and processor"
	@echo "make soak    the kill test with $(SOAK_KILLS) kills, and the long tests of the analysis"
	@echo "make bench   memory of a 2 GiB upload and download; time from the last PUT to the result"
	@echo "make bench-sync   speed of WebDAV and of large folders beside Apache, nginx and dav-server"
	@echo "make fmt     format the code        make lint   what CI checks before the tests"
	@echo "make setup   install the Debian packages that are missing"

setup:
	@deploy/setup build test

setup-build:
	@deploy/setup build

# The same selection of targets as the tests, so that nothing is compiled twice with other features.
build: setup-build
	$(CARGO) build --workspace --all-targets

demo: setup-build
	$(CARGO) build --release --workspace --bins
	@ONCE="$(ONCE)" $(TARGET)/release/demo

test: setup
	$(CARGO) build --workspace --all-targets
	@mkdir -p $(TARGET)
	$(CARGO) test --workspace --no-fail-fast 2>&1 | tee $(TARGET)/test.log
	@skipped=$$(grep -ac 'SKIPPED ' $(TARGET)/test.log || true); \
	if [ "$$skipped" != 0 ]; then \
	    echo "make test: passed, except for $$skipped skipped:"; grep -a 'SKIPPED ' $(TARGET)/test.log; \
	else \
	    echo "make test: all suites passed, nothing skipped"; \
	fi

determinism: setup
	tests/determinism

soak: setup-build
	$(CARGO) build --workspace --all-targets
	STITCHBOX_KILLS=$(SOAK_KILLS) STITCHBOX_KILL_SEED=$(SOAK_SEED) $(CARGO) test --workspace --test durability -- --nocapture
	$(CARGO) test -p stitchbox-registration -p stitchbox-steps -p stitchbox-stitch -- --ignored --nocapture

bench: setup-build
	$(CARGO) build --release --workspace --bins
	$(TARGET)/release/bench_result_latency
	$(TARGET)/release/bench_memory

# Beside Apache, nginx and dav-server, some of them made durable; needs the lab of ../shared/bench/README.md at BENCH_LAB.
bench-sync: setup-build
	$(CARGO) build --release -p stitchbox-daemon
	tests/bench/sync_table.py --program $(TARGET)/release/stitchboxd --rounds $(BENCH_ROUNDS)

# Documents that are written by the program and committed; `make test` says when they are out of date.
generated:
	STITCHBOX_WRITE_GENERATED=1 $(CARGO) test -p stitchbox-recipe --test generated

fmt:
	$(CARGO) fmt --all

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@deploy/banned-crates
