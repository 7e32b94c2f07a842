/**
 * OVN mode, as the daemon sees it: it is told the cluster, and says what it cannot enforce, whether it is ready, and
 * which attachments are enforced here rather than in the pod's network namespace.
 */
import type { Clock } from '../../clock.ts'
import type { Cluster } from '../../compile/cluster.ts'
import { type Attachment, type Issue, nameOf, type Pod } from '../../compile/model.ts'
import { compileOvn, type OvnCompilation, type OvnCompileOptions } from '../../compile/ovn/compile.ts'
import { OVN_CNI_TYPE, type PortsByPod } from '../../compile/ovn/ports.ts'
import { ovnLines } from '../../compile/ovn/text.ts'
import { type NorthboundAddress, type NorthboundRows, openNorthbound, type SignRows } from './northbound.ts'
import { enforcedByOvnKubernetes, portsOf } from './ports.ts'
import { portNames, standingRows } from './standing.ts'
import { NorthboundWriter, type Wanted, type WriterStatus } from './writer.ts'

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
  #clusterChanged = false
  #compiled: OvnCompilation | undefined
  #ports: PortsByPod = new Map()
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
      wanted: (rows, signs, changed) => this.#wanted(rows, signs, changed),
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
   */
  setCluster(cluster: Cluster, removals: boolean): void {
    this.#cluster = cluster
    this.#removals = removals
    this.#clusterChanged = true
    this.#writer?.request()
  }

  /**
   * Whether the attachment is enforced in OVN (G3): its port is there, or it is on a network of ovn-kubernetes, of which
   * nobody asked that it be enforced in namespaces.
   */
  enforces(cluster: Cluster, pod: Pod, { network }: Attachment): boolean {
    if (this.#ports.get(nameOf(pod))?.has(network) === true) return true
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

  #wanted(rows: NorthboundRows, signs: SignRows, portsChanged: boolean): Wanted | undefined {
    const { compile, enforceAlways } = this.#options
    if (this.#cluster === undefined) return undefined
    const fresh = portsChanged || this.#clusterChanged || this.#compiled === undefined
    if (fresh || this.#compiled === undefined) {
      this.#clusterChanged = false
      const leftToOvnKubernetes = enforceAlways ? new Set<string>() : enforcedByOvnKubernetes(signs)
      this.#compiled = compileOvn(this.#cluster, portsOf(rows), { ...compile, leftToOvnKubernetes })
      this.#setPorts(this.#compiled.ports)
    }
    return { rows: this.#compiled.rows, removals: this.#removals, fresh }
  }

  #setPorts(ports: PortsByPod): void {
    const before = placesOf(this.#ports)
    const now = placesOf(ports)
    this.#ports = ports
    if (before.symmetricDifference(now).size > 0) this.#options.onPlaces()
  }
}

function placesOf(ports: PortsByPod): ReadonlySet<string> {
  return new Set(
    [...ports].flatMap(([pod, networks]) => [...networks.keys()].map((each) => `${pod} ${each}`)),
  )
}
