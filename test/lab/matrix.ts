/**
 * Who reaches whom: the probes between all ordered pairs of some pods, each family and protocol that both
 * ends have, and their verdicts as rows that {@link renderTable} prints.
 */
import type { Family, Interface, Pod, Services } from './pod.ts'
import type { Probe, ProbeResult, Protocol } from './probe.ts'
import type { Row } from './table.ts'

export interface MatrixSpec {
  readonly pods: readonly Pod[]
  /** Default: every segment that the pair shares. */
  readonly segment?: string
  /** For TCP and UDP each; served by all the pods from then on. Default 80 alone. */
  readonly ports?: readonly number[]
  /** Default all three. */
  readonly protocols?: readonly Protocol[]
  /** Default both. */
  readonly families?: readonly Family[]
  readonly timeoutMs?: number
  /** What a rule or a model says; a cell without an expectation is only shown. */
  readonly expect?: (cell: MatrixCell) => 'open' | 'blocked' | undefined
}

interface Service {
  readonly protocol: Protocol
  readonly port?: number
}

export interface MatrixCell extends Service {
  readonly from: Pod
  readonly to: Pod
  readonly segment: string
  readonly family: Family
}

export interface MatrixRow extends Row {
  readonly cell: MatrixCell
  readonly probe: Probe
  readonly result: ProbeResult
}

/** The cells in the order of the pods, then segments, families, protocols, ports. */
export function matrixCells(spec: MatrixSpec): MatrixCell[] {
  return spec.pods.flatMap((from) =>
    spec.pods
      .filter((to) => to !== from)
      .flatMap((to) =>
        sharedSegments(from, to, spec.segment).flatMap((segment) =>
          families(from, to, segment, spec.families).flatMap((family) =>
            services(spec).map((service) => ({ from, to, segment, family, ...service })),
          ),
        ),
      ),
  )
}

export function cellProbe(cell: MatrixCell, timeoutMs: number | undefined): Probe {
  const { from, to, segment, family, protocol, port } = cell
  return {
    ...{ from, protocol, to: to.address(family, segment) },
    ...(port !== undefined && { port }),
    ...(timeoutMs !== undefined && { timeoutMs }),
  }
}

export function matrixRows(
  spec: MatrixSpec,
  cells: readonly MatrixCell[],
  probes: readonly Probe[],
  results: readonly ProbeResult[],
): MatrixRow[] {
  return cells.map((cell, index) => {
    const { from, to, segment, family, protocol, port } = cell
    const [probe, result] = [probes[index] as Probe, results[index] as ProbeResult]
    const expected = spec.expect?.(cell)
    return {
      ...{ cell, probe, result },
      ...{ from: from.name, to: to.name, segment, family, protocol, seen: result.verdict },
      ...(port !== undefined && { port }),
      ...(expected !== undefined && { expected }),
    }
  })
}

/** What the pods have to serve; nothing, and no agents, for ICMP alone. */
export function matrixServices(spec: MatrixSpec): Services | undefined {
  const wanted = services(spec)
  const of = (protocol: Protocol): number[] =>
    wanted.flatMap((service) => (service.protocol === protocol ? (service.port ?? []) : []))
  const [tcp, udp] = [of('tcp'), of('udp')]
  return tcp.length + udp.length === 0 ? undefined : { tcp, udp }
}

function sharedSegments(from: Pod, to: Pod, only: string | undefined): string[] {
  const others = new Set(segmentsOf(to.interfaces))
  return segmentsOf(from.interfaces).filter(
    (segment) => others.has(segment) && (only === undefined || segment === only),
  )
}

function segmentsOf(interfaces: readonly Interface[]): string[] {
  return [...new Set(interfaces.flatMap(({ segment }) => segment ?? []))]
}

function families(from: Pod, to: Pod, segment: string, wanted: readonly Family[] = [4, 6]): Family[] {
  return wanted.filter((family) => [from, to].every((pod) => pod.findAddress(family, segment) !== undefined))
}

function services(spec: MatrixSpec): Service[] {
  const { protocols = ['tcp', 'udp', 'icmp'], ports = [80] } = spec
  return protocols.flatMap((protocol): Service[] =>
    protocol === 'icmp' ? [{ protocol }] : ports.map((port) => ({ protocol, port })),
  )
}
