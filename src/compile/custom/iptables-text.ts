/**
 * Options of iptables as nft's text, where `iptables-translate` (1.8.9) cannot say them or says them wrongly: it knows
 * no ICMP codes, forgets `-p tcp` before a range of all ports, and makes several rules of several addresses.
 */
import { type Family, formatAddress, formatPrefix, parseAddress, parseCidr } from '../address.ts'
import { iptablesIcmpType } from './icmp.ts'
import type { Given } from './iptables-line.ts'
import { protocolNumber } from './iptables-options.ts'
import { type Judged, quoted, refused, taken } from './rules.ts'

/** The option in nft's text, empty where it says nothing; undefined where `iptables-translate` says it right. */
export function asText({ option, negated, values }: Given, family: Family): Judged<string> | undefined {
  const value = values[0] ?? ''
  switch (option.name) {
    case '--protocol':
      return protocolText(value, negated)
    case '--source':
    case '--destination':
      return addressText(option.name === '--source' ? 'saddr' : 'daddr', value, negated, family)
    case '--icmp-type':
    case '--icmpv6-type':
      return icmpText(value, negated, family)
    case '--state':
    case '--ctstate':
      return stateText(value, negated)
    case '--ctdir':
      return taken(`ct direction ${value.toLowerCase()}`)
    case '--comment':
      return taken('')
    default:
      return undefined
  }
}

function protocolText(value: string, negated: boolean): Judged<string> {
  const number = protocolNumber(value)
  if (number === 0 || value === 'all') return negated ? refused('! -p all matches nothing') : taken('')
  if (number === undefined)
    return refused(`${quoted(value)} of -p is no protocol known here; write its number`)
  return taken(`meta l4proto ${negated ? '!= ' : ''}${number}`)
}

function addressText(field: string, value: string, negated: boolean, family: Family): Judged<string> {
  const option = field === 'saddr' ? '-s' : '-d'
  const blocks: string[] = []
  for (const part of value.split(',')) {
    const block = blockText(part, family)
    if (block === undefined) return refused(`${quoted(part)} of ${option} is no IPv${family} address or CIDR`)
    blocks.push(block)
  }
  const all = blocks.some((block) => block.endsWith('/0'))
  if (negated && blocks.length > 1) return refused(`! ${option} takes one address or CIDR`)
  if (negated && all) return refused(`! ${option} ${value} matches nothing`)
  if (all) return taken('')
  const set = blocks.length === 1 ? blocks[0] : `{ ${blocks.join(', ')} }`
  return taken(`${family === 4 ? 'ip' : 'ip6'} ${field} ${negated ? '!= ' : ''}${set}`)
}

function blockText(part: string, family: Family): string | undefined {
  const mask = /^([^/]+)\/([0-9]+\.[0-9.]+)$/.exec(part)
  const cidr = parseCidr(mask === null ? part : `${mask[1]}/${maskLength(mask[2] ?? '')}`)
  if (cidr !== undefined) return cidr.family === family ? formatPrefix(cidr) : undefined
  const address = parseAddress(part)
  return address !== undefined && address.includes(':') === (family === 6) ? address : undefined
}

/** Of `255.255.0.0`; not a number where the mask has holes. */
function maskLength(mask: string): number {
  const lengths = Array.from({ length: 33 }, (_, length) => length)
  const found = lengths.find(
    (length) => formatAddress(4, (0xffffffffn << BigInt(32 - length)) & 0xffffffffn) === mask,
  )
  return found ?? Number.NaN
}

function icmpText(value: string, negated: boolean, family: Family): Judged<string> {
  const [protocol, option] = family === 4 ? ['icmp', '--icmp-type'] : ['icmpv6', '--icmpv6-type']
  const parsed = iptablesIcmpType(family, value)
  if (parsed === undefined)
    return refused(`${quoted(value)} of ${option} is no type known here; write type or type/code`)
  const { type, code } = parsed
  if (type === undefined) return negated ? refused(`! ${option} any matches nothing`) : taken('')
  if (code === undefined) return taken(`${protocol} type ${negated ? '!= ' : ''}${type}`)
  return taken(
    negated
      ? `${protocol} type . ${protocol} code != { ${type} . ${code} }`
      : `${protocol} type ${type} ${protocol} code ${code}`,
  )
}

const STATES = ['invalid', 'established', 'related', 'new', 'untracked']

/** A packet is in one state, so all but some of them are the others. */
function stateText(value: string, negated: boolean): Judged<string> {
  const named = value.toLowerCase().split(',')
  const asked = STATES.filter((state) => named.includes(state) !== negated)
  return asked.length === 0 ? refused('matches no state') : taken(`ct state ${asked.join(',')}`)
}
