/**
 * From the cluster to what each local pod should have: which policies govern which of its interfaces, and what
 * those allow (semantics.md, G1 to G6, D1 and D2). A pure function of the cluster's state.
 */
import {
  dependsOnGovernedPod,
  endpointMembers,
  namedPorts,
  resolveEndpoints,
  resolveRule,
  selectedMembers,
  wantedPorts,
} from './allow.ts'
import type { Cluster } from './cluster.ts'
import type { Compilation, CompileOptions, PodTarget } from './compilation.ts'
import { closed, governedBy, rulesetOf } from './governance.ts'
import { addressesOfMembers, Members, takesPart } from './members.ts'
import {
  type Direction,
  type Issue,
  type NamespacedName,
  nameOf,
  type Pod,
  type Policy,
  type PolicyRule,
} from './model.ts'
import { firstOf, missingNetworks, ruleIssues } from './not-enforced.ts'
import type { Allow, PolicyRules, Ruleset } from './ruleset.ts'
import { type Limited, withinLimits } from './ruleset-limit.ts'
import { matches } from './selector.ts'

/** From scratch: what `IncrementalCompiler` comes to by way of changes. */
export function compile(cluster: Cluster, options: CompileOptions): Compilation {
  const compiler = new Compiler(cluster, options)
  const targets = new Map<NamespacedName, PodTarget>()
  for (const pod of cluster.pods.values()) {
    if (!isLocal(pod, options.node)) continue
    targets.set(nameOf(pod), { pod, ruleset: compiler.rulesetOf(pod) })
  }
  const issues = [...cluster.issues(), ...compiler.issues()]
  const versions = new Map([...cluster.policies].map(([name, { version }]) => [name, version]))
  return {
    targets,
    issues,
    rulesetOf: (pod) => {
      const target = targets.get(nameOf(pod))
      return target?.pod === pod ? target.ruleset : compiler.rulesetAsked(pod)
    },
    versionOf: (policy) => versions.get(policy),
  }
}

/** @param node undefined: every node */
export function isLocal(pod: Pod, node: string | undefined): boolean {
  return takesPart(pod) && (node === undefined || pod.node === node)
}

class Compiler {
  readonly #cluster: Cluster
  readonly #members: Members
  readonly #policies: ReadonlyMap<string, readonly Policy[]>
  readonly #options: CompileOptions
  readonly #allows = new Map<Policy, Map<string, Allow>>()
  readonly #issues: Issue[] = []
  /** By policy, and by its rules that govern a pod. */
  readonly #ofRules = new Map<Policy, Map<string, readonly Issue[]>>()

  constructor(cluster: Cluster, options: CompileOptions) {
    this.#cluster = cluster
    this.#options = options
    this.#members = new Members(cluster, options.networkPlugins)
    this.#policies = Map.groupBy(sortedByName(cluster.policies.values()), (policy) => policy.namespace)
  }

  rulesetOf(pod: Pod): Ruleset | undefined {
    const own = this.#policies.get(pod.namespace) ?? []
    const selecting = own
      .filter((policy) => matches(policy.podSelector, pod.labels))
      .map((policy) => ({ policy }))
    const { governing, issues } = governedBy(selecting, pod, this.#cluster, this.#options)
    for (const issue of issues) this.#issues.push(issue)
    const policies = governing.map(({ by, isolatesOnly }) =>
      isolatesOnly === true ? closed(by.policy) : this.#policyRules(by.policy, pod),
    )
    const ruleset = rulesetOf(pod, governing, policies, this.#cluster, this.#options)
    const limited: Limited = this.#options.isShared === true ? { ruleset } : withinLimits(ruleset, pod)
    if (limited.issue !== undefined) this.#issues.push(limited.issue)
    return limited.ruleset
  }

  /** The same for who asks once the Issues are told: what is noted of it would be kept, and read by nobody. */
  rulesetAsked(pod: Pod): Ruleset | undefined {
    const noted = this.#issues.length
    const ruleset = this.rulesetOf(pod)
    this.#issues.length = noted
    return ruleset
  }

  *issues(): Generator<Issue> {
    yield* this.#issues
    for (const [policy, rules] of this.#ofRules) yield* firstOf([...rules.values()].flat(), policy)
    for (const policy of this.#cluster.policies.values()) yield* missingNetworks(policy, this.#cluster)
  }

  #noteIssues(policy: Policy, direction: Direction, index: number, { peers, ports }: PolicyRule): void {
    const selected = selectedMembers(this.#members, policy, peers)
    const names = direction === 'egress' ? namedPorts(ports) : []
    const peersOfNames = names.length === 0 ? [] : this.#members.ofPeers(policy, peers)
    const issues = ruleIssues(policy, direction, index, {
      addressless: new Set(
        selected.filter(({ addresses }) => addresses.length === 0).map(({ pod }) => nameOf(pod)),
      ),
      addresses: addressesOfMembers(selected).length,
      endpoints: resolveEndpoints(endpointMembers(peersOfNames), wantedPorts(names)).wanted,
    })
    const ofPolicy = this.#ofRules.get(policy) ?? new Map<string, readonly Issue[]>()
    this.#ofRules.set(policy, ofPolicy.set(`${direction}[${index}]`, issues))
  }

  #policyRules(policy: Policy, pod: Pod): PolicyRules {
    return {
      policy: nameOf(policy),
      allows: {
        ingress: policy.isolates.ingress ? this.#allowsOf(policy, 'ingress', pod) : undefined,
        egress: policy.isolates.egress ? this.#allowsOf(policy, 'egress', pod) : undefined,
      },
    }
  }

  #allowsOf(policy: Policy, direction: Direction, pod: Pod): readonly Allow[] {
    const shared = this.#allows.get(policy) ?? new Map<string, Allow>()
    this.#allows.set(policy, shared)
    return policy.rules[direction].map((rule, index) => {
      const known = shared.get(`${direction}[${index}]`)
      if (known !== undefined) return known
      const allow = resolveRule(this.#members, policy, direction, index, rule, pod)
      this.#noteIssues(policy, direction, index, rule)
      if (!dependsOnGovernedPod(direction, rule)) shared.set(`${direction}[${index}]`, allow)
      return allow
    })
  }
}

function sortedByName(policies: Iterable<Policy>): readonly Policy[] {
  return [...policies].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
}
