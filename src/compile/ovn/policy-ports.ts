/** The ports that a policy governs, by what it allows there; gathered anew only once it governs others. */
import { dependsOnGovernedPod } from '../allow.ts'
import type { LocalPod } from '../incremental/local-pod.ts'
import { addTo } from '../incremental/multimap.ts'
import type { PolicyRecord } from '../incremental/policy-record.ts'
import { DIRECTIONS, type Direction, nameOf, type Policy } from '../model.ts'
import type { Allow, PolicyRules } from '../ruleset.ts'
import type { PortIndex } from './port-index.ts'
import type { GovernedByDirection } from './printer.ts'

interface Gathered {
  readonly byPod: Map<LocalPod, readonly string[]>
  /** Undefined while one of them is due. */
  all: ReadonlySet<string> | undefined
}

export class PolicyPorts {
  readonly #index: PortIndex
  readonly #gathered = new WeakMap<PolicyRecord, Gathered>()

  constructor(index: PortIndex) {
    this.#index = index
  }

  /** The policy governs the pod in another way, or no more; or the pod's ports are others. */
  forget(record: PolicyRecord, pod: LocalPod): void {
    const gathered = this.#gathered.get(record)
    if (gathered === undefined) return
    gathered.byPod.delete(pod)
    gathered.all = undefined
  }

  /** @param record of a policy that governs a pod */
  of(record: PolicyRecord): GovernedByDirection {
    const [local] = record.governs
    if (local === undefined) return { ingress: new Map(), egress: new Map() }
    const gathered = this.#gather(record)
    if (differsByPod(record.policy)) return sorted(record, gathered.byPod)
    const ports = gathered.all ?? new Set([...gathered.byPod.values()].flat())
    gathered.all = ports
    const rules = record.rulesFor(local.pod)
    const of = (direction: Direction): ReadonlyMap<readonly Allow[], ReadonlySet<string>> =>
      record.policy.isolates[direction] ? new Map([[allowsOf(rules, direction), ports]]) : new Map()
    return { ingress: of('ingress'), egress: of('egress') }
  }

  #gather(record: PolicyRecord): Gathered {
    const gathered = this.#gathered.get(record) ?? { byPod: new Map(), all: undefined }
    this.#gathered.set(record, gathered)
    if (gathered.all !== undefined) return gathered
    for (const local of record.governs)
      if (!gathered.byPod.has(local)) gathered.byPod.set(local, this.#of(record, local))
    return gathered
  }

  #of(record: PolicyRecord, { pod, governed }: LocalPod): readonly string[] {
    const own = governed.governing.find(({ by }) => by === record)
    const networks = this.#index.byPod.get(nameOf(pod))
    return (own?.attachments ?? []).flatMap(({ network }) => networks?.get(network) ?? []).map(({ id }) => id)
  }
}

/** By what the policy's rules are on each pod. */
function sorted(record: PolicyRecord, byPod: ReadonlyMap<LocalPod, readonly string[]>): GovernedByDirection {
  const found = { ingress: new Map<readonly Allow[], Set<string>>(), egress: new Map() }
  for (const [{ pod }, ports] of byPod) {
    const rules = record.rulesFor(pod)
    for (const direction of DIRECTIONS.filter((each) => record.policy.isolates[each])) {
      for (const port of ports) addTo(found[direction], allowsOf(rules, direction), port)
    }
  }
  return found
}

function differsByPod({ rules }: Policy): boolean {
  return DIRECTIONS.some((direction) =>
    rules[direction].some((rule) => dependsOnGovernedPod(direction, rule)),
  )
}

function allowsOf({ allows }: PolicyRules, direction: Direction): readonly Allow[] {
  return allows[direction] ?? []
}
