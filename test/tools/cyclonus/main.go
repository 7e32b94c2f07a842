// Writes cyclonus' test cases as JSON to standard output: the objects that stand after each step, and what cyclonus'
// own matcher expects of every pair of pods on every port that they serve. No cluster is needed: cyclonus keeps its
// books of the cluster in memory, and this program hands it the addresses that the pods have in the packet lab.
//
// The addresses matter: cyclonus' ipBlocks are the /24 of pod z/c, and an except that is its /28. The table spreads
// nine pods of one /24 over three /28s so that the except takes out one pod of each namespace and of each name.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/mattfenwick/cyclonus/pkg/generator"
)

// The tags that cyclonus' own command line leaves out unless told otherwise.
var excludedByDefault = []string{
	generator.TagMultiPeer,
	generator.TagUpstreamE2E,
	generator.TagExample,
	generator.TagEndPort,
	generator.TagNamespacesByDefaultLabel,
}

// Case is one test case, as the conformance suite reads it.
type Case struct {
	Description string `json:"description"`
	// Whether cyclonus runs it without being asked to.
	Default bool     `json:"default"`
	Tags    []string `json:"tags"`
	Steps   []Step   `json:"steps"`
}

func main() {
	if err := write(); err != nil {
		fmt.Fprintln(os.Stderr, "cyclonus-cases:", err)
		os.Exit(1)
	}
}

func write() error {
	cases := []Case{}
	const allowDNS = true
	for _, testCase := range generator.NewTestCaseGenerator(allowDNS, addresses["z/c"], namespaces, nil, nil).GenerateTestCases() {
		steps, err := play(testCase)
		if err != nil {
			return fmt.Errorf("%s: %w", testCase.Description, err)
		}
		cases = append(cases, Case{
			Description: testCase.Description,
			Default:     !testCase.Tags.ContainsAny(excludedByDefault),
			Tags:        testCase.Tags.Keys(),
			Steps:       steps,
		})
	}
	return json.NewEncoder(os.Stdout).Encode(cases)
}
