//! The simulated Kubernetes cluster: objects and the controllers that act on
//! them. Two front ends stand on it: the sandbox's `kubectl` and `helm`, and
//! the HTTP API server of the tests, which real `kubectl` and `helm` talk to.
