/** `from` and `to`: selecting peers and ipBlocks (semantics.md, P1 to P7). */
import {
  type AddressRange,
  formatPrefix,
  parseCidr,
  rangeContains,
  rangeOfPrefix,
  subtractRanges,
} from '../../compile/address.ts'
import type { PolicyPeer, PolicyPeers } from '../../compile/model.ts'
import { isObject, type JsonObject, own, type Report } from './report.ts'
import { parseSelector } from './selector.ts'

const CIDR_EXPECTED = 'expected a CIDR such as 10.0.0.0/24 or fd00::/64'

export function parsePeers(report: Report, field: string, raw: unknown): PolicyPeers {
  const list = report.parts(field, raw)
  if (list !== undefined && list.length === 0) return { kind: 'anyone' }
  const peers = (list ?? []).map((peer, index) => parsePeer(report, `${field}[${index}]`, peer))
  return { kind: 'only', peers: peers.filter((peer) => peer !== undefined) }
}

function parsePeer(report: Report, field: string, raw: unknown): PolicyPeer | undefined {
  if (!isObject(raw)) return report.add(field, raw, 'expected an object; the peer matches nothing')
  const [block, pods, namespaces] = ['ipBlock', 'podSelector', 'namespaceSelector'].map(
    (key) => own(raw, key) ?? undefined,
  )
  if (block !== undefined) {
    if (pods !== undefined || namespaces !== undefined) {
      return report.add(field, raw, 'ipBlock goes with no selector; the peer matches nothing')
    }
    return parseBlock(report, `${field}.ipBlock`, block)
  }
  if (pods === undefined && namespaces === undefined) {
    return report.add(
      field,
      raw,
      'expected ipBlock, podSelector or namespaceSelector; the peer matches nothing',
    )
  }
  return {
    kind: 'pods',
    namespaces:
      namespaces === undefined
        ? { kind: 'own' }
        : { kind: 'matching', selector: parseSelector(report, `${field}.namespaceSelector`, namespaces) },
    pods: parseSelector(report, `${field}.podSelector`, pods ?? {}),
  }
}

function parseBlock(report: Report, field: string, raw: unknown): PolicyPeer | undefined {
  if (!isObject(raw)) return report.add(field, raw, 'expected an object; the peer matches nothing')
  const cidr = own(raw, 'cidr')
  const prefix = typeof cidr === 'string' ? parseCidr(cidr) : undefined
  if (prefix === undefined)
    return report.add(`${field}.cidr`, cidr, `${CIDR_EXPECTED}; the peer matches nothing`)
  const whole = rangeOfPrefix(prefix)
  const holes = parseExcepts(report, `${field}.except`, whole, raw)
  return holes === undefined ? undefined : { kind: 'block', ranges: subtractRanges(whole, holes) }
}

function parseExcepts(
  report: Report,
  field: string,
  whole: AddressRange,
  block: JsonObject,
): readonly AddressRange[] | undefined {
  const holes: AddressRange[] = []
  const list = report.parts(field, own(block, 'except'))
  for (const [index, text] of (list ?? []).entries()) {
    const except = typeof text === 'string' ? parseCidr(text) : undefined
    if (except === undefined)
      return report.add(`${field}[${index}]`, text, `${CIDR_EXPECTED}; the peer matches nothing`)
    const hole = rangeOfPrefix(except)
    if (!rangeContains(whole, hole)) {
      return report.add(
        `${field}[${index}]`,
        formatPrefix(except),
        'the except is not within its cidr; the peer matches nothing',
      )
    }
    holes.push(hole)
  }
  return list === undefined ? undefined : holes
}
