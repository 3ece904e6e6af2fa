# The test cluster (see README.md beside this file). Included by the root Makefile.
#
#   make cluster-up                      a real node with metrics API and Prometheus; needs root
#   make cluster-up CLUSTER_FORM=plane   a control plane alone
#   make cluster-down                    stops both

CLUSTER := $(dir $(lastword $(MAKEFILE_LIST)))
CLUSTER_FORM ?= node
CLUSTER_OPTIONS ?= $(if $(filter node,$(CLUSTER_FORM)),--with-metrics-server --with-prometheus)

.PHONY: cluster-up cluster-down
cluster-up:
	$(CLUSTER)up.sh $(CLUSTER_FORM) $(CLUSTER_OPTIONS)

cluster-down:
	$(CLUSTER)down.sh
