"""On a real cluster: any that KUBECONFIG names, with `make test-cluster IMAGE=...`."""
