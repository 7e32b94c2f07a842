/**
 * OVN mode, as the daemon sees it: it is told the cluster, and says what it cannot enforce, whether it is ready, and
 * which attachments are enforced here rather than in the pod's network namespace.
 */
import type { Clock } from '../../clock.ts'
import type { Cluster, ClusterChange } from '../../compile/cluster.ts'
import { type Attachment, type Issue, type Kind, nameOf, type Pod } from '../../compile/model.ts'
import type { OvnCompileOptions } from '../../compile/ovn/compile.ts'
import { OvnCompiler } from '../../compile/ovn/compiler.ts'
import { OVN_CNI_TYPE } from '../../compile/ovn/ports.ts'
import { ovnLines } from '../../compile/ovn/text.ts'
import { type NorthboundAddress, openNorthbound } from './northbound.ts'
import { enforcedByOvnKubernetes, PortReader } from './ports.ts'
import { portNames, standingRows } from './standing.ts'
import { NorthboundWriter, type Read, type Wanted, type WriterStatus } from './writer.ts'

const KINDS: readonly Kind[] = ['NetworkAttachmentDefinition', 'Namespace', 'MultiNetworkPolicy', 'Pod']

export interface OvnEnforcementOptions {
  readonly address: NorthboundAddress
  /** As for the pods' network namespaces. */
  readonly compile: Omit<OvnCompileOptions, 'leftToOvnKubernetes'>
  /** Networks of ovn-kubernetes are in `--network-plugins`: what has no port in the database is enforced in namespaces. */
  readonly inNamespacesToo: boolean
  /** `--ovn-enforce-always`: also on networks on which ovn-kubernetes enforces policies itself. */
  readonly enforceAlways: boolean
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Issues, readiness or what stands may have changed. */
  readonly onChange: () => void
  /** Somebody else has changed rows of ours. */
  readonly onDrift: () => void
  /** `enforces` may answer otherwise now than before. */
  readonly onPlaces: () => void
  readonly log: OvnLog
}

/** What a log needs here. */
export interface OvnLog {
  info(text: string): void
  warn(text: string): void
}

/** What is worth a line in the log; what is wrong is an Issue. */
const WORDS: Readonly<Partial<Record<WriterStatus['kind'], string>>> = {
  standby: 'another daemon writes it; this one stands by',
  'as-wanted': 'this daemon writes it, and its rows are as the policies ask',
}

export class OvnEnforcement {
  readonly #options: OvnEnforcementOptions
  #writer: NorthboundWriter | undefined
  #cluster: Cluster | undefined
  #removals = false
  /** While rows are read: whoever stands by keeps nothing. */
  #compiler: OvnCompiler | undefined
  readonly #reader = new PortReader()
  #left: ReadonlySet<string> = new Set()
  /** What was noted has not been compiled yet. */
  #due = true
  #compiled: ReturnType<OvnCompiler['compile']> | undefined
  /** See `OvnCompiler.moves`. */
  #moves = 0
  #wasConnected = false
  #told: WriterStatus['kind'] = 'disconnected'

  constructor(options: OvnEnforcementOptions) {
    this.#options = options
  }

  /** Keeps the session, the lock and the rows until the signal aborts. What is enforced stays. */
  async run(): Promise<void> {
    const { address, clock, signal, inNamespacesToo } = this.#options
    await using client = openNorthbound(address, {
      signal,
      onState: (state) => {
        this.#wasConnected ||= state.kind === 'ready'
        this.#writer?.noteSession(state)
      },
    })
    this.#writer = new NorthboundWriter({
      client,
      clock,
      signal,
      // Where such networks are enforced in namespaces too, it has to be known which ports are not.
      readsInStandby: inNamespacesToo,
      onRead: (read) => this.#note(read),
      wanted: (writes) => this.#wanted(writes),
      onDrift: () => {
        this.#options.log.warn('rows in OVN were changed by somebody else; they are put back')
        this.#options.onDrift()
      },
      onChange: () => this.#noteStatus(),
    })
    await this.#writer.run()
  }

  /**
   * The cluster as it is now; the same object may change and be stated again.
   * @param removals false while it is not known whether what is missing is really gone
   * @param changes how it differs from when it was last stated; undefined: in anything
   */
  setCluster(cluster: Cluster, removals: boolean, changes?: readonly ClusterChange[]): void {
    this.#cluster = cluster
    this.#removals = removals
    this.#due = true
    for (const change of changes ?? wholeOf(cluster)) this.#compiler?.apply(change)
    this.#writer?.request()
  }

  /**
   * Whether the attachment is enforced in OVN (G3): its port is there, or it is on a network of ovn-kubernetes, of which
   * nobody asked that it be enforced in namespaces.
   */
  enforces(cluster: Cluster, pod: Pod, { network }: Attachment): boolean {
    if (this.#compiler?.ports.get(nameOf(pod))?.has(network) === true) return true
    const isOvn = cluster.networks.get(network)?.cniType === OVN_CNI_TYPE
    return isOvn && !this.#options.inNamespacesToo
  }

  get status(): WriterStatus {
    return this.#writer?.status ?? { kind: 'disconnected', reason: 'not connected yet' }
  }

  /** All is as wanted, or another sees to that, or it is said why not. Never before the database was first reached. */
  get ready(): boolean {
    const { kind } = this.status
    return (
      this.#wasConnected && kind !== 'starting' && (kind === 'disconnected' || this.#writer?.idle === true)
    )
  }

  issues(): readonly Issue[] {
    const { status } = this
    const own = status.kind === 'standby' ? [] : (this.#compiled?.issues ?? [])
    const reason = 'reason' in status ? status.reason : undefined
    if (reason === undefined) return own
    const name = this.#options.address.endpoints
    const told = `OVN northbound database: ${reason}; what is enforced there stays as it is`
    return [...own, { object: { kind: 'File', name }, field: '', reason: told }]
  }

  /** The rows of ours that stand, as text; undefined for who stands by. */
  standing(): readonly string[] | undefined {
    const rows = this.#writer?.rows
    return rows && ovnLines(standingRows(rows), portNames(rows))
  }

  #noteStatus(): void {
    const { kind } = this.status
    const word = WORDS[kind]
    if (kind !== this.#told && word !== undefined) this.#options.log.info(`OVN northbound database: ${word}`)
    if (word !== undefined) this.#told = kind
    this.#options.onChange()
  }

  #note(read: Read): void {
    const due = this.#due
    this.#due = true
    if (read.kind === 'rows') {
      this.#compiler ??= this.#newCompiler()
      this.#compiler.replacePorts(this.#reader.replaced(read.rows))
    } else if (read.kind === 'changes') {
      const ports = this.#reader.changed(read.rows, read.changes)
      for (const [id, port] of ports) this.#compiler?.setPort(id, port)
      this.#due = ports.size > 0 || due
    } else if (read.kind === 'signs') {
      this.#left = this.#options.enforceAlways ? new Set() : enforcedByOvnKubernetes(read.signs)
    } else {
      this.#compiler = undefined
      this.#compiled = undefined
    }
  }

  #newCompiler(): OvnCompiler {
    const compiler = new OvnCompiler(this.#options.compile)
    if (this.#cluster !== undefined) for (const change of wholeOf(this.#cluster)) compiler.apply(change)
    return compiler
  }

  #wanted(writes: boolean): Wanted | undefined {
    if (this.#cluster === undefined || this.#compiler === undefined) return undefined
    const { moves } = this.#compiler
    if (moves !== this.#moves) this.#options.onPlaces()
    this.#moves = moves
    if (!writes) return undefined
    const fresh = this.#due || this.#compiled === undefined
    this.#due = false
    if (fresh || this.#compiled === undefined) this.#compiled = this.#compiler.compile(this.#left)
    return { rows: this.#compiled.rows, removals: this.#removals, fresh }
  }
}

function wholeOf(cluster: Cluster): readonly ClusterChange[] {
  return KINDS.map((of) => ({ kind: 'replaced', of, objects: [...cluster.objects(of).values()] }))
}
