/** The policies of all namespaces, by namespace and what their podSelectors mention. */

import type { Pod, Policy } from '../model.ts'
import type { MemberIndex } from './member-index.ts'
import { PolicyRecord } from './policy-record.ts'
import { SelectorFile } from './selector-file.ts'

export class PolicyIndex {
  readonly #members: MemberIndex
  readonly #records = new Map<string, PolicyRecord>()
  readonly #byNamespace = new Map<string, SelectorFile<PolicyRecord>>()

  /** @param members where the policies' rules find theirs */
  constructor(members: MemberIndex) {
    this.#members = members
  }

  /** @returns what was known of the policy before: it may still govern pods, and is to be released once it does not */
  replace(key: string, policy: Policy | undefined): PolicyRecord | undefined {
    const old = this.#records.get(key)
    this.#records.delete(key)
    if (old !== undefined) this.#withdraw(old)
    if (policy === undefined) return old
    const record = new PolicyRecord(policy, this.#members)
    this.#records.set(key, record)
    const file = this.#byNamespace.get(policy.namespace) ?? new SelectorFile()
    this.#byNamespace.set(policy.namespace, file)
    file.add(record)
    return old
  }

  /** Those whose podSelector matches, by name. */
  selecting({ namespace, labels }: Pod): readonly PolicyRecord[] {
    const selecting = [...(this.#byNamespace.get(namespace)?.matching(labels) ?? [])]
    return selecting.sort((a, b) => (a.policy.name < b.policy.name ? -1 : 1))
  }

  #withdraw(record: PolicyRecord): void {
    const { namespace } = record.policy
    const file = this.#byNamespace.get(namespace)
    file?.delete(record)
    if (file?.size === 0) this.#byNamespace.delete(namespace)
  }
}
