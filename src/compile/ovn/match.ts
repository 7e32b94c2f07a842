/**
 * Matches of ACLs (ovn-expr, in ovn-sb(5), table Logical_Flow), made of parsed addresses, numbers and our own names.
 *
 *     outport == @mnpd_policy_5d41… && (ip4.src == {$mnpd_peers_7d79…_v4, 10.0.0.0/8} || ip6.src == $mnpd_peers_7d79…_v6)
 *       && (tcp.dst == {80, 443, 0x1f90/0xfff0} || udp)
 *
 * Whatever can be said as one field and a set of constants is: sets of several fields then cost their sum in flows, not
 * their product. A range of ports is a few numbers with masks for the same reason, and `!=` is never used.
 */
import type { Family } from '../address.ts'
import type { Direction } from '../model.ts'
import { isAllPorts, type PortRange, type Protocol } from '../port.ts'
import type { PortSet } from '../ruleset.ts'

/** Constants that a field is compared with: prefixes, addresses, `$` and the name of an address set. */
export type Constants = readonly string[]

/** Packets of a direction to or from the ports of a group. */
export function ofGroup(direction: Direction, group: string): string {
  return `${direction === 'ingress' ? 'outport' : 'inport'} == @${group}`
}

/** All that must hold, from left to right. */
export function all(...terms: readonly (string | undefined)[]): string {
  return terms.filter((term) => term !== undefined).join(' && ')
}

/** One of the terms, of which there is at least one. */
export function any(terms: readonly string[]): string {
  return terms.length === 1 ? (terms[0] ?? '') : `(${terms.join(' || ')})`
}

/** @param end the packet's other end: its source on ingress, its destination on egress */
export function address(family: Family, end: 'src' | 'dst', constants: Constants): string {
  return compare(`ip${family}.${end}`, constants)
}

export function peerEnd(direction: Direction): 'src' | 'dst' {
  return direction === 'ingress' ? 'src' : 'dst'
}

/** Undefined where every packet will do. */
export function ports(set: PortSet): string | undefined {
  if (set.kind === 'any') return undefined
  return any(
    set.ports.map(({ protocol, ranges }) =>
      isAllPorts(ranges) ? NAMES[protocol] : destination(protocol, ranges),
    ),
  )
}

export function destination(protocol: Protocol, ranges: readonly PortRange[]): string {
  return compare(`${NAMES[protocol]}.dst`, ranges.flatMap(masked))
}

const NAMES: Readonly<Record<Protocol, string>> = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' }

/** The range as the fewest numbers with masks: 8000 to 8003 is `0x1f40/0xfffc`, both in hex, as ovn-expr wants it. */
export function masked({ first, last }: PortRange): readonly string[] {
  const numbers: string[] = []
  let next = first
  while (next <= last) {
    let size = 1
    while (next % (size * 2) === 0 && next + size * 2 - 1 <= last && size < 65536) size *= 2
    numbers.push(size === 1 ? `${next}` : `${hex(next)}/${hex(65536 - size)}`)
    next += size
  }
  return numbers
}

function hex(value: number): string {
  return `0x${value.toString(16)}`
}

function compare(field: string, constants: Constants): string {
  return `${field} == ${constants.length === 1 ? constants[0] : `{${constants.join(', ')}}`}`
}
