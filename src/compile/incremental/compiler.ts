/**
 * Compiles change by change: an event costs what it affects, and what it does not affect stays the same object. The
 * result is that of `compile` from scratch.
 *
 * What is told waits until the next compile, so that at all times everything here is that of one state, the one last
 * compiled: rules asked for in between are never newer than the targets.
 */
import { Cluster, type ClusterChange } from '../cluster.ts'
import type { Compilation, CompileOptions, PodTarget } from '../compilation.ts'
import { isLocal } from '../compile.ts'
import { NO_CUSTOM_RULES } from '../custom/rules.ts'
import { closed, type Governed, governedBy, rulesetOf } from '../governance.ts'
import { networkCounts } from '../members.ts'
import type { Attachment, Namespace, NamespacedName, Network, Pod, Policy } from '../model.ts'
import { missingNetworks } from '../not-enforced.ts'
import type { Ruleset } from '../ruleset.ts'
import { type Limited, withinLimits } from '../ruleset-limit.ts'
import { matches } from '../selector.ts'
import { equal } from './equal.ts'
import { IssueLedger } from './issue-ledger.ts'
import type { LocalPod } from './local-pod.ts'
import { MemberIndex } from './member-index.ts'
import { addTo, type Multimap, removeFrom } from './multimap.ts'
import { PendingChanges } from './pending.ts'
import { PolicyIndex } from './policy-index.ts'
import type { PolicyRecord } from './policy-record.ts'

/** What may be otherwise at each compile. */
export type CompileInput = Pick<CompileOptions, 'custom' | 'elsewhere'>

/** Whoever makes something else of policies than rulesets of pods: then there are no targets. */
export interface GovernanceObserver {
  /** Attachments that nobody governs here, whatever happens. */
  readonly ignores: (attachment: Attachment) => boolean
  /** The policy governs the pod, in a way it did not; or governs it no more. */
  readonly governs: (record: PolicyRecord, pod: LocalPod) => void
  /** A rule of the policy comes to something else. */
  readonly rules: (record: PolicyRecord) => void
}

const UNGOVERNED: Governed<PolicyRecord> = { governing: [], issues: [] }

export class IncrementalCompiler {
  /** As last compiled. */
  readonly cluster: Cluster = new Cluster()
  readonly #options: Omit<CompileOptions, keyof CompileInput>
  readonly #observer: GovernanceObserver | undefined
  readonly #pending = new PendingChanges(this.cluster)
  readonly #members: MemberIndex
  readonly #ledger = new IssueLedger()
  readonly #policies: PolicyIndex
  readonly #local = new Map<string, LocalPod>()
  readonly #localIn: Multimap<string, LocalPod> = new Map()
  /** Local pods whose targets are to be worked out anew. */
  readonly #stale = new Set<LocalPod>()
  /** Policies that may govern nothing any more, or have other Issues. */
  readonly #touched = new Set<PolicyRecord>()
  /** Which attachments of local pods are enforced by other means. */
  #elsewhere: ReadonlyMap<Attachment, boolean> = new Map()
  #input: CompileInput = { custom: NO_CUSTOM_RULES }
  #targetsChanged = true
  #recompiled = 0
  #compilation: Compilation | undefined

  constructor(options: Omit<CompileOptions, keyof CompileInput>, observer?: GovernanceObserver) {
    this.#options = options
    this.#observer = observer
    const { networkPlugins } = options
    this.#members = new MemberIndex(this.cluster, (network) =>
      networkCounts(this.cluster, networkPlugins, network),
    )
    this.#policies = new PolicyIndex(this.#members)
  }

  /** Takes note; nothing is compiled yet. */
  apply(change: ClusterChange): void {
    this.#pending.note(change)
  }

  /** @returns the same object as before where nothing is otherwise; the same target for each pod that is not affected */
  compile(input: CompileInput): Compilation {
    const before = this.#input
    this.#input = input
    this.#pending.forgetTaken()
    this.#takeNetworks()
    this.#takeNamespaces()
    this.#takePolicies()
    this.#takePods()
    this.#lookElsewhere(before)
    this.#refreshRules()
    if (input.custom !== before.custom) for (const local of this.#local.values()) this.#stale.add(local)
    this.#recompiled = this.#stale.size
    for (const local of this.#stale) this.#recompile(local)
    this.#stale.clear()
    this.#settleTouched()
    return this.#result()
  }

  /** How many targets the last compile worked out anew, to the same end or another. */
  get recompiled(): number {
    return this.#recompiled
  }

  /** What the last compile took in, in the order in which it did. */
  get taken(): readonly ClusterChange[] {
    return this.#pending.taken
  }

  local(pod: NamespacedName): LocalPod | undefined {
    return this.#local.get(pod)
  }

  /** How many sets of members are kept. */
  get memberSets(): number {
    return this.#members.size
  }

  #takeNetworks(): void {
    const types = new Set<string>()
    let come = false
    for (const { key, ...change } of this.#pending.take('NetworkAttachmentDefinition')) {
      const [before, after] = [change.before as Network | undefined, change.after as Network | undefined]
      this.#ledger.set(`network ${key}`, after?.issues ?? [])
      if (before?.cniType !== after?.cniType) types.add(key)
      come ||= before === undefined || after === undefined
    }
    if (come) for (const policy of this.cluster.policies.values()) this.#noteMissing(policy)
    if (types.size === 0) return
    this.#members.networksChanged()
    for (const local of this.#local.values()) {
      if (local.pod.attachments.some(({ network }) => types.has(network))) this.#regovern(local)
    }
  }

  #takeNamespaces(): void {
    for (const { key, ...change } of this.#pending.take('Namespace')) {
      const [before, after] = [change.before as Namespace | undefined, change.after as Namespace | undefined]
      this.#ledger.set(`namespace ${key}`, after?.issues ?? [])
      this.#members.namespaceChanged(key, before, after)
      if ((before?.logDrops ?? false) === (after?.logDrops ?? false)) continue
      for (const local of this.#localIn.get(key) ?? []) this.#stale.add(local)
    }
  }

  #takePolicies(): void {
    for (const { key, ...change } of this.#pending.take('MultiNetworkPolicy')) {
      const [before, after] = [change.before as Policy | undefined, change.after as Policy | undefined]
      this.#ledger.set(`policy ${key}`, after?.issues ?? [])
      this.#ledger.set(`networks of ${key}`, after ? missingNetworks(after, this.cluster) : [])
      const old = this.#policies.replace(key, after)
      if (old !== undefined) this.#touched.add(old)
      const namespace = (after ?? before)?.namespace ?? ''
      for (const local of this.#localIn.get(namespace) ?? []) {
        const selects = (policy: Policy | undefined): boolean =>
          policy !== undefined && matches(policy.podSelector, local.pod.labels)
        if (selects(before) || selects(after)) this.#regovern(local)
      }
    }
  }

  #takePods(): void {
    for (const { key, ...change } of this.#pending.take('Pod')) {
      const [before, after] = [change.before as Pod | undefined, change.after as Pod | undefined]
      this.#ledger.set(`pod ${key}`, after?.issues ?? [])
      this.#members.podChanged(before, after)
      if (after !== undefined && isLocal(after, this.#options.node)) this.#keepLocal(key, after)
      else this.#dropLocal(key)
    }
  }

  #keepLocal(key: string, pod: Pod): void {
    const local = this.#local.get(key) ?? {
      pod,
      governed: UNGOVERNED,
      toBeGoverned: true,
      target: { pod, ruleset: undefined },
    }
    if (!this.#local.has(key)) this.#targetsChanged = true
    local.pod = pod
    this.#local.set(key, local)
    addTo(this.#localIn, pod.namespace, local)
    this.#regovern(local)
  }

  #dropLocal(key: string): void {
    const local = this.#local.get(key)
    if (local === undefined) return
    this.#setGoverned(local, UNGOVERNED, key)
    this.#ledger.set(`size of ${key}`, [])
    this.#local.delete(key)
    removeFrom(this.#localIn, local.pod.namespace, local)
    this.#stale.delete(local)
    this.#targetsChanged = true
  }

  /** Other means tell of no changes, so they are asked each time. */
  #lookElsewhere(before: CompileInput): void {
    const { elsewhere } = this.#input
    if (elsewhere === undefined && before.elsewhere === undefined) return
    const found = new Map<Attachment, boolean>()
    for (const local of this.#local.values()) {
      for (const attachment of local.pod.attachments) {
        const is = elsewhere?.(local.pod, attachment) === true
        found.set(attachment, is)
        if (is !== (this.#elsewhere.get(attachment) ?? false)) this.#regovern(local)
      }
    }
    this.#elsewhere = found
  }

  #refreshRules(): void {
    const rules = new Set([...this.#members.takeChanged()].flatMap((set) => [...set.users]))
    for (const rule of rules) {
      const { record } = rule
      this.#touched.add(record)
      if (!rule.refresh()) continue
      record.noteRule()
      if (this.#observer === undefined) for (const local of record.governs) this.#stale.add(local)
      this.#observer?.rules(record)
    }
  }

  #regovern(local: LocalPod): void {
    local.toBeGoverned = true
    this.#stale.add(local)
  }

  #recompile(local: LocalPod): void {
    const { pod, target } = local
    if (local.toBeGoverned) this.#setGoverned(local, this.#governed(pod), `${pod.namespace}/${pod.name}`)
    const { ruleset, issue }: Limited =
      this.#observer === undefined ? this.#ruleset(pod, local.governed) : { ruleset: undefined }
    this.#ledger.set(`size of ${pod.namespace}/${pod.name}`, issue === undefined ? [] : [issue])
    const stays = equal(ruleset, target.ruleset)
    if (stays && target.pod === pod) return
    local.target = { pod, ruleset: stays ? target.ruleset : ruleset }
    this.#targetsChanged = true
  }

  #governed(pod: Pod): Governed<PolicyRecord> {
    return governedBy(this.#policies.selecting(pod), pod, this.cluster, {
      networkPlugins: this.#options.networkPlugins,
      elsewhere: (pod, attachment) =>
        this.#observer?.ignores(attachment) ??
        this.#elsewhere.get(attachment) ??
        this.#input.elsewhere?.(pod, attachment) ??
        false,
    })
  }

  #setGoverned(local: LocalPod, governed: Governed<PolicyRecord>, key: string): void {
    for (const { by } of local.governed.governing) {
      by.governs.delete(local)
      this.#touched.add(by)
    }
    for (const { by, isolatesOnly } of governed.governing) {
      // Of its rules such a policy uses none.
      if (isolatesOnly !== true) by.governs.add(local)
      this.#touched.add(by)
      // Who is asked for no ruleset has its rules taken up all the same.
      if (this.#observer !== undefined) by.rulesFor(local.pod)
    }
    this.#ledger.set(`governed ${key}`, governed.issues)
    const before = local.governed
    local.governed = governed
    local.toBeGoverned = false
    if (this.#observer !== undefined) this.#tell(this.#observer, local, before)
  }

  #tell(observer: GovernanceObserver, local: LocalPod, before: Governed<PolicyRecord>): void {
    const attachmentsOf = ({ governing }: Governed<PolicyRecord>): ReadonlyMap<PolicyRecord, unknown> =>
      new Map(governing.map(({ by, attachments }) => [by, attachments]))
    const [old, now] = [attachmentsOf(before), attachmentsOf(local.governed)]
    for (const by of old.keys()) if (!now.has(by)) observer.governs(by, local)
    for (const [by, attachments] of now) if (!equal(attachments, old.get(by))) observer.governs(by, local)
  }

  #ruleset(pod: Pod, { governing }: Governed<PolicyRecord>): Limited {
    const policies = governing.map(({ by, isolatesOnly }) =>
      isolatesOnly === true ? closed(by.policy) : by.rulesFor(pod),
    )
    const options = { ...this.#options, custom: this.#input.custom }
    return withinLimits(rulesetOf(pod, governing, policies, this.cluster, options), pod)
  }

  /** Policies that govern nothing let go of their members, after others have taken theirs up. */
  #settleTouched(): void {
    for (const record of this.#touched) {
      if (record.governs.size > 0) continue
      record.release()
      this.#ledger.set(`rules ${nameOfPolicy(record)}`, [])
    }
    for (const record of this.#touched) {
      if (record.governs.size > 0) this.#ledger.set(`rules ${nameOfPolicy(record)}`, record.issues())
    }
    this.#touched.clear()
  }

  #noteMissing(policy: Policy): void {
    this.#ledger.set(`networks of ${policy.namespace}/${policy.name}`, missingNetworks(policy, this.cluster))
  }

  #result(): Compilation {
    const last = this.#compilation
    const issues = this.#ledger.all()
    if (last !== undefined && !this.#targetsChanged && issues === last.issues) return last
    this.#compilation = {
      targets: last === undefined || this.#targetsChanged ? this.#targets() : last.targets,
      issues,
      rulesetOf: (pod) => this.#rulesetAsked(pod),
      versionOf: (policy) => this.cluster.policies.get(policy)?.version,
    }
    this.#targetsChanged = false
    return this.#compilation
  }

  #targets(): ReadonlyMap<NamespacedName, PodTarget> {
    if (this.#observer !== undefined) return new Map()
    return new Map(
      [...this.#local.values()].map(({ pod, target }) => [`${pod.namespace}/${pod.name}`, target]),
    )
  }

  /** Of a pod with other attachments than it tells of: what is taken up for it goes with the next compile. */
  #rulesetAsked(pod: Pod): Ruleset | undefined {
    const target = this.#compilation?.targets.get(`${pod.namespace}/${pod.name}`)
    if (target?.pod === pod) return target.ruleset
    const governed = this.#governed(pod)
    for (const { by } of governed.governing) this.#touched.add(by)
    return this.#ruleset(pod, governed).ruleset
  }
}

function nameOfPolicy({ policy }: PolicyRecord): NamespacedName {
  return `${policy.namespace}/${policy.name}`
}
