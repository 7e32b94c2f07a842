/**
 * Which policies govern which interfaces of a pod (semantics.md, G1 to G6), and the pod's ruleset once it is known what
 * those policies allow.
 */
import type { Cluster } from './cluster.ts'
import type { CompileOptions } from './compilation.ts'
import { allowedBy, type Contested, contestedInterfaces, contestedIssue } from './contested.ts'
import { count, MOST_GOVERNANCES_OF_A_POD, MOST_ISSUES_NAMED } from './limits.ts'
import { networkCounts } from './members.ts'
import {
  type Attachment,
  DIRECTIONS,
  type Direction,
  type Issue,
  type NamespacedName,
  nameOf,
  namesBeyond,
  type Pod,
  type Policy,
  referenceTo,
} from './model.ts'
import { doubtOf, interfaceProblem, moreOf, notEnforced } from './not-enforced.ts'
import type { GovernedInterface, PolicyRules, Ruleset } from './ruleset.ts'

/** A policy with those of a pod's attachments that it governs: one at least, in one direction at least. */
export interface Governance<P extends Governing = Governing> {
  readonly by: P
  readonly attachments: readonly Attachment[]
  /** True for those beyond the limit, which allow nothing: only attachments that it is the first to isolate are here. */
  readonly isolatesOnly?: true
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
  const issues = new FirstIssues(pod)
  const governing: Governance<P>[] = []
  const isolated = { ingress: new Set<Attachment>(), egress: new Set<Attachment>() }
  let [pairs, beyond] = [0, 0]
  for (const by of selecting) {
    const directions = DIRECTIONS.filter((each) => by.policy.isolates[each])
    const all = attachmentsGoverned(by.policy, pod, cluster, options, issues)
    if (all.length === 0 || directions.length === 0) continue
    pairs += all.length
    const isWithin = pairs <= MOST_GOVERNANCES_OF_A_POD
    const attachments = isWithin
      ? all
      : all.filter((each) => directions.some((direction) => !isolated[direction].has(each)))
    for (const each of attachments) for (const direction of directions) isolated[direction].add(each)
    if (!isWithin) beyond += 1
    if (attachments.length > 0)
      governing.push(isWithin ? { by, attachments } : { by, attachments, isolatesOnly: true })
  }
  return { governing, issues: [...issues.all, ...(beyond === 0 ? [] : [tooMany(pod, pairs, beyond)])] }
}

/** What such a policy comes to: nothing is allowed. */
export function closed(policy: Policy): PolicyRules {
  const allows = {
    ingress: policy.isolates.ingress ? [] : undefined,
    egress: policy.isolates.egress ? [] : undefined,
  }
  return { policy: nameOf(policy), allows }
}

function tooMany(pod: Pod, pairs: number, beyond: number): Issue {
  const most = `${count(MOST_GOVERNANCES_OF_A_POD)} are the most, and ${count(beyond)} policies only isolate it`
  return {
    object: referenceTo(pod),
    field: '',
    reason: `policies govern its interfaces ${count(pairs)} times; ${most}`,
  }
}

/** The first that are noted, and how many more were. */
class FirstIssues {
  readonly #pod: Pod
  readonly #named: Issue[] = []
  #more = 0

  constructor(pod: Pod) {
    this.#pod = pod
  }

  get all(): readonly Issue[] {
    return this.#more === 0 ? this.#named : [...this.#named, moreOf(this.#pod, this.#more)]
  }

  note(issue: Issue): void {
    if (this.#named.length < MOST_ISSUES_NAMED) this.#named.push(issue)
    else this.#more += 1
  }
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
  issues: FirstIssues,
): readonly Attachment[] {
  const networks = new Set(policy.networks)
  return pod.attachments.filter((attachment) => {
    if (!networks.has(attachment.network) && !namesBeyond(policy, attachment.network)) return false
    if (options.elsewhere?.(pod, attachment) === true) return false
    const obstacle = obstacleTo(attachment, cluster, options.networkPlugins)
    const doubt = obstacle ?? doubtOf(pod, attachment)
    if (doubt !== undefined) issues.note(notEnforced(policy, pod, attachment, doubt))
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
