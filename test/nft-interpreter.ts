/**
 * Runs the nft JSON that the daemon prints on one packet: an interpreter of just the constructs that it prints. Anything
 * else throws, so a rule that the daemon begins to print and nobody taught this file fails the tests.
 *
 * The packet is the first of its connection: `ct direction` is original and `ct state` new.
 */
import { BlockList, isIPv6 } from 'node:net'

export interface InterpretedPacket {
  readonly hook: 'input' | 'output'
  /** The interface that it comes in by, or goes out by. */
  readonly interface: string
  readonly source: string
  readonly destination: string
  readonly protocol: 'TCP' | 'UDP' | 'SCTP' | 'ICMP' | 'OTHER'
  readonly port?: number
}

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
type JsonObject = { readonly [key: string]: Json }

export interface Table {
  readonly chains: Map<string, { readonly hook: string | undefined; readonly rules: (readonly Json[])[] }>
  readonly sets: Map<string, readonly Json[]>
}

export type Verdict = 'accept' | 'drop'

export function interpret(table: Table, packet: InterpretedPacket): Verdict {
  for (const { hook, rules } of table.chains.values()) {
    if (hook !== packet.hook) continue
    if (runRules(table, rules, packet) === 'drop') return 'drop'
  }
  return 'accept'
}

/** @param commands the `nftables` array of a transaction that makes one table, or takes it away */
export function loadTable(commands: readonly unknown[]): Table {
  const table: Table = { chains: new Map(), sets: new Map() }
  for (const command of commands as readonly Json[]) {
    const [verb, object] = only(command)
    const [kind, body] = only(object)
    const what = `${verb} ${kind}`
    const fields = asObject(body)
    if (what === 'add table') continue
    if (what === 'delete table') {
      table.chains.clear()
      table.sets.clear()
    } else if (what === 'add chain') {
      if (fields['hook'] !== undefined && fields['policy'] !== 'accept') throw unknown('chain', fields)
      table.chains.set(text(fields['name']), {
        hook: fields['hook'] === undefined ? undefined : text(fields['hook']),
        rules: [],
      })
    } else if (what === 'add set') {
      table.sets.set(text(fields['name']), list(fields['elem'] ?? []))
    } else if (what === 'add rule') {
      const chain = table.chains.get(text(fields['chain']))
      if (chain === undefined) throw unknown('rule of no chain', fields)
      chain.rules.push(list(fields['expr']))
    } else {
      throw unknown('command', command)
    }
  }
  return table
}

/** Undefined: the chain came to its end. */
function runRules(
  table: Table,
  rules: readonly (readonly Json[])[],
  packet: InterpretedPacket,
): Verdict | 'return' | undefined {
  for (const rule of rules) {
    const verdict = runRule(table, rule, packet)
    if (verdict !== undefined) return verdict
  }
  return undefined
}

function runRule(
  table: Table,
  statements: readonly Json[],
  packet: InterpretedPacket,
): Verdict | 'return' | undefined {
  for (const statement of statements) {
    const [kind, body] = only(statement)
    switch (kind) {
      case 'match':
        if (!matches(table, asObject(body), packet)) return undefined
        break
      case 'counter':
        break
      case 'accept':
      case 'drop':
      case 'return':
        return kind
      case 'jump':
      case 'goto':
      case 'vmap': {
        const target =
          kind === 'vmap' ? mapped(asObject(body), packet) : { kind, target: text(asObject(body)['target']) }
        if (target === undefined) return undefined
        const chain = table.chains.get(target.target)
        if (chain === undefined) throw unknown('chain', target.target)
        const verdict = runRules(table, chain.rules, packet)
        if (verdict === 'accept' || verdict === 'drop') return verdict
        // The end of a chain that was gone to is the end of the one it was gone to from.
        if (target.kind === 'goto') return 'return'
        break
      }
      default:
        throw unknown('statement', statement)
    }
  }
  return undefined
}

function mapped(
  vmap: JsonObject,
  packet: InterpretedPacket,
): { readonly kind: string; readonly target: string } | undefined {
  const key = value(vmap['key'] ?? null, packet)
  for (const pair of list(asObject(vmap['data'] ?? null)['set'] ?? null)) {
    const [from, verdict] = list(pair)
    if (from !== key) continue
    const [kind, body] = only(verdict ?? null)
    if (kind !== 'goto' && kind !== 'jump') throw unknown('verdict', verdict)
    return { kind, target: text(asObject(body)['target']) }
  }
  return undefined
}

function matches(table: Table, { op, left, right }: JsonObject, packet: InterpretedPacket): boolean {
  if (op !== '==' && op !== 'in' && op !== '!=') throw unknown('operator', op)
  const found = value(left ?? null, packet)
  return found !== undefined && contains(table, right ?? null, found) === (op !== '!=')
}

/** Whether a value, or a concatenation's values, is what stands on the right. */
function contains(table: Table, right: Json, found: string | number | readonly (string | number)[]): boolean {
  if (typeof right === 'string' && right.startsWith('@')) {
    const set = table.sets.get(right.slice(1))
    if (set === undefined) throw unknown('set', right)
    return set.some((element) => contains(table, element, found))
  }
  if (typeof right === 'string' || typeof right === 'number') {
    if (Array.isArray(found)) return false
    if (typeof right === 'string' && right.endsWith('*')) return String(found).startsWith(right.slice(0, -1))
    return typeof found === 'string' && found.includes(':')
      ? sameAddress(String(right), found)
      : right === found
  }
  if (Array.isArray(right)) return right.some((each) => contains(table, each, found))
  const [kind, body] = only(right)
  switch (kind) {
    case 'set':
      return list(body).some((each) => contains(table, each, found))
    case 'prefix':
      return inPrefix(asObject(body), String(found))
    case 'range':
      return inRange(list(body), found as string | number)
    case 'concat':
      return (
        Array.isArray(found) &&
        list(body).every((each, index) => contains(table, each, found[index] as string | number))
      )
    default:
      throw unknown('value', right)
  }
}

/** What the packet has there; undefined where it has none, so that nothing matches. */
function value(
  expression: Json,
  packet: InterpretedPacket,
): string | number | readonly (string | number)[] | undefined {
  const [kind, body] = only(expression)
  const v6 = isIPv6(packet.source)
  const protocols = {
    TCP: 'tcp',
    UDP: 'udp',
    SCTP: 'sctp',
    ICMP: v6 ? 'ipv6-icmp' : 'icmp',
    OTHER: 'other',
  } as const
  if (kind === 'concat') {
    const parts = list(body).map((each) => value(each, packet))
    return parts.every((part) => part !== undefined) ? (parts as (string | number)[]) : undefined
  }
  if (kind === 'fib') throw unknown('expression of an original packet', expression)
  const name =
    kind === 'payload'
      ? `${text(asObject(body)['protocol'])} ${text(asObject(body)['field'])}`
      : `${kind} ${text(asObject(body)['key'])}`
  switch (name) {
    case 'meta iifname':
      return packet.hook === 'input' ? packet.interface : undefined
    case 'meta oifname':
      return packet.hook === 'output' ? packet.interface : undefined
    // No packet here is within a VRF.
    case 'meta sdifname':
      return ''
    case 'meta sdif':
      return 0
    case 'meta l4proto':
      return protocols[packet.protocol]
    case 'meta nfproto':
      return v6 ? 'ipv6' : 'ipv4'
    case 'ct direction':
      return 'original'
    case 'ct state':
      return 'new'
    case 'ip saddr':
    case 'ip daddr':
    case 'ip6 saddr':
    case 'ip6 daddr':
      if (name.startsWith('ip6') !== v6) return undefined
      return name.endsWith('saddr') ? packet.source : packet.destination
    case 'tcp sport':
    case 'udp sport':
    case 'sctp sport':
    case 'th sport':
      throw unknown('expression of an original packet', expression)
    case 'tcp dport':
    case 'udp dport':
    case 'sctp dport':
      return protocols[packet.protocol] === name.split(' ')[0] ? packet.port : undefined
    case 'th dport':
      return packet.port
    case 'icmpv6 type':
      // An echo request, or, where something else is asked for, no ICMPv6 at all.
      return packet.protocol === 'ICMP' && v6 ? 128 : undefined
    case 'ip6 hoplimit':
      return v6 ? 64 : undefined
    default:
      throw unknown('expression', expression)
  }
}

function sameAddress(a: string, b: string): boolean {
  return a === b || check(`${a}`, b, (block, family) => block.addAddress(a, family))
}

function inPrefix({ addr, len }: JsonObject, address: string): boolean {
  return check(`${text(addr)}/${len}`, address, (block, family) =>
    block.addSubnet(text(addr), Number(len), family),
  )
}

function inRange([first, last]: readonly Json[], found: string | number): boolean {
  if (typeof found === 'number') return Number(first) <= found && found <= Number(last)
  return check(`${text(first)}-${text(last)}`, found, (block, family) =>
    block.addRange(text(first), text(last), family),
  )
}

const blocks = new Map<string, BlockList>()

/** Node's own address arithmetic, so that none of ours is used to check ours. */
function check(
  key: string,
  address: string,
  add: (block: BlockList, family: 'ipv4' | 'ipv6') => void,
): boolean {
  const family = key.includes(':') ? 'ipv6' : 'ipv4'
  const block = blocks.get(key) ?? new BlockList()
  if (!blocks.has(key)) add(block, family)
  blocks.set(key, block)
  return isIPv6(address) === (family === 'ipv6') && block.check(address, family)
}

function only(json: Json): readonly [kind: string, body: Json] {
  const entries = Object.entries(asObject(json))
  const [entry, ...others] = entries
  if (entry === undefined || others.length > 0) throw unknown('object', json)
  return entry
}

function asObject(json: Json | undefined): JsonObject {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw unknown('object', json)
  return json as JsonObject
}

function list(json: Json | undefined): readonly Json[] {
  if (!Array.isArray(json)) throw unknown('list', json)
  return json
}

function text(json: Json | undefined): string {
  if (typeof json !== 'string') throw unknown('text', json)
  return json
}

function unknown(what: string, json: unknown): Error {
  return new Error(`the interpreter knows no such ${what}: ${JSON.stringify(json)}`)
}
