# Every target does its own set-up; what takes long says so and is done once, into .cache/ and node_modules/.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

SOURCES := $(shell find src packages/*/src -name '*.ts') build.ts
TIERS := kernel no-gap conformance ovn runtime kube unit image
ETCD := $(if $(KUBEBUILDER_ASSETS),,etcd-server etcd-client)
RUN_PACKAGES := nftables iptables ipset conntrack iproute2 iputils-ping util-linux
TEST_PACKAGES := $(RUN_PACKAGES) openssl containerd runc containernetworking-plugins busybox-static $(ETCD) \
	ovn-central ovn-host openvswitch-switch buildah mmdebstrap ca-certificates

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

.PHONY: setup
setup: packages build ## what is needed to run: Debian packages, Node.js, the bundle and node_modules/.bin/mnpd

.PHONY: build
build: dist/mnpd.cjs node_modules/.bin/mnpd

.PHONY: demo
demo: setup ## pods on two networks, some policies, who reaches whom before, during and after an edit
	@node demo/main.ts

.PHONY: demo-ovn
demo-ovn: setup-test ## the three kinds of OVN networks, policies, the rows and the packets
	@node demo/ovn/main.ts

.PHONY: test
test: setup-test ## every test of every tier
	@test/tools/run-tiers $(TIERS)

.PHONY: $(TIERS:%=test-%)
$(TIERS:%=test-%): test-%: setup-test # one tier alone
	@test/tools/run-tiers $*

.PHONY: check
check: node_modules/.stamp ## types, format and lint
	@tsc --noEmit
	@biome check

.PHONY: bench
bench: setup-test ## the measured figures with their goals, as ratios to a bare nft in the same run
	@node bench/main.ts

.PHONY: bench-fleet
bench-fleet: setup-test ## what handing out members in slices would save, at 1,000 and 10,000 nodes
	@node bench/fleet.ts

.PHONY: setup-test
setup-test: test-packages build $(if $(KUBEBUILDER_ASSETS),,.cache/bin/kube-apiserver) .cache/bin/kustomize

.PHONY: packages test-packages
packages:
	@test/tools/install-packages $(RUN_PACKAGES)
test-packages:
	@test/tools/install-packages $(TEST_PACKAGES)

node_modules/.stamp: package.json package-lock.json $(wildcard packages/*/package.json)
	@command -v npm >/dev/null || { echo 'make: npm is needed (any version of Node.js brings it)' >&2; exit 2; }
	@echo 'installing npm packages, Node.js among them'
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@

dist/mnpd.cjs: node_modules/.stamp $(SOURCES)
	@node build.ts

node_modules/.bin/mnpd: node_modules/.stamp bin/mnpd
	@ln -sfn ../../bin/mnpd $@

.cache/bin/kube-apiserver: test/tools/kube-apiserver/go.mod test/tools/kube-apiserver/go.sum
	@test/tools/build-kube-apiserver $(CURDIR)/$@

.PHONY: clean
clean: ## removes what was built, but not the caches
	@rm -rf dist

.cache/bin/kustomize: test/tools/kustomize/go.mod test/tools/kustomize/go.sum
	@test/tools/build-kustomize $(CURDIR)/$@

.PHONY: image
image: setup ## the container image, as .cache/image/mnpd.tar
	@test/tools/install-packages buildah mmdebstrap
	@test/tools/build-image $(CURDIR)/.cache/image/mnpd.tar

.PHONY: soak
soak: setup-test ## made-up clusters from another seed each time, by rules and by packets; 10,000 pods in the limits
	@SEED=$$RANDOM$$RANDOM test/tools/run-tiers unit kernel
	@PODS=10000 vitest run --project kube test/kube/limits.test.ts

.PHONY: test-stock
test-stock: build ## packets on Debian's own kernel in a virtual machine: SCTP, ipvlan, VRF
	@test/tools/install-packages $(TEST_PACKAGES) qemu-system-x86 python3 python3-venv kmod
	@test/tools/stock-kernel-tests
