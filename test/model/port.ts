/**
 * T1 to T5: which packets one entry of `ports` stands for, and which container ports have a name.
 */
import { asText, at, isGiven, items, type JsonObject } from './json.ts'

export type Protocol = 'TCP' | 'UDP' | 'SCTP' | 'ICMP' | 'OTHER'

export type PortEntry =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'protocol'; readonly protocol: Protocol }
  | { readonly kind: 'range'; readonly protocol: Protocol; readonly first: number; readonly last: number }
  | { readonly kind: 'name'; readonly protocol: Protocol; readonly name: string }

/** Any part that is bad makes it `nothing`: a bad `endPort` must not leave `port` allowed by itself. */
export function parsePortEntry(entry: unknown): PortEntry {
  const nothing: PortEntry = { kind: 'nothing' }
  const protocol = protocolOf(at(entry, 'protocol'))
  const port = at(entry, 'port')
  const endPort = at(entry, 'endPort')
  if (entry === null || typeof entry !== 'object' || Array.isArray(entry)) return nothing
  if (protocol === undefined) return nothing
  if (!isGiven(port)) return isGiven(endPort) ? nothing : { kind: 'protocol', protocol }
  if (isPortName(port)) return isGiven(endPort) ? nothing : { kind: 'name', protocol, name: port }
  if (!isPortNumber(port)) return nothing
  const last = isGiven(endPort) ? endPort : port
  return isPortNumber(last) && last >= port ? { kind: 'range', protocol, first: port, last } : nothing
}

/**
 * The numbers that a pod's containers give to a name, under one protocol.
 * Reading: ephemeral containers have no ports in the API, so they are not asked; a container port whose
 * protocol is missing or empty is TCP, the API server's default.
 */
export function numbersOf(pod: JsonObject, name: string, protocol: Protocol): readonly number[] {
  return ['initContainers', 'containers']
    .flatMap((field) => items(at(pod, 'spec', field)))
    .flatMap((container) => items(at(container, 'ports')))
    .filter((port) => at(port, 'name') === name && (at(port, 'protocol') || 'TCP') === protocol)
    .map((port) => at(port, 'containerPort'))
    .filter(isPortNumber)
}

/** Reading: `null` is not given, hence TCP; an empty text, or `tcp` in small letters, is unknown. */
function protocolOf(value: unknown): Protocol | undefined {
  const name = isGiven(value) ? asText(value) : 'TCP'
  return name === 'TCP' || name === 'UDP' || name === 'SCTP' ? name : undefined
}

function isPortNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535
}

/** Kubernetes' rule for the names (IANA's): up to 15 of a-z 0-9 -, at least one letter, no loose dashes. */
function isPortName(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length <= 15 &&
    /[a-z]/.test(value) &&
    /^[a-z0-9]+(-[a-z0-9]+)*$/.test(value)
  )
}
