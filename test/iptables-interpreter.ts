/**
 * Runs the text that the daemon prints for iptables-restore, ip6tables-restore and ipset on one packet: an interpreter of
 * just the constructs that it prints. Anything else throws, so a rule that the daemon begins to print and nobody taught
 * this file fails the tests.
 *
 * The packet is the first of its connection: it is no reply, and related to nothing.
 */
import { BlockList, isIPv6 } from 'node:net'
import type { InterpretedPacket, Verdict } from './nft-interpreter.ts'

type Rule = readonly string[]

/** The filter table of one family, where nothing but the daemon's rules stands. */
export interface Filter {
  readonly chains: Map<string, Rule[]>
  readonly sets: Map<string, { readonly type: string; readonly elements: readonly string[] }>
}

/** @param text for iptables-restore; @param ipset for `ipset restore` */
export function loadFilter(text: string, ipset = ''): Filter {
  const chains = new Map<string, Rule[]>(['INPUT', 'FORWARD', 'OUTPUT'].map((name) => [name, []]))
  for (const line of text.split('\n')) {
    const [verb = '', name = '', ...rest] = wordsOf(line)
    if (verb === '' || verb === '*filter' || verb === 'COMMIT') continue
    if (verb.startsWith(':') && name === '-') chains.set(verb.slice(1), [])
    else if (verb === '-A') chainOf(chains, name).push(rest)
    else if (verb === '-I') chainOf(chains, name).splice(Number(rest[0]) - 1, 0, rest.slice(1))
    else throw unknown('line', line)
  }
  return { chains, sets: loadSets(ipset) }
}

export function interpretFilter(filter: Filter, packet: InterpretedPacket): Verdict {
  return run(filter, packet.hook.toUpperCase(), packet) ?? 'accept'
}

function loadSets(ipset: string): Filter['sets'] {
  const sets = new Map<string, { readonly type: string; readonly elements: string[] }>()
  for (const line of ipset.split('\n')) {
    const [verb, name = '', what = '', ...options] = line.split(' ')
    if (verb === 'create' && /^family inet6? maxelem \d+$/.test(options.join(' ')))
      sets.set(name, { type: what, elements: [] })
    else if (verb === 'add' && options.length === 0 && sets.has(name)) sets.get(name)?.elements.push(what)
    else if (line !== '') throw unknown('line of ipset', line)
  }
  return sets
}

/** Undefined: the packet came to the chain's end, or back from it. */
function run(filter: Filter, name: string, packet: InterpretedPacket): Verdict | undefined {
  for (const rule of chainOf(filter.chains, name)) {
    const [verdict, target = ''] = matchRule(filter, rule, packet) ?? []
    if (verdict === undefined) continue
    if (target === 'DROP') return 'drop'
    if (target === 'RETURN') return undefined
    if (verdict === '-g') return run(filter, target, packet)
    if (verdict !== '-j') throw unknown('verdict', rule)
    const ended = run(filter, target, packet)
    if (ended !== undefined) return ended
  }
  return undefined
}

/** The verdict's words, if the rule matches the packet. */
function matchRule(filter: Filter, rule: Rule, packet: InterpretedPacket): Rule | undefined {
  let words = rule
  while (words.length > 0) {
    if (words[0] === '-j' || words[0] === '-g') return words
    const [takes, matches] = matchOne(filter, words, packet)
    if (!matches) return undefined
    words = words.slice(takes)
  }
  throw unknown('rule without a verdict', rule)
}

const PROTOCOLS: Readonly<Record<InterpretedPacket['protocol'], string>> = {
  TCP: 'tcp',
  UDP: 'udp',
  SCTP: 'sctp',
  ICMP: 'icmp',
  OTHER: 'other',
}

/** How many words the match takes, and whether it holds. */
function matchOne(filter: Filter, words: Rule, packet: InterpretedPacket): readonly [number, boolean] {
  const v6 = isIPv6(packet.source)
  const protocol = packet.protocol === 'ICMP' && v6 ? 'ipv6-icmp' : PROTOCOLS[packet.protocol]
  const [option = '', value = '', third = '', fourth = '', fifth = '', sixth = ''] = words
  switch (option) {
    case '-s':
      return [2, inBlock(value, packet.source)]
    case '-d':
      return [2, inBlock(value, packet.destination)]
    case '-i':
      return [2, packet.hook === 'input' && isInterface(value, packet.interface)]
    case '-o':
      return [2, packet.hook === 'output' && isInterface(value, packet.interface)]
    case '-p':
      return [2, value === protocol]
  }
  if (option !== '-m') throw unknown('option', words)
  switch (`${value} ${third}`) {
    case 'comment --comment':
      return [4, true]
    case 'conntrack --ctstate':
      if (fourth === 'RELATED') return [4, false]
      if (fourth === 'ESTABLISHED' && fifth === '--ctdir' && sixth === 'REPLY') return [6, false]
      throw unknown('state', words)
    case 'icmp6 --icmpv6-type':
      // An echo request.
      return [4, Number(fourth) === 128]
    case 'hl --hl-eq':
      return [4, Number(fourth) === 64]
    case 'set --match-set':
      return [5, inSet(filter, fourth, fifth, protocol, packet)]
    case 'tcp --dport':
    case 'udp --dport':
    case 'sctp --dport':
      if (value !== protocol) throw unknown('port of another protocol', words)
      return [4, inPorts(fourth, packet)]
    case 'multiport --dports':
      if (countPorts(fourth) > 15) throw unknown('list of so many ports', words)
      return [4, inPorts(fourth, packet)]
    default:
      throw unknown('match', words)
  }
}

function isInterface(pattern: string, name: string): boolean {
  return pattern.endsWith('+') ? name.startsWith(pattern.slice(0, -1)) : pattern === name
}

function inSet(
  { sets }: Filter,
  name: string,
  sides: string,
  protocol: string,
  { source, destination, port }: InterpretedPacket,
): boolean {
  const set = sets.get(name)
  if (set === undefined) throw unknown('set', name)
  const address = sides.startsWith('src') ? source : destination
  switch (`${set.type} ${sides.replace(/src|dst/g, 'end')}`) {
    case 'hash:ip end':
    case 'hash:net end':
      return set.elements.some((element) => inBlock(element, address))
    case 'hash:ip,port end,end':
      return set.elements.some((element) => {
        const [of = '', service = ''] = element.split(',')
        return inBlock(of, address) && service === `${protocol}:${port}`
      })
    default:
      throw unknown('use of a set', `${set.type} ${sides}`)
  }
}

function inPorts(list: string, { port = -1 }: InterpretedPacket): boolean {
  return list.split(',').some((each) => {
    const [first, last = first] = each.split(':').map(Number) as [number, number?]
    return first <= port && port <= last
  })
}

function countPorts(list: string): number {
  return list.split(/[,:]/).length
}

const blocks = new Map<string, BlockList>()

/** Node's own address arithmetic, so that none of ours is used to check ours. */
function inBlock(block: string, address: string): boolean {
  const [base = '', length] = block.split('/')
  const family = isIPv6(base) ? 'ipv6' : 'ipv4'
  const list = blocks.get(block) ?? new BlockList()
  if (!blocks.has(block)) list.addSubnet(base, Number(length ?? (family === 'ipv6' ? 128 : 32)), family)
  blocks.set(block, list)
  return isIPv6(address) === (family === 'ipv6') && list.check(address, family)
}

function chainOf(chains: Filter['chains'], name: string): Rule[] {
  const chain = chains.get(name)
  if (chain === undefined) throw unknown('chain', name)
  return chain
}

/** As iptables-restore cuts a line: by blanks, but within double quotes, where a backslash makes the next character plain. */
function wordsOf(line: string): readonly string[] {
  const words: string[] = []
  let [word, quoted, escaped] = ['', false, false]
  for (const character of line) {
    if (escaped) escaped = false
    else if (quoted && character === '\\') {
      escaped = true
      continue
    } else if (character === '"') {
      quoted = !quoted
      continue
    } else if (!quoted && character === ' ') {
      words.push(word)
      word = ''
      continue
    }
    word += character
  }
  return [...words, word].filter((each) => each !== '')
}

function unknown(what: string, text: unknown): Error {
  return new Error(`the interpreter knows no such ${what}: ${JSON.stringify(text)}`)
}
