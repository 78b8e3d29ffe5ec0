# Everything that a developer does here. `make` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo demo-down test bench chaos package fmt advisories

help: ## Lists these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Installs and builds what is missing, starts the whole line and tells a story on it (DETACH=1: leaves it running)
	@dev/demo

demo-down: ## Ends a demo that was left running
	@dev/demo down

test: ## Installs what is missing and runs every test on Postgres 15 to 18
	@dev/test

bench: ## Measures checks, lists and applying against floors, after a long differential test (SCALE=small: a hundredth of it)
	@dev/bench

MINUTES ?= 20
chaos: ## Faults of all kinds while 500,000 events flow, and nothing lost or doubled behind them (MINUTES=20, DEED_SEED=n)
	@dev/chaos $(MINUTES)

package: ## Compiles a release and packs it for Postgres 15 to 18 into package/ (MAJORS=18: for these)
	@dev/package $(MAJORS)

fmt: ## Formats the Rust sources
	@cargo fmt --all

advisories: ## Looks for known security problems in the dependencies (needs the network)
	@dev/install test && . dev/env.sh && cargo deny check advisories
