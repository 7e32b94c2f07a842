/**
 * Which policies govern which interfaces of a pod (semantics.md, G1 to G6), and the pod's ruleset once it is known what
 * those policies allow.
 */
import type { Cluster } from '../cluster.ts'
import type { CompileOptions } from '../compile.ts'
import { allowedBy, type Contested, contestedInterfaces, contestedIssue } from '../contested.ts'
import { networkCounts } from '../members.ts'
import {
  type Attachment,
  DIRECTIONS,
  type Direction,
  type Issue,
  type NamespacedName,
  nameOf,
  type Pod,
  type Policy,
} from '../model.ts'
import { doubtOf, interfaceProblem, notEnforced } from '../not-enforced.ts'
import type { GovernedInterface, PolicyRules, Ruleset } from '../ruleset.ts'

/** A policy with those of a pod's attachments that it governs: one at least, in one direction at least. */
export interface Governance<P extends Governing = Governing> {
  readonly by: P
  readonly attachments: readonly Attachment[]
}

export interface Governing {
  readonly policy: Policy
}

/** Which of the policies govern the pod, and what they do not govern as they read. */
export interface Governed<P extends Governing = Governing> {
  readonly governing: readonly Governance<P>[]
  readonly issues: readonly Issue[]
}

type Enforced = Pick<CompileOptions, 'networkPlugins' | 'elsewhere'>

/** @param selecting the policies of the pod's namespace whose podSelector matches, by name */
export function governedBy<P extends Governing>(
  selecting: readonly P[],
  pod: Pod,
  cluster: Cluster,
  options: Enforced,
): Governed<P> {
  const { governing, issues } = policiesGoverning(selecting, pod, cluster, options)
  return { governing, issues: [...issues, ...contestedIssue(pod, contestedAmong(pod, governing))] }
}

function policiesGoverning<P extends Governing>(
  selecting: readonly P[],
  pod: Pod,
  cluster: Cluster,
  options: Enforced,
): Governed<P> {
  const issues: Issue[] = []
  const governing = selecting
    .map((by) => ({ by, attachments: attachmentsGoverned(by.policy, pod, cluster, options, issues) }))
    .filter(
      ({ by, attachments }) => attachments.length > 0 && DIRECTIONS.some((each) => by.policy.isolates[each]),
    )
  return { governing, issues }
}

/** Those that some policy governs. */
function contestedAmong(pod: Pod, governing: readonly Governance[]): Contested {
  const contested = contestedInterfaces(pod)
  if (contested.size === 0) return contested
  const governed = new Set(governing.flatMap(({ attachments }) => attachments.map((each) => each.interface)))
  return new Map([...contested].filter(([name]) => governed.has(name)))
}

/** @param issues where those are put that are found */
function attachmentsGoverned(
  policy: Policy,
  pod: Pod,
  cluster: Cluster,
  options: Enforced,
  issues: Issue[],
): readonly Attachment[] {
  const networks = new Set(policy.networks)
  return pod.attachments.filter((attachment) => {
    if (!networks.has(attachment.network)) return false
    if (options.elsewhere?.(pod, attachment) === true) return false
    const obstacle = obstacleTo(attachment, cluster, options.networkPlugins)
    const doubt = obstacle ?? doubtOf(pod, attachment)
    if (doubt !== undefined) issues.push(notEnforced(policy, pod, attachment, doubt))
    return obstacle === undefined
  })
}

/** Why nothing can be enforced on the attachment, if so. */
function obstacleTo(
  attachment: Attachment,
  cluster: Cluster,
  plugins: ReadonlySet<string>,
): string | undefined {
  if (!networkCounts(cluster, plugins, attachment.network)) {
    const type = cluster.networks.get(attachment.network)?.cniType
    return `the network's CNI type ${type} is not in --network-plugins`
  }
  return interfaceProblem(attachment)
}

/**
 * @param policies what those in `governing` allow, at the same places
 * @returns undefined where nothing governs the pod
 */
export function rulesetOf(
  pod: Pod,
  governing: readonly Governance[],
  policies: readonly PolicyRules[],
  cluster: Cluster,
  options: Pick<CompileOptions, 'exemptions' | 'custom' | 'logDrops'>,
): Ruleset | undefined {
  const interfaces = governedInterfaces(pod, governing)
  if (interfaces.length === 0) return undefined
  return {
    pod: nameOf(pod),
    exemptions: options.exemptions,
    custom: options.custom,
    logDrops: options.logDrops || cluster.namespaces.get(pod.namespace)?.logDrops === true,
    policies,
    interfaces,
    ungoverned: ungovernedInterfaces(pod, interfaces),
  }
}

/** An interface that several attachments name is isolated by all that govern one of them. */
function governedInterfaces(pod: Pod, governing: readonly Governance[]): readonly GovernedInterface[] {
  const byName = new Map<string, { networks: Set<NamespacedName>; isolatedBy: Record<Direction, number[]> }>()
  for (const [place, { by, attachments }] of governing.entries()) {
    for (const { interface: name = '', network } of attachments) {
      const governed = byName.get(name) ?? { networks: new Set(), isolatedBy: { ingress: [], egress: [] } }
      byName.set(name, governed)
      governed.networks.add(network)
      for (const direction of DIRECTIONS.filter((each) => by.policy.isolates[each])) {
        if (governed.isolatedBy[direction].at(-1) !== place) governed.isolatedBy[direction].push(place)
      }
    }
  }
  const contested = contestedInterfaces(pod)
  const networksOf = contested.size === 0 ? [] : governing.map(({ by }) => new Set(by.policy.networks))
  return [...byName]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { networks, isolatedBy }]) => ({
      name,
      networks: [...networks].sort(),
      isolatedBy,
      allowedBy: allowedBy(isolatedBy, contested.get(name), networksOf),
    }))
}

function ungovernedInterfaces(pod: Pod, governed: readonly GovernedInterface[]): readonly string[] {
  const told = [...pod.defaultInterfaces, ...pod.attachments.flatMap((each) => each.interface ?? [])]
  const names = new Set(told)
  for (const { name } of governed) names.delete(name)
  return [...names].sort()
}
