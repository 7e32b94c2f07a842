/**
 * Whether nft would take a value for what it says. Most values come from somebody else's hands (an interface's
 * name, a CIDR), and nft is lenient in the wrong places: an address that is no address is looked up in DNS, a
 * port that is no number in the services file, `-1` becomes 1, and an interface called `@x` a set.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { addressNumber, addressText } from './addresses.ts'
import { type Datatype, isList, isText, partOf } from './datatypes.ts'
import { InvalidValue } from './errors.ts'
import type { Expression } from './expression-types.ts'
import { quotingProblem } from './quotable.ts'
import { BIT_TYPES, BUILT_IN_PROTOCOLS, SYMBOLS } from './symbols.ts'
import { type Leaf, mapValue } from './walk.ts'

/** Interface names have at most 15 bytes (the kernel's IFNAMSIZ is 16, with the closing NUL). */
export const LONGEST_INTERFACE_NAME = 15

/**
 * The leaf as it can be written. Throws InvalidValue unless nft takes it, in text and in JSON, for a value of
 * the type and nothing else. A protocol that nft would look up in /etc/protocols, which an image need not
 * have, becomes its number, and IPv6 its usual spelling.
 */
export function safeLeaf(where: string, leaf: Leaf, datatype: string, whole: boolean): Leaf {
  const problem = leafProblem(leaf, datatype, whole)
  if (problem !== undefined) throw new InvalidValue(where, leaf, problem)
  if (typeof leaf !== 'string') return leaf
  if (datatype === 'ipv6_addr') return addressText(addressNumber(leaf) ?? 0n, 128)
  if (datatype !== 'inet_proto' || Object.hasOwn(BUILT_IN_PROTOCOLS, leaf)) return leaf
  return SYMBOLS['inet_proto']?.[leaf] ?? leaf
}

/** The value with every leaf made safe, and its shape checked. Throws InvalidValue. */
export function safeValue(where: string, value: Expression, datatype: Datatype, whole = false): Expression {
  checkShape(where, value, datatype)
  const safe = (leaf: Leaf, type: string, alone: boolean): Leaf => safeLeaf(where, leaf, type, alone)
  return mapValue(value, datatype, safe, whole)
}

/** Throws InvalidValue for shapes that no leaf shows: prefixes too long, concatenations of the wrong size. */
export function checkShape(where: string, value: Expression, datatype: Datatype): void {
  const problem = shapeProblem(value, datatype)
  if (problem !== undefined) throw new InvalidValue(where, value, problem)
  for (const [part, type] of partsOf(value, datatype)) checkShape(where, part, type)
}

function shapeProblem(value: Expression, datatype: Datatype): string | undefined {
  const noConcatenation =
    typeof datatype === 'string' ? undefined : `is no concatenation of ${String(datatype)}`
  if (typeof value !== 'object') return noConcatenation
  if (isList(value)) return BIT_TYPES.has(String(datatype)) ? undefined : 'is a list, not a value'
  if ('unknown' in value) return 'is unknown to this package'
  if ('prefix' in value) {
    const { len } = value.prefix
    const most = PREFIX_BITS[String(datatype)] ?? -1
    return Number.isInteger(len) && len >= 0 && len <= most
      ? undefined
      : `is no prefix of ${String(datatype)}`
  }
  if ('concat' in value) {
    const fits = typeof datatype !== 'string' && datatype.length === value.concat.length
    return fits ? undefined : `is no concatenation of ${String(datatype)}`
  }
  if ('range' in value || 'wildcard' in value) return noConcatenation
  const empty = 'set' in value && isList(value.set) && value.set.length === 0
  return empty ? 'is an empty set, which nft does not take' : undefined
}

function partsOf(value: Expression, datatype: Datatype): readonly (readonly [Expression, Datatype])[] {
  const same = (parts: readonly Expression[]): readonly [Expression, Datatype][] =>
    parts.map((part) => [part, datatype])
  if (typeof value !== 'object') return []
  if (isList(value)) return same(value)
  if ('elem' in value) return same([value.elem.val])
  if ('set' in value) return same(isList(value.set) ? value.set : [value.set])
  if ('concat' in value) return value.concat.map((part, n) => [part, partOf(datatype, n)])
  return []
}

const PREFIX_BITS: Readonly<Record<string, number>> = { ipv4_addr: 32, ipv6_addr: 128 }

function leafProblem(leaf: Leaf, datatype: string, whole: boolean): string | undefined {
  if (typeof leaf === 'object') {
    if ('wildcard' in leaf) return wildcardProblem(leaf.wildcard, datatype)
    return whole ? undefined : 'is a set, which cannot be part of a value'
  }
  if (typeof leaf === 'boolean') return undefined
  if (typeof leaf === 'number') return numberProblem(leaf, datatype)
  if (isText(datatype)) return interfaceNameProblem(leaf)
  const check = BY_DATATYPE[datatype]
  if (check !== undefined) return check(leaf)
  const symbols = SYMBOLS[datatype]
  if (symbols !== undefined) return Object.hasOwn(symbols, leaf) ? undefined : `is no ${datatype} of nft`
  return SYMBOL.test(leaf) ? undefined : 'is no symbol of nft'
}

/** What nft reads as one word, and would not look up anywhere. */
const SYMBOL = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/

const MAC = /^[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}$/

type Check = (value: string) => string | undefined

const BY_DATATYPE: Readonly<Record<string, Check>> = {
  ipv4_addr: (value) => (isIPv4(value) ? undefined : 'is no IPv4 address'),
  ipv6_addr: (value) => (isIPv6(value) && !value.includes('%') ? undefined : 'is no IPv6 address'),
  ether_addr: (value) => (MAC.test(value) ? undefined : 'is no hardware address'),
  inet_service: () => 'is a name from the services file, if anything; write the number',
}

const MOST: Readonly<Record<string, number>> = {
  inet_service: 0xffff,
  inet_proto: 0xff,
  nf_proto: 0xff,
  icmp_type: 0xff,
  icmpv6_type: 0xff,
  icmp_code: 0xff,
  icmpv6_code: 0xff,
  ether_type: 0xffff,
  mark: 0xffffffff,
}

function numberProblem(value: number, datatype: string): string | undefined {
  if (datatype.endsWith('_addr') || datatype === 'ifname') return `is no ${datatype}`
  const most = MOST[datatype] ?? Number.MAX_SAFE_INTEGER
  return Number.isSafeInteger(value) && value >= 0 && value <= most ? undefined : `is no ${datatype}`
}

/** Of the words that nft's JSON takes for a protocol even where an interface's name should stand. */
const TAKEN_FOR_PROTOCOLS: ReadonlySet<string> = new Set([...Object.keys(BUILT_IN_PROTOCOLS), 'redirect'])

/** Why rules cannot name an interface so, or undefined when they can. */
export function interfaceNameProblem(name: string): string | undefined {
  if (name.startsWith('@')) return "would be taken for a set by nft's JSON"
  if (name.endsWith('*')) return 'would be taken for a wildcard; say wildcard(…) if it is meant as one'
  if (TAKEN_FOR_PROTOCOLS.has(name)) return "would be taken for a protocol by nft's JSON"
  return nameLengthProblem(name, LONGEST_INTERFACE_NAME) ?? quotingProblem(name)
}

/**
 * The longest start of an interface's name that a wildcard can be made of, which then matches that interface and all
 * others with the same start; empty where there is none.
 */
export function wildcardStart(name: string): string {
  const starts = Array.from({ length: name.length }, (_, cut) => name.slice(0, name.length - cut))
  return starts.find((start) => wildcardProblem(start, 'ifname') === undefined) ?? ''
}

function wildcardProblem(start: string, datatype: string): string | undefined {
  if (datatype !== 'ifname') return `is a wildcard, and there is none for ${datatype}`
  if (start.startsWith('@') || start.endsWith('\\') || start.endsWith('*')) return 'is no wildcard of nft'
  return nameLengthProblem(start, LONGEST_INTERFACE_NAME - 1) ?? quotingProblem(start)
}

function nameLengthProblem(name: string, most: number): string | undefined {
  if (name === '') return 'is empty'
  return Buffer.byteLength(name) > most ? `has more than ${most} bytes` : undefined
}
