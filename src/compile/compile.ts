/**
 * From the cluster to what each local pod should have: which policies govern which of its interfaces, and what
 * those allow (semantics.md, G1 to G6, D1 and D2). A pure function of the cluster's state.
 */
import { dependsOnGovernedPod, resolveRule } from './allow.ts'
import type { Cluster } from './cluster.ts'
import type { CustomRules } from './custom-rules.ts'
import { Members, takesPart } from './members.ts'
import {
  type Attachment,
  DIRECTIONS,
  type Direction,
  type Issue,
  type NamespacedName,
  nameOf,
  type Pod,
  type Policy,
  type PolicyRule,
} from './model.ts'
import { addressless, doubtOf, interfaceProblem, missingNetwork, notEnforced } from './not-enforced.ts'
import type { Allow, Exemptions, GovernedInterface, PolicyRules, Ruleset } from './ruleset.ts'
import { matches } from './selector.ts'

export interface CompileOptions {
  /** The node whose pods are compiled; undefined: those of every node. */
  readonly node: string | undefined
  /** CNI types of networks that are enforced: `--network-plugins`. */
  readonly networkPlugins: ReadonlySet<string>
  readonly exemptions: Exemptions
  readonly custom: CustomRules
  /** `--log-drops`: of all pods, whatever their namespace says. */
  readonly logDrops: boolean
}

/** What should stand in one local pod's netns; no ruleset: nothing of ours. */
export interface PodTarget {
  readonly pod: Pod
  readonly ruleset: Ruleset | undefined
}

export interface Compilation {
  readonly targets: ReadonlyMap<NamespacedName, PodTarget>
  readonly issues: readonly Issue[]
  /** What the same policies make of a pod with other attachments than it tells of. */
  readonly rulesetOf: (pod: Pod) => Ruleset | undefined
  /** `metadata.resourceVersion` of a policy that was compiled. */
  readonly versionOf: (policy: NamespacedName) => string | undefined
}

export function compile(cluster: Cluster, options: CompileOptions): Compilation {
  const compiler = new Compiler(cluster, options)
  const targets = new Map<NamespacedName, PodTarget>()
  for (const pod of cluster.pods.values()) {
    if (!takesPart(pod) || (options.node !== undefined && pod.node !== options.node)) continue
    targets.set(nameOf(pod), { pod, ruleset: compiler.rulesetOf(pod) })
  }
  const issues = [...cluster.issues(), ...compiler.issues()]
  const versions = new Map([...cluster.policies].map(([name, { version }]) => [name, version]))
  return {
    targets,
    issues,
    rulesetOf: (pod) => compiler.rulesetOf(pod),
    versionOf: (policy) => versions.get(policy),
  }
}

/** A policy with those of a pod's attachments that it governs. */
interface Governance {
  readonly policy: Policy
  readonly attachments: readonly Attachment[]
}

class Compiler {
  readonly #cluster: Cluster
  readonly #members: Members
  readonly #policies: ReadonlyMap<string, readonly Policy[]>
  readonly #options: CompileOptions
  readonly #allows = new Map<Policy, Map<string, Allow>>()
  readonly #issues: Issue[] = []
  readonly #addressless = new Map<string, Issue>()

  constructor(cluster: Cluster, options: CompileOptions) {
    this.#cluster = cluster
    this.#options = options
    this.#members = new Members(cluster, options.networkPlugins)
    this.#policies = Map.groupBy(sortedByName(cluster.policies.values()), (policy) => policy.namespace)
  }

  rulesetOf(pod: Pod): Ruleset | undefined {
    const governing = this.#governing(pod)
    const interfaces = governedInterfaces(governing)
    if (interfaces.length === 0) return undefined
    const policies = governing.map(({ policy }) => this.#policyRules(policy, pod))
    return {
      pod: nameOf(pod),
      exemptions: this.#options.exemptions,
      custom: this.#options.custom,
      logDrops: this.#options.logDrops || this.#cluster.namespaces.get(pod.namespace)?.logDrops === true,
      policies,
      interfaces,
      ungoverned: ungovernedInterfaces(pod, interfaces),
    }
  }

  *issues(): Generator<Issue> {
    yield* this.#issues
    yield* this.#addressless.values()
    for (const policy of this.#cluster.policies.values()) {
      for (const network of policy.networks) {
        if (!this.#cluster.networks.has(network)) yield missingNetwork(policy, network)
      }
    }
  }

  #governing(pod: Pod): readonly Governance[] {
    return (this.#policies.get(pod.namespace) ?? [])
      .filter((policy) => matches(policy.podSelector, pod.labels))
      .map((policy) => ({ policy, attachments: this.#governedBy(policy, pod) }))
      .filter(
        ({ policy, attachments }) =>
          attachments.length > 0 && DIRECTIONS.some((each) => policy.isolates[each]),
      )
  }

  #governedBy(policy: Policy, pod: Pod): readonly Attachment[] {
    return pod.attachments.filter((attachment) => {
      if (!policy.networks.includes(attachment.network)) return false
      const obstacle = this.#obstacle(attachment)
      const doubt = obstacle ?? doubtOf(pod, attachment)
      if (doubt !== undefined) this.#issues.push(notEnforced(policy, pod, attachment, doubt))
      return obstacle === undefined
    })
  }

  /** Why nothing can be enforced on the attachment, if so. */
  #obstacle(attachment: Attachment): string | undefined {
    if (!this.#members.counts(attachment.network)) {
      const type = this.#cluster.networks.get(attachment.network)?.cniType
      return `the network's CNI type ${type} is not in --network-plugins`
    }
    return interfaceProblem(attachment)
  }

  /** Pods that a peer selects and of which no address is known, as on a network without IPAM: they are let in nowhere. */
  #noteAddressless(policy: Policy, direction: Direction, index: number, { peers }: PolicyRule): void {
    if (peers.kind === 'anyone') return
    const selecting = peers.peers.filter((peer) => peer.kind === 'pods')
    const members = selecting.flatMap((peer) => this.#members.ofPeer(policy, peer))
    const names = new Set(
      members.filter(({ addresses }) => addresses.length === 0).map(({ pod }) => nameOf(pod)),
    )
    if (names.size > 0)
      this.#addressless.set(
        `${nameOf(policy)} ${direction}[${index}]`,
        addressless(policy, direction, index, [...names].sort()),
      )
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
      this.#noteAddressless(policy, direction, index, rule)
      if (!dependsOnGovernedPod(direction, rule)) shared.set(`${direction}[${index}]`, allow)
      return allow
    })
  }
}

/** An interface that several attachments name is governed by all that govern one of them. */
function governedInterfaces(governing: readonly Governance[]): readonly GovernedInterface[] {
  const byName = new Map<string, { networks: Set<NamespacedName>; isolatedBy: Record<Direction, number[]> }>()
  for (const [place, { policy, attachments }] of governing.entries()) {
    for (const { interface: name = '', network } of attachments) {
      const governed = byName.get(name) ?? { networks: new Set(), isolatedBy: { ingress: [], egress: [] } }
      byName.set(name, governed)
      governed.networks.add(network)
      for (const direction of DIRECTIONS.filter((each) => policy.isolates[each])) {
        if (governed.isolatedBy[direction].at(-1) !== place) governed.isolatedBy[direction].push(place)
      }
    }
  }
  return [...byName]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { networks, isolatedBy }]) => ({ name, networks: [...networks].sort(), isolatedBy }))
}

function ungovernedInterfaces(pod: Pod, governed: readonly GovernedInterface[]): readonly string[] {
  const told = [...pod.defaultInterfaces, ...pod.attachments.flatMap((each) => each.interface ?? [])]
  const names = new Set(told)
  for (const { name } of governed) names.delete(name)
  return [...names].sort()
}

function sortedByName(policies: Iterable<Policy>): readonly Policy[] {
  return [...policies].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
}
