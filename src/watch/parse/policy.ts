/**
 * MultiNetworkPolicy at the edge. A bad part never takes the policy with it: the policy goes on isolating what it
 * selects, the bad part allows nothing, and an Issue names it.
 */
import { count, MOST_NETWORKS_OF_A_POLICY, MOST_PARTS_OF_A_POLICY } from '../../compile/limits.ts'
import type { Direction, NamespacedName, Policy, PolicyRule } from '../../compile/model.ts'
import { EVERYTHING } from '../../compile/selector.ts'
import { isUnreadable, parseMetadata, type Unreadable } from './metadata.ts'
import { parseNetworkName } from './network-name.ts'
import { parsePeers } from './peer.ts'
import { parsePorts } from './port.ts'
import { isObject, type JsonObject, own, type Report } from './report.ts'
import { parseSelector, termsOf } from './selector.ts'

const POLICY_FOR = 'k8s.v1.cni.cncf.io/policy-for'
const TYPES: Readonly<Record<string, Direction>> = { Ingress: 'ingress', Egress: 'egress' }

export function parsePolicy(raw: unknown): Policy | Unreadable {
  const metadata = parseMetadata('MultiNetworkPolicy', raw)
  if (isUnreadable(metadata)) return metadata
  const { namespace, name, uid, resourceVersion: version, report } = metadata
  const spec = specOf(report, raw)
  return {
    kind: 'MultiNetworkPolicy',
    namespace,
    name,
    uid,
    version,
    ...parsePolicyFor(report, namespace, own(metadata.annotations, POLICY_FOR)),
    podSelector: parsePodSelector(report, own(spec, 'podSelector')),
    isolates: parseIsolates(report, spec),
    rules: {
      ingress: parseRules(report, 'ingress', 'from', spec),
      egress: parseRules(report, 'egress', 'to', spec),
    },
    issues: report.issues,
  }
}

/** Without a spec a policy is one that says nothing: it isolates ingress of every pod, as a NetworkPolicy does. */
function specOf(report: Report, raw: unknown): JsonObject {
  const spec = (isObject(raw) ? own(raw, 'spec') : undefined) ?? {}
  if (isObject(spec)) return spec
  report.add('spec', spec, 'expected an object; the policy isolates ingress of every pod and allows nothing')
  return {}
}

/** Null counts as empty, like the absent selector of a NetworkPolicy that leaves the field out. */
function parsePodSelector(report: Report, raw: unknown): Policy['podSelector'] {
  const terms = termsOf(raw)
  if (terms > MOST_PARTS_OF_A_POLICY) {
    const most = `it has ${count(terms)} terms; ${count(MOST_PARTS_OF_A_POLICY)} are the most`
    report.add('spec.podSelector', undefined, `${most}; the policy isolates every pod`)
    return EVERYTHING
  }
  return parseSelector(report, 'spec.podSelector', raw ?? {})
}

/** G2: comma separated, blanks trimmed; a bare name is in the policy's own namespace. */
function parsePolicyFor(
  report: Report,
  namespace: string,
  raw: unknown,
): Pick<Policy, 'networks' | 'networksBeyond'> {
  const field = `metadata.annotations[${POLICY_FOR}]`
  if (typeof raw !== 'string' || raw.trim() === '') {
    report.add(field, raw, 'the policy names no network, so it governs nothing')
    return { networks: [] }
  }
  const networks = new Set<NamespacedName>()
  const items = raw.split(',')
  let read = 0
  for (; read < items.length && networks.size < MOST_NETWORKS_OF_A_POLICY; read += 1) {
    const item = items[read] ?? ''
    const network = parseNetworkName(item.trim(), namespace)
    if (network === undefined) report.add(field, item, 'expected NAME or NAMESPACE/NAME; the item is skipped')
    else networks.add(network)
  }
  const beyond = items.length - read
  if (beyond === 0) return { networks: [...networks] }
  const most = `${count(beyond)} networks beyond the first ${count(MOST_NETWORKS_OF_A_POLICY)}`
  report.add(field, undefined, `${most} are governed, and no pod on them is a peer`)
  return { networks: [...networks], networksBeyond: textOf(items.slice(read)) }
}

/** See `namesBeyond`. In one piece, which holds on to none of what it was made of. */
function textOf(items: readonly string[]): string {
  const text = items.join(',').replaceAll(/\s*([,/])\s*/g, '$1')
  return Buffer.from(`,${text.trim()},`).toString()
}

/** D1, with what cannot be read counting as there: garbage must not switch isolation off. */
function parseIsolates(report: Report, spec: JsonObject): Policy['isolates'] {
  const named = new Set<Direction>()
  for (const [index, type] of (report.list('spec.policyTypes', own(spec, 'policyTypes')) ?? []).entries()) {
    const direction = typeof type === 'string' && Object.hasOwn(TYPES, type) ? TYPES[type] : undefined
    if (direction === undefined)
      report.add(`spec.policyTypes[${index}]`, type, 'expected Ingress or Egress; the item is skipped')
    else named.add(direction)
  }
  if (named.size > 0) return { ingress: named.has('ingress'), egress: named.has('egress') }
  const egress = own(spec, 'egress') ?? []
  return { ingress: true, egress: !Array.isArray(egress) || egress.length > 0 }
}

function parseRules(
  report: Report,
  direction: Direction,
  peersField: 'from' | 'to',
  spec: JsonObject,
): readonly PolicyRule[] {
  const field = `spec.${direction}`
  const rules = report.parts(field, own(spec, direction)) ?? []
  return rules.map((rule, index) => parseRule(report, `${field}[${index}]`, peersField, rule))
}

function parseRule(report: Report, field: string, peersField: 'from' | 'to', raw: unknown): PolicyRule {
  if (!isObject(raw)) {
    report.add(field, raw, 'expected an object; the rule allows nothing')
    return { peers: { kind: 'only', peers: [] }, ports: { kind: 'only', ports: [] } }
  }
  return {
    peers: parsePeers(report, `${field}.${peersField}`, own(raw, peersField)),
    ports: parsePorts(report, `${field}.ports`, own(raw, 'ports')),
  }
}
