/**
 * The one place where the floors meet: what the sources tell goes into the cluster, the cluster is compiled, and the
 * reconciler is told what is desired.
 *
 * Nothing is computed before every kind has been listed once, so nothing is removed for being unknown. While a source
 * fails, what is enforced stays.
 */
import type { Logger } from 'pino'
import { type Outcome, Reconciler, type Target } from './apply/reconciler.ts'
import type { Clock } from './clock.ts'
import type { Cluster, ClusterChange } from './compile/cluster.ts'
import type { Compilation, CompileOptions, PodTarget } from './compile/compilation.ts'
import { NO_CUSTOM_RULES } from './compile/custom/rules.ts'
import { IncrementalCompiler } from './compile/incremental/compiler.ts'
import type { Attachment, Issue, Kind, NamespacedName, Pod } from './compile/model.ts'
import { isHeavy } from './compile/ruleset-limit.ts'
import { IssueLog } from './issue-log.ts'
import type { DaemonStatus, Observer } from './metrics.ts'
import type { NodeCheck } from './node-check.ts'
import { KINDS } from './watch/parse/object.ts'
import type { RuleFilesState } from './watch/rule-files/source.ts'
import type { Source, SourceEvent } from './watch/source.ts'

export interface DaemonOptions {
  readonly sources: readonly Source[]
  readonly compile: Omit<CompileOptions, 'custom'>
  /** The operator's own rules, as they are and whenever they change; nothing is enforced before the first. */
  readonly customRules: AsyncIterable<RuleFilesState>
  readonly target: Target<PodTarget>
  /** OVN mode, where it is on. */
  readonly ovn?: OvnMode | undefined
  /** Who else is told the Issues that hold and concern this node's pods, whenever they may have changed. */
  readonly tellIssues: (issues: readonly Issue[]) => void
  /** Whether pods can be enforced on here at all; undefined where that does not matter. */
  readonly nodeCheck?: NodeCheck | undefined
  /** What is not as asked for on the node itself, whatever its pods. */
  readonly nodeIssues?: () => readonly Issue[]
  /** Called when something was compiled or applied. */
  readonly onProgress?: () => void
  /** Called before every pod is looked at again, as if nothing were known of where it is. */
  readonly onResync?: () => void
  readonly observer?: Observer | undefined
  readonly concurrency: number
  /** `--sync-period`. */
  readonly syncPeriodMs: number
  readonly clock: Clock
  readonly log: Logger
  readonly signal: AbortSignal
}

/** What enforces attachments in OVN; see `OvnEnforcement`. */
export interface OvnMode {
  run(): Promise<void>
  /** @param changes how it differs from when it was last stated */
  setCluster(cluster: Cluster, removals: boolean, changes: readonly ClusterChange[]): void
  enforces(cluster: Cluster, pod: Pod, attachment: Attachment): boolean
  issues(): readonly Issue[]
  readonly ready: boolean
}

/** Issues that are the same are told again after so long, when there is an occasion. */
const TELL_AGAIN_MS = 60_000

export class Daemon {
  readonly #options: DaemonOptions
  readonly #compiler: IncrementalCompiler
  #customRules: RuleFilesState | undefined
  readonly #listed = new Set<Kind>()
  readonly #sourceIssues = new Map<Source, readonly Issue[]>()
  /** Sources that have never been able to tell all they hold: until they do, nothing is taken away. */
  readonly #incomplete = new Set<Source>()
  readonly #issueLog: IssueLog
  readonly #reconciler: Reconciler<PodTarget>
  #compilation: Compilation = {
    targets: new Map(),
    issues: [],
    rulesetOf: () => undefined,
    versionOf: () => undefined,
  }
  #reporting = false
  #told: { readonly issues: readonly Issue[]; readonly targets: object; readonly at: number } | undefined
  readonly #issuesOfOutcomes = new WeakMap<Outcome, { readonly key: string; readonly issue: Issue }>()
  /** When the first change came that is not enforced yet. */
  #changedAt: number | undefined
  #compiling: 'idle' | 'due' | 'resting' | 'resting, due' = 'idle'

  constructor(options: DaemonOptions) {
    this.#options = options
    this.#compiler = new IncrementalCompiler(options.compile)
    this.#issueLog = new IssueLog(options.log)
    this.#reconciler = new Reconciler({
      target: options.target,
      clock: options.clock,
      signal: options.signal,
      concurrency: options.concurrency,
      // The compiler gives a target that is not affected again.
      same: (a, b) => a === b,
      isHeavy: ({ ruleset }) => ruleset !== undefined && isHeavy(ruleset),
      onOutcome: (key, outcome) => this.#note(key, outcome),
    })
  }

  /** Follows the sources until the signal aborts. Rejects where a source cannot even begin. */
  async run(): Promise<void> {
    const sources = this.#options.sources.map((source) => this.#follow(source))
    const { ovn, nodeCheck } = this.#options
    await Promise.all([...sources, this.#followCustomRules(), this.#resync(), ovn?.run(), nodeCheck?.run()])
  }

  async #followCustomRules(): Promise<void> {
    for await (const state of this.#options.customRules) {
      this.#customRules = state
      if (this.#synced) this.#schedule()
    }
  }

  /** Has every pod looked at again from time to time: a sandbox can be made anew without a word from any source. */
  async #resync(): Promise<void> {
    const { clock, signal, syncPeriodMs } = this.#options
    while (!signal.aborted) {
      await clock.sleep(syncPeriodMs, signal).catch(() => undefined)
      this.#options.onResync?.()
      for (const key of this.#compilation.targets.keys()) this.#reconciler.touch(key)
    }
  }

  /** What is desired of the pod now stands, or nothing is desired of it. */
  isAsDesired(pod: NamespacedName): boolean {
    return this.#reconciler.isAsDesired(pod)
  }

  /** Somebody waits for this pod: it is looked at before those that are only looked at from time to time. */
  hurry(pod: NamespacedName): void {
    this.#reconciler.touch(pod, 'now')
  }

  /** Issues or readiness of OVN mode may have changed. */
  noteOvn(): void {
    this.#reportIssues()
    this.#noteIdle()
    this.#options.onProgress?.()
  }

  /** What is wrong with the node may be otherwise than before. */
  noteNode(): void {
    this.#reportIssues()
  }

  /** Ports came to OVN, or went: attachments may be enforced there now, or no longer. */
  noteOvnPorts(): void {
    if (this.#synced) this.#schedule()
  }

  /** The local pods and their rules as last compiled. */
  get compilation(): Compilation {
    return this.#compilation
  }

  get status(): DaemonStatus {
    const targets = [...this.#compilation.targets.values()]
    const governed = targets.filter(({ ruleset }) => ruleset !== undefined).length
    const failing = [...this.#reconciler.remarkable()].filter(([, { kind }]) => kind === 'failed').length
    const byKind = Map.groupBy(this.issues(), ({ object }) => object.kind)
    return {
      ready: this.ready,
      synced: new Map(KINDS.map((kind) => [kind, this.#listed.has(kind)])),
      pods: { governed, ungoverned: targets.length - governed, failing },
      issues: new Map([...byKind].map(([kind, issues]) => [kind, issues.length])),
    }
  }

  /**
   * Every source synced, and every local pod enforced or with an Issue that was reported; but not where the node is why no
   * pod of it is.
   */
  get ready(): boolean {
    const { ovn, nodeCheck } = this.#options
    const others = (ovn?.ready ?? true) && (nodeCheck?.able ?? true)
    return this.#synced && !this.#compiling.endsWith('due') && this.#reconciler.settled && others
  }

  get #synced(): boolean {
    return this.#customRules !== undefined && KINDS.every((kind) => this.#listed.has(kind))
  }

  async #follow(source: Source): Promise<void> {
    for await (const events of source) {
      for (const event of events) this.#take(source, event)
      if (this.#synced) this.#schedule()
    }
  }

  #take(source: Source, event: SourceEvent): void {
    switch (event.kind) {
      case 'issues':
        this.#sourceIssues.set(source, event.issues)
        if (event.incomplete === true) this.#incomplete.add(source)
        else this.#incomplete.delete(source)
        return
      case 'failing':
        this.#options.log.warn({ object: event.what, reason: event.reason }, event.reason)
        return
      case 'recovered':
        this.#options.log.info({ object: event.what }, `${event.what}: recovered`)
        return
      default:
        if (event.kind === 'replaced') this.#listed.add(event.of)
        this.#compiler.apply(event)
    }
  }

  /** Compiles soon, once for all events that are here by then; then rests as long as it took. */
  #schedule(): void {
    this.#changedAt ??= this.#options.clock.now()
    if (this.#compiling === 'resting') this.#compiling = 'resting, due'
    if (this.#compiling !== 'idle') return
    this.#compiling = 'due'
    setImmediate(() => void this.#compileAndRest())
  }

  async #compileAndRest(): Promise<void> {
    const { clock, signal } = this.#options
    const began = clock.now()
    this.#compile()
    this.#options.observer?.compiled((clock.now() - began) / 1_000)
    this.#compiling = 'resting'
    await clock.sleep(clock.now() - began, signal).catch(() => undefined)
    const due = this.#compiling !== 'resting'
    this.#compiling = 'idle'
    if (due && !signal.aborted) this.#schedule()
  }

  #compile(): void {
    const custom = this.#customRules?.rules ?? NO_CUSTOM_RULES
    const { ovn } = this.#options
    const { cluster } = this.#compiler
    const elsewhere = ovn && ((pod: Pod, attachment: Attachment) => ovn.enforces(cluster, pod, attachment))
    this.#compilation = this.#compiler.compile({ custom, elsewhere })
    const governed = [...this.#compilation.targets].filter(([, target]) => target.ruleset !== undefined)
    this.#reconciler.setDesired(new Map(governed), this.#incomplete.size === 0)
    ovn?.setCluster(cluster, this.#incomplete.size === 0, this.#compiler.taken)
    this.#reportIssues()
    this.#options.log.debug({ governed: governed.length }, 'compiled')
    this.#noteIdle()
    this.#options.onProgress?.()
  }

  #note(key: string, outcome: Outcome): void {
    if (outcome.kind === 'done') this.#options.log.debug({ object: key }, `${key}: as desired`)
    this.#options.observer?.applied(outcome)
    this.#options.nodeCheck?.note(this.#reconciler.tally())
    this.#reportIssues()
    this.#noteIdle()
    this.#options.onProgress?.()
  }

  /** So that whoever follows the log need not guess when a change has been dealt with. */
  #noteIdle(): void {
    if (!this.#reconciler.idle || this.#options.ovn?.ready === false) return
    this.#options.log.debug('settled')
    if (this.#changedAt === undefined || this.#compiling.endsWith('due')) return
    this.#options.observer?.enforced((this.#options.clock.now() - this.#changedAt) / 1_000)
    this.#changedAt = undefined
  }

  /** Once for all outcomes that come together. */
  #reportIssues(): void {
    if (this.#reporting) return
    this.#reporting = true
    setImmediate(() => {
      this.#reporting = false
      const issues = this.issues()
      if (this.#toldAlready(issues)) return
      this.#issueLog.set(issues)
      // Whoever writes to OVN speaks for the ports of all nodes.
      const inOvn = (this.#options.ovn?.issues() ?? []).filter(({ object }) => object.kind !== 'File')
      this.#options.tellIssues([...new Set([...concerning(issues, this.#compilation.targets), ...inOvn])])
    })
  }

  /** Most often nothing is otherwise. All the same it is told from time to time, since Events do not live for ever. */
  #toldAlready(issues: readonly Issue[]): boolean {
    const now = this.#options.clock.now()
    const { targets } = this.#compilation
    const told = this.#told
    const asBefore =
      told?.targets === targets &&
      told.issues.length === issues.length &&
      told.issues.every((issue, place) => issue === issues[place])
    if (asBefore && now - told.at < TELL_AGAIN_MS) return true
    this.#told = { issues, targets, at: now }
    return false
  }

  /** Everything that is not enforced as written, for now. */
  issues(): readonly Issue[] {
    const applying = [...this.#reconciler.remarkable()].map(([key, outcome]) => {
      const known = this.#issuesOfOutcomes.get(outcome)
      const issue = known?.key === key ? known.issue : issueOf(key, outcome)
      this.#issuesOfOutcomes.set(outcome, { key, issue })
      return issue
    })
    const files = this.#customRules?.issues ?? []
    const inOvn = this.#options.ovn?.issues() ?? []
    return [
      ...(this.#options.nodeIssues?.() ?? []),
      ...files,
      ...[...this.#sourceIssues.values()].flat(),
      ...this.#compilation.issues,
      ...inOvn,
      ...applying,
    ]
  }
}

function issueOf(key: string, outcome: Outcome): Issue {
  const [namespace = '', name = key] = key.split('/')
  const reason =
    outcome.kind === 'failed'
      ? `not enforced yet because: ${outcome.reason}`
      : `not as told: ${outcome.remark}`
  return { object: { kind: 'Pod', namespace, name }, field: '', reason }
}

/** The Issues that this node's pods have to do with: what is wrong elsewhere, the nodes there will tell. */
function concerning(issues: readonly Issue[], targets: Compilation['targets']): readonly Issue[] {
  const pods = [...targets.values()].map(({ pod }) => pod)
  const namespaces = new Set(pods.map((pod) => pod.namespace))
  const networks = new Set<string>(
    pods.flatMap((pod) => pod.attachments.map((attachment) => attachment.network)),
  )
  return issues.filter(({ object: { kind, namespace = '', name } }) => {
    switch (kind) {
      case 'MultiNetworkPolicy':
        return namespaces.has(namespace)
      case 'Namespace':
        return namespaces.has(name)
      case 'NetworkAttachmentDefinition':
        return networks.has(`${namespace}/${name}`)
      case 'Pod':
        return targets.has(`${namespace}/${name}`)
      case 'File':
        return false
      default:
        return kind satisfies never
    }
  })
}
