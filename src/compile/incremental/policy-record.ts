/** A policy as the incremental compiler knows it: the local pods that it governs, and while there are any, its rules. */

import { DIRECTIONS, type Direction, type Issue, nameOf, type Pod, type Policy } from '../model.ts'
import { firstOf } from '../not-enforced.ts'
import type { Allow, PolicyRules } from '../ruleset.ts'
import type { Selector } from '../selector.ts'
import type { LocalPod } from './local-pod.ts'
import type { MemberIndex } from './member-index.ts'
import { RuleRecord } from './rule-record.ts'

export class PolicyRecord {
  readonly policy: Policy
  readonly governs: Set<LocalPod> = new Set()
  readonly #members: MemberIndex
  #rules: Readonly<Record<Direction, readonly RuleRecord[] | undefined>> | undefined
  /** Where they are the same for all pods. */
  #shared: PolicyRules | undefined

  constructor(policy: Policy, members: MemberIndex) {
    this.policy = policy
    this.#members = members
  }

  /** Of pods. */
  get selector(): Selector {
    return this.policy.podSelector
  }

  /** Takes up the rules, if they are not; `release` lets go of them. */
  rulesFor(pod: Pod): PolicyRules {
    if (this.#shared !== undefined) return this.#shared
    const rules = this.#take()
    const allowsOf = (direction: Direction): readonly Allow[] | undefined =>
      rules[direction]?.map((rule) => rule.allowFor(pod))
    const policyRules = {
      policy: nameOf(this.policy),
      allows: { ingress: allowsOf('ingress'), egress: allowsOf('egress') },
    }
    const differ = DIRECTIONS.some((each) => rules[each]?.some((rule) => rule.dependsOnPod) === true)
    if (!differ) this.#shared = policyRules
    return policyRules
  }

  /** One of the rules comes to something else now. */
  noteRule(): void {
    this.#shared = undefined
  }

  /** What its rules do not enforce as they read; nothing while it governs nothing. */
  issues(): readonly Issue[] {
    if (this.governs.size === 0 || this.#rules === undefined) return []
    const { ingress = [], egress = [] } = this.#rules
    return firstOf(
      [...ingress, ...egress].flatMap((rule) => rule.issues()),
      this.policy,
    )
  }

  release(): void {
    const { ingress = [], egress = [] } = this.#rules ?? {}
    for (const rule of [...ingress, ...egress]) rule.release(this.#members)
    this.#rules = undefined
    this.#shared = undefined
  }

  #take(): Readonly<Record<Direction, readonly RuleRecord[] | undefined>> {
    const { isolates, rules } = this.policy
    const recordsOf = (direction: Direction): readonly RuleRecord[] | undefined =>
      isolates[direction]
        ? rules[direction].map((rule, index) => new RuleRecord(this, direction, index, rule, this.#members))
        : undefined
    this.#rules ??= { ingress: recordsOf('ingress'), egress: recordsOf('egress') }
    return this.#rules
  }
}
