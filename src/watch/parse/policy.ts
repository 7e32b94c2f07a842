/**
 * MultiNetworkPolicy at the edge. A bad part never takes the policy with it: the policy goes on isolating what it
 * selects, the bad part allows nothing, and an Issue names it.
 */
import type { Direction, NamespacedName, Policy, PolicyRule } from '../../compile/model.ts'
import { isUnreadable, parseMetadata, type Unreadable } from './metadata.ts'
import { parseNetworkName } from './network-name.ts'
import { parsePeers } from './peer.ts'
import { parsePorts } from './port.ts'
import { isObject, type JsonObject, own, type Report } from './report.ts'
import { parseSelector } from './selector.ts'

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
    networks: parsePolicyFor(report, namespace, own(metadata.annotations, POLICY_FOR)),
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
  return parseSelector(report, 'spec.podSelector', raw ?? {})
}

/** G2: comma separated, blanks trimmed; a bare name is in the policy's own namespace. */
function parsePolicyFor(report: Report, namespace: string, raw: unknown): readonly NamespacedName[] {
  const field = `metadata.annotations[${POLICY_FOR}]`
  if (typeof raw !== 'string' || raw.trim() === '') {
    report.add(field, raw, 'the policy names no network, so it governs nothing')
    return []
  }
  const networks = new Set<NamespacedName>()
  for (const item of raw.split(',')) {
    const network = parseNetworkName(item.trim(), namespace)
    if (network === undefined) report.add(field, item, 'expected NAME or NAMESPACE/NAME; the item is skipped')
    else networks.add(network)
  }
  return [...networks]
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
  const rules = report.list(field, own(spec, direction)) ?? []
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
