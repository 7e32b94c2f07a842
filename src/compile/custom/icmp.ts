/**
 * ICMP types and codes by the names that iptables and nft have for them, and which type answers which. Sources:
 * `iptables -p icmp -h` and `ip6tables -p icmpv6 -h` (1.8.9), `nft describe icmp type` and its siblings (1.0.6).
 */
import { SYMBOLS } from 'nftables-json'
import type { Family } from '../address.ts'

export interface IcmpType {
  /** Undefined: any. */
  readonly type: number | undefined
  readonly code: number | undefined
}

/** The value of `--icmp-type` or `--icmpv6-type`: a name, or `type` or `type/code` in numbers. */
export function iptablesIcmpType(family: Family, value: string): IcmpType | undefined {
  const numbers = /^([0-9]{1,3})(?:\/([0-9]{1,3}))?$/.exec(value)
  if (numbers !== null) {
    const [type, code] = [Number(numbers[1]), numbers[2] === undefined ? undefined : Number(numbers[2])]
    return type > 255 || (code ?? 0) > 255 ? undefined : { type, code }
  }
  if (family === 4 && value === 'any') return { type: undefined, code: undefined }
  const [type, code] = IPTABLES[family].get(value.toLowerCase()) ?? []
  return type === undefined ? undefined : { type, code }
}

/** nft's value, by name or number, as a number. */
export function icmpTypeNumber(family: Family, value: unknown): number | undefined {
  return numberOf(NFT_TYPES[family], value)
}

export function icmpCodeNumber(family: Family, value: unknown): number | undefined {
  return numberOf(NFT_CODES[family], value)
}

/** The type of what answers a message of that type, or of what it answers; undefined for errors and notices. */
export function icmpCounterpart(family: Family, type: number): number | undefined {
  const pair = PAIRS[family].find((each) => each.includes(type))
  return pair?.find((each) => each !== type)
}

function numberOf(names: Readonly<Record<string, number>>, value: unknown): number | undefined {
  if (typeof value === 'number') return value
  return typeof value === 'string' && Object.hasOwn(names, value) ? names[value] : undefined
}

/** Requests and replies: echo, timestamp, information, address mask; in IPv6 echo alone. */
const PAIRS: Readonly<Record<Family, readonly (readonly [number, number])[]>> = {
  4: [
    [8, 0],
    [13, 14],
    [15, 16],
    [17, 18],
  ],
  6: [[128, 129]],
}

type Names = ReadonlyMap<string, readonly [number, number?]>

const ICMP: Names = new Map<string, readonly [number, number?]>([
  ['echo-reply', [0]],
  ['pong', [0]],
  ['destination-unreachable', [3]],
  ['network-unreachable', [3, 0]],
  ['host-unreachable', [3, 1]],
  ['protocol-unreachable', [3, 2]],
  ['port-unreachable', [3, 3]],
  ['fragmentation-needed', [3, 4]],
  ['source-route-failed', [3, 5]],
  ['network-unknown', [3, 6]],
  ['host-unknown', [3, 7]],
  ['network-prohibited', [3, 9]],
  ['host-prohibited', [3, 10]],
  ['tos-network-unreachable', [3, 11]],
  ['tos-host-unreachable', [3, 12]],
  ['communication-prohibited', [3, 13]],
  ['host-precedence-violation', [3, 14]],
  ['precedence-cutoff', [3, 15]],
  ['source-quench', [4]],
  ['redirect', [5]],
  ['network-redirect', [5, 0]],
  ['host-redirect', [5, 1]],
  ['tos-network-redirect', [5, 2]],
  ['tos-host-redirect', [5, 3]],
  ['echo-request', [8]],
  ['ping', [8]],
  ['router-advertisement', [9]],
  ['router-solicitation', [10]],
  ['time-exceeded', [11]],
  ['ttl-exceeded', [11]],
  ['ttl-zero-during-transit', [11, 0]],
  ['ttl-zero-during-reassembly', [11, 1]],
  ['parameter-problem', [12]],
  ['ip-header-bad', [12, 0]],
  ['required-option-missing', [12, 1]],
  ['timestamp-request', [13]],
  ['timestamp-reply', [14]],
  ['address-mask-request', [17]],
  ['address-mask-reply', [18]],
])

const ICMPV6: Names = new Map<string, readonly [number, number?]>([
  ['destination-unreachable', [1]],
  ['no-route', [1, 0]],
  ['communication-prohibited', [1, 1]],
  ['beyond-scope', [1, 2]],
  ['address-unreachable', [1, 3]],
  ['port-unreachable', [1, 4]],
  ['failed-policy', [1, 5]],
  ['reject-route', [1, 6]],
  ['packet-too-big', [2]],
  ['time-exceeded', [3]],
  ['ttl-exceeded', [3]],
  ['ttl-zero-during-transit', [3, 0]],
  ['ttl-zero-during-reassembly', [3, 1]],
  ['parameter-problem', [4]],
  ['bad-header', [4, 0]],
  ['unknown-header-type', [4, 1]],
  ['unknown-option', [4, 2]],
  ['echo-request', [128]],
  ['ping', [128]],
  ['echo-reply', [129]],
  ['pong', [129]],
  ['router-solicitation', [133]],
  ['router-advertisement', [134]],
  ['neighbour-solicitation', [135]],
  ['neighbor-solicitation', [135]],
  ['neighbour-advertisement', [136]],
  ['neighbor-advertisement', [136]],
  ['redirect', [137]],
])

const IPTABLES: Readonly<Record<Family, Names>> = { 4: ICMP, 6: ICMPV6 }

type Numbers = Readonly<Record<string, number>>

/** nft's own names. */
export const NFT_TYPES: Readonly<Record<Family, Numbers>> = {
  4: SYMBOLS['icmp_type'] ?? {},
  6: SYMBOLS['icmpv6_type'] ?? {},
}

export const NFT_CODES: Readonly<Record<Family, Numbers>> = {
  4: SYMBOLS['icmp_code'] ?? {},
  6: SYMBOLS['icmpv6_code'] ?? {},
}
