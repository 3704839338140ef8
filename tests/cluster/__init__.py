"""Tests on a real cluster, the one in KUBECONFIG: `make test-cluster IMAGE=...`."""
