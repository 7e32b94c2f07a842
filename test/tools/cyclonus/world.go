package main

import (
	"fmt"

	"github.com/mattfenwick/cyclonus/pkg/connectivity/probe"
	"github.com/mattfenwick/cyclonus/pkg/kube"
	v1 "k8s.io/api/core/v1"
)

var (
	namespaces = []string{"x", "y", "z"}
	podNames   = []string{"a", "b", "c"}
	ports      = []int{80, 81}
	protocols  = []v1.Protocol{v1.ProtocolTCP, v1.ProtocolUDP, v1.ProtocolSCTP}
)

// Every pod that any case has, those included that a case creates.
var addresses = map[string]string{
	"x/a": "10.9.0.33", "x/b": "10.9.0.1", "x/c": "10.9.0.17", "x/d": "10.9.0.4",
	"y/a": "10.9.0.2", "y/b": "10.9.0.34", "y/c": "10.9.0.18",
	"z/a": "10.9.0.3", "z/b": "10.9.0.19", "z/c": "10.9.0.35",
	"y-2/a": "10.9.0.20", "y-2/b": "10.9.0.36", "w/a": "10.9.0.5",
}

// memory is cyclonus' mock of a cluster, with the addresses of the table.
type memory struct{ *kube.MockKubernetes }

func (m memory) CreatePod(pod *v1.Pod) (*v1.Pod, error) {
	created, err := m.MockKubernetes.CreatePod(pod)
	if err != nil {
		return nil, err
	}
	key := created.Namespace + "/" + created.Name
	address, known := addresses[key]
	if !known {
		return nil, fmt.Errorf("pod %s has no address in the table", key)
	}
	created.Status.PodIP = address
	return created, nil
}

// newWorld returns a fresh cluster: nine pods, no policy.
func newWorld() (kube.IKubernetes, *probe.Resources, error) {
	cluster := memory{kube.NewMockKubernetes(1)}
	const podsReadyWithinSeconds = 1
	resources, err := probe.NewDefaultResources(
		cluster, namespaces, podNames, ports, protocols, nil, podsReadyWithinSeconds, false, "none",
	)
	return cluster, resources, err
}
