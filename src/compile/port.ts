/** Protocols and ports: what a policy's `ports` come down to, merged into one spelling. */

export type Protocol = 'TCP' | 'UDP' | 'SCTP'

export const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP']

/** Ports from `first` to `last`, both included, within 0 to 65535. */
export interface PortRange {
  readonly first: number
  readonly last: number
}

/** Every port: what an entry without `port` stands for. */
export const ALL_PORTS: PortRange = { first: 0, last: 65535 }

/** Ascending, disjoint, non-adjacent ranges of one protocol; never empty. */
export interface ProtocolPorts {
  readonly protocol: Protocol
  readonly ranges: readonly PortRange[]
}

export function isProtocol(value: unknown): value is Protocol {
  return PROTOCOLS.some((protocol) => protocol === value)
}

export function isAllPorts(ranges: readonly PortRange[]): boolean {
  const [only, ...others] = ranges
  return (
    others.length === 0 &&
    only !== undefined &&
    only.first === ALL_PORTS.first &&
    only.last === ALL_PORTS.last
  )
}

export function mergePorts(ranges: readonly PortRange[]): readonly PortRange[] {
  const merged: PortRange[] = []
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    const last = merged.at(-1)
    if (last !== undefined && range.first <= last.last + 1) {
      merged[merged.length - 1] = { first: last.first, last: Math.max(last.last, range.last) }
    } else {
      merged.push(range)
    }
  }
  return merged
}
