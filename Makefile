# NSBoot: the commands a person types. Each is a script below scripts/, which says what it does and how far it is.
.DEFAULT_GOAL := help
.PHONY: help run test test-long dev build bench fmt lint setup

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

run: ## install what is missing, build, start NSBoot with the virtual lab, print URL and one-time code
	@scripts/run.sh
test: ## everything that CI runs
	@scripts/test.sh
test-long: ## test, then the wide and slow matrices
	@scripts/test.sh --long
dev: ## build and restart on change, reload the page
	@scripts/dev.sh
build: ## leave the release binary at target/release/nsboot
	@scripts/build.sh
bench: ## measure again beside the peers, write docs/benchmarks.md
	@scripts/bench.sh
setup: ## only install what is missing
	@scripts/setup.sh
fmt: ## format the Rust code
	@cargo fmt --all
lint: ## formatting, clippy with warnings as errors, native and WASM
	@scripts/lint.sh
