# The index of everything that can be done here. `make help` lists it.
#
# Binaries of the test cluster, and the build directory in CI, live under BALLAST_CACHE, so that only the first run pays for them.
BALLAST_CACHE ?= $(HOME)/.cache/ballast
export BALLAST_CACHE
CARGO ?= cargo
# Test files that run at the same time, and one that must not: it compares moments of two autoscalers.
JOBS ?= 3
alone = plane_hpa_twin
SHELL := /bin/bash

.DEFAULT_GOAL := help
.PHONY: help demo demo-migrate demo-go test lint unit plane test-faults e2e bench bench-quality bench-scale bench-direct soak crds docs

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 16

demo: ## A real cluster, a Go service, real load: Ballast scales it out and in (DEMO_KEEP=1 keeps it up)
	examples/demo/demo.sh

demo-migrate: ## A real cluster: a Go service moves from its HPA to a policy and back under load, and no step moves a replica
	examples/demo/migrate.sh

demo-go: ## A real cluster: a run queue that grows before CPU, a memory guard, a brake on a saturated database (DEMO_KEEP=1 keeps it up)
	examples/demo/go.sh

test: lint unit plane e2e ## Everything that CI runs

lint: ## Formatting, clippy, cargo-deny, shell and Go checks
	tests/lint.sh

unit: ## Unit, property and stock-rule tests, those with a real Prometheus or Chromium, and those of the Go example
	tests/cluster/deps.sh unit
	$(CARGO) test --locked --lib --bins
	tests/beside.sh $(JOBS) $(patsubst tests/%.rs,%,$(filter-out tests/plane_% tests/node_%,$(wildcard tests/*.rs)))
	cd examples/go-app && go test -race ./...

plane: ## Tests against a real etcd, kube-apiserver and kube-controller-manager
	tests/cluster/deps.sh plane
	tests/cluster/build.sh plane
	tests/cluster/build.sh otelcol
	tests/cluster/build.sh health
	$(CARGO) build --locked
	tests/beside.sh $(JOBS) $(filter-out $(alone),$(patsubst tests/%.rs,%,$(wildcard tests/plane_*.rs)))
	tests/beside.sh 1 $(alone)

e2e: ## Tests on a real node: kubelet, containerd, pods, metrics-server, Prometheus (needs root)
	tests/cluster/deps.sh node
	tests/cluster/build.sh
	$(CARGO) test --locked $(patsubst tests/%.rs,--test %,$(wildcard tests/node_*.rs)) -- --nocapture

bench: ## Speed of the decision
	$(CARGO) bench --locked --bench decide

bench-quality: ## Quality of the decisions on recorded load (QUALITY="--help" lists the options)
	$(CARGO) bench --locked --profile dev --config 'profile.dev.package.ballast.opt-level=2' --bench quality -- $(QUALITY)

test-faults: ## Everything that can break, broken for a minute each (UPDATE=1 writes docs/faults.md; needs root)
	tests/cluster/deps.sh plane
	tests/cluster/build.sh plane
	$(CARGO) build --locked
	BALLAST_FAULTS=long $(CARGO) test --locked --no-fail-fast $(patsubst tests/%.rs,--test %,$(wildcard tests/plane_faults*.rs)) -- --nocapture

bench-scale: ## Autoscalers beside each other at 500 to 10,000 targets on a real API server, about 40 min (SCALE="--help" lists the options)
	tests/cluster/deps.sh plane
	tests/cluster/build.sh plane
	$(CARGO) bench --locked --bench scale -- $(SCALE)

bench-direct: ## A load step: pods asked directly, Prometheus and the stock HPA beside each other on a real node, 15 min (needs root; DIRECT=--document)
	tests/cluster/deps.sh node
	tests/cluster/build.sh
	$(CARGO) bench --locked --profile dev --bench direct -- $(DIRECT)

HOURS ?= 1
soak: ## Hours under churn and faults: does the controller keep its size? (HOURS=1; SOAK="--help" lists the options)
	tests/cluster/deps.sh plane
	tests/cluster/build.sh plane
	$(CARGO) bench --locked --bench soak -- --hours $(HOURS) $(SOAK)

crds: ## Write the generated files: crds/, the chart's copy, docs/reference.md, docs/annotations.md, docs/metrics.md, deploy/manifests
	UPDATE=1 $(CARGO) test --locked --test api_generated --test docs_metrics
	deploy/render.sh

docs: ## The pages of docs/ as a site in target/book
	tests/book.sh

include tests/cluster/cluster.mk
