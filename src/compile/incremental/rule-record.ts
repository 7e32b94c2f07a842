/** One rule of a policy that governs a local pod, with the sets of members that it uses and what it comes to now. */
import { dependsOnGovernedPod, namedPorts, rangesOfBlocks, resolvePorts } from '../allow.ts'
import { type Direction, type Issue, nameOf, type Pod, type PolicyRule } from '../model.ts'
import { ruleIssues } from '../not-enforced.ts'
import type { Allow } from '../ruleset.ts'
import { equal } from './equal.ts'
import type { MemberIndex } from './member-index.ts'
import type { MemberSet } from './member-set.ts'
import type { PolicyRecord } from './policy-record.ts'

export class RuleRecord {
  readonly record: PolicyRecord
  readonly dependsOnPod: boolean
  readonly #direction: Direction
  readonly #index: number
  readonly #rule: PolicyRule
  readonly #selected: MemberSet | undefined
  readonly #withPorts: MemberSet | undefined
  /** But for ports that are looked up on the governed pod. */
  #allow: Allow

  constructor(
    record: PolicyRecord,
    direction: Direction,
    index: number,
    rule: PolicyRule,
    members: MemberIndex,
  ) {
    const { policy } = record
    this.record = record
    this.dependsOnPod = dependsOnGovernedPod(direction, rule)
    this.#direction = direction
    this.#index = index
    this.#rule = rule
    const names = direction === 'egress' ? namedPorts(rule.ports) : []
    this.#selected = members.selected(policy, rule.peers, this)
    this.#withPorts = members.withPorts(policy, rule.peers, names, this)
    this.#allow = this.#resolved({
      rule: index,
      peers:
        rule.peers.kind === 'anyone'
          ? { kind: 'anyone' }
          : { kind: 'only', addresses: [], ranges: rangesOfBlocks(rule.peers) },
      ports: resolvePorts(rule.ports, []),
      endpoints: [],
    })
  }

  allowFor(pod: Pod): Allow {
    return this.dependsOnPod
      ? { ...this.#allow, ports: resolvePorts(this.#rule.ports, pod.ports) }
      : this.#allow
  }

  /**
   * The sets have changed.
   * @returns whether the rule comes to something else now
   */
  refresh(): boolean {
    const allow = this.#resolved(this.#allow)
    if (equal(allow, this.#allow)) return false
    this.#allow = allow
    return true
  }

  /** What it does not allow as it reads. */
  issues(): readonly Issue[] {
    const pods = this.#selected?.addressless ?? new Set()
    return ruleIssues(this.record.policy, this.#direction, this.#index, {
      addressless: new Set([...pods].map(nameOf)),
      addresses: this.#selected?.addressCount ?? 0,
      endpoints: this.#withPorts?.endpoints.wanted ?? 0,
    })
  }

  release(members: MemberIndex): void {
    if (this.#selected !== undefined) members.release(this.#selected, this)
    if (this.#withPorts !== undefined) members.release(this.#withPorts, this)
  }

  #resolved(allow: Allow): Allow {
    const { peers } = allow
    return {
      ...allow,
      peers: peers.kind === 'anyone' ? peers : { ...peers, addresses: this.#selected?.addresses ?? [] },
      endpoints: this.#withPorts?.endpoints.endpoints ?? [],
    }
  }
}
