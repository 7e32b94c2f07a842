package main

import (
	"fmt"
	"sort"

	"github.com/mattfenwick/cyclonus/pkg/connectivity"
	"github.com/mattfenwick/cyclonus/pkg/connectivity/probe"
	"github.com/mattfenwick/cyclonus/pkg/generator"
	"github.com/mattfenwick/cyclonus/pkg/matcher"
	networkingv1 "k8s.io/api/networking/v1"
)

// Step is the cluster after a step's actions, and what is expected of it.
type Step struct {
	Policies   []*networkingv1.NetworkPolicy `json:"policies"`
	Namespaces map[string]map[string]string  `json:"namespaces"`
	Pods       []Pod                         `json:"pods"`
	Expected   []Expectation                 `json:"expected"`
}

type Pod struct {
	Namespace string            `json:"namespace"`
	Name      string            `json:"name"`
	Labels    map[string]string `json:"labels"`
	Address   string            `json:"address"`
	Ports     []Port            `json:"ports"`
}

// Port is a container port; each is of a container of its own.
type Port struct {
	Name          string `json:"name"`
	ContainerPort int    `json:"containerPort"`
	Protocol      string `json:"protocol"`
}

// Expectation is of one kind of packet from one pod to another; true stands for allowed.
type Expectation struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Protocol string `json:"protocol"`
	Port     int    `json:"port"`
	Ingress  bool   `json:"ingress"`
	Egress   bool   `json:"egress"`
	Combined bool   `json:"combined"`
}

// play takes a fresh cluster through the steps of a case.
func play(testCase *generator.TestCase) ([]Step, error) {
	cluster, resources, err := newWorld()
	if err != nil {
		return nil, err
	}
	state := &connectivity.TestCaseState{Kubernetes: cluster, Resources: resources}
	steps := []Step{}
	for _, step := range testCase.Steps {
		for _, action := range step.Actions {
			if err := act(state, action); err != nil {
				return nil, err
			}
		}
		steps = append(steps, look(state))
	}
	return steps, nil
}

func act(state *connectivity.TestCaseState, action *generator.Action) error {
	switch {
	case action.CreatePolicy != nil:
		return state.CreatePolicy(action.CreatePolicy.Policy)
	case action.UpdatePolicy != nil:
		return state.UpdatePolicy(action.UpdatePolicy.Policy)
	case action.DeletePolicy != nil:
		return state.DeletePolicy(action.DeletePolicy.Namespace, action.DeletePolicy.Name)
	case action.CreateNamespace != nil:
		return state.CreateNamespace(action.CreateNamespace.Namespace, action.CreateNamespace.Labels)
	case action.SetNamespaceLabels != nil:
		return state.SetNamespaceLabels(action.SetNamespaceLabels.Namespace, action.SetNamespaceLabels.Labels)
	case action.DeleteNamespace != nil:
		return state.DeleteNamespace(action.DeleteNamespace.Namespace)
	case action.CreatePod != nil:
		return state.CreatePod(action.CreatePod.Namespace, action.CreatePod.Pod, action.CreatePod.Labels)
	case action.SetPodLabels != nil:
		return state.SetPodLabels(action.SetPodLabels.Namespace, action.SetPodLabels.Pod, action.SetPodLabels.Labels)
	case action.DeletePod != nil:
		return state.DeletePod(action.DeletePod.Namespace, action.DeletePod.Pod)
	default:
		return fmt.Errorf("an action of no known kind: %+v", action)
	}
}

func look(state *connectivity.TestCaseState) Step {
	pods := []Pod{}
	for _, pod := range state.Resources.Pods {
		described := Pod{Namespace: pod.Namespace, Name: pod.Name, Labels: pod.Labels, Address: pod.IP}
		for _, container := range pod.Containers {
			described.Ports = append(described.Ports, Port{container.PortName, container.Port, string(container.Protocol)})
		}
		pods = append(pods, described)
	}
	return Step{
		Policies:   append([]*networkingv1.NetworkPolicy{}, state.Policies...),
		Namespaces: state.Resources.Namespaces,
		Pods:       pods,
		Expected:   expect(state),
	}
}

// expect asks of every pair and served port, whichever of them the case itself would probe.
func expect(state *connectivity.TestCaseState) []Expectation {
	policies := matcher.BuildNetworkPolicies(true, state.Policies)
	table := probe.NewSimulatedRunner(policies, &probe.JobBuilder{TimeoutSeconds: 1}).
		RunProbeForConfig(generator.ProbeAllAvailable, state.Resources)
	expectations := []Expectation{}
	for _, key := range table.Wrapped.Keys() {
		for _, result := range table.Get(key.From, key.To).JobResults {
			expectations = append(expectations, Expectation{
				From: key.From, To: key.To,
				Protocol: string(result.Job.Protocol), Port: result.Job.ResolvedPort,
				Ingress:  *result.Ingress == probe.ConnectivityAllowed,
				Egress:   *result.Egress == probe.ConnectivityAllowed,
				Combined: result.Combined == probe.ConnectivityAllowed,
			})
		}
	}
	sort.Slice(expectations, func(i, j int) bool { return expectations[i].key() < expectations[j].key() })
	return expectations
}

func (e Expectation) key() string {
	return fmt.Sprintf("%s %s %s %d", e.From, e.To, e.Protocol, e.Port)
}
