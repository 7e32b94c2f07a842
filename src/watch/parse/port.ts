/** `ports` of a rule, and the named ports of a pod's containers (semantics.md, T1 to T5). */
import { count, MOST_PORTS_OF_A_POD } from '../../compile/limits.ts'
import type { ContainerPort, PolicyPort, PolicyPorts } from '../../compile/model.ts'
import { ALL_PORTS, isProtocol, type Protocol } from '../../compile/port.ts'
import { isObject, type JsonObject, own, type Report } from './report.ts'

export function parsePorts(report: Report, field: string, raw: unknown): PolicyPorts {
  const list = report.parts(field, raw)
  if (list !== undefined && list.length === 0) return { kind: 'any' }
  const ports = (list ?? []).map((port, index) => parsePort(report, `${field}[${index}]`, port))
  return { kind: 'only', ports: ports.filter((port) => port !== undefined) }
}

function parsePort(report: Report, field: string, raw: unknown): PolicyPort | undefined {
  if (!isObject(raw)) return report.add(field, raw, 'expected an object; the entry matches nothing')
  const protocol = parseProtocol(own(raw, 'protocol'))
  if (protocol === undefined) {
    return report.add(
      `${field}.protocol`,
      own(raw, 'protocol'),
      'expected TCP, UDP or SCTP; the entry matches nothing',
    )
  }
  const port = own(raw, 'port') ?? undefined
  const endPort = own(raw, 'endPort') ?? undefined
  if (typeof port === 'number') return parseNumbered(report, field, protocol, port, endPort)
  if (endPort !== undefined) {
    return report.add(`${field}.endPort`, endPort, 'endPort needs a numeric port; the entry matches nothing')
  }
  if (port === undefined) return { kind: 'numbered', protocol, range: ALL_PORTS }
  if (!isPortName(port)) {
    return report.add(
      `${field}.port`,
      port,
      'expected 1 to 65535 or the name of a container port; the entry matches nothing',
    )
  }
  return { kind: 'named', protocol, name: port }
}

function parseNumbered(
  report: Report,
  field: string,
  protocol: Protocol,
  first: number,
  endPort: unknown,
): PolicyPort | undefined {
  if (!isPortNumber(first)) {
    return report.add(`${field}.port`, first, 'expected 1 to 65535; the entry matches nothing')
  }
  if (endPort === undefined) return { kind: 'numbered', protocol, range: { first, last: first } }
  if (!isPortNumber(endPort) || endPort < first) {
    return report.add(
      `${field}.endPort`,
      endPort,
      `expected ${first} (port) to 65535; the entry matches nothing`,
    )
  }
  return { kind: 'numbered', protocol, range: { first, last: endPort } }
}

/** The named ports of all containers of a pod's spec, init and sidecar containers included, without duplicates. */
export function parseContainerPorts(report: Report, spec: JsonObject): readonly ContainerPort[] {
  const found = new Map<string, ContainerPort>()
  for (const container of [...listOf(own(spec, 'initContainers')), ...listOf(own(spec, 'containers'))]) {
    for (const port of isObject(container) ? listOf(own(container, 'ports')) : []) {
      if (!isObject(port)) continue
      const [name, number, protocol] = [
        own(port, 'name'),
        own(port, 'containerPort'),
        parseProtocol(own(port, 'protocol')),
      ]
      if (typeof name !== 'string' || !isPortNumber(number) || protocol === undefined) continue
      found.set(`${name} ${protocol} ${number}`, { name, protocol, port: number })
    }
  }
  if (found.size > MOST_PORTS_OF_A_POD) {
    const most = `its containers have ${count(found.size)} named ports; ${count(MOST_PORTS_OF_A_POD)} are the most`
    report.add('spec.containers', undefined, `${most}, and no policy's name stands for one of the others`)
  }
  return [...found.values().take(MOST_PORTS_OF_A_POD)]
}

/** Absent is TCP; undefined for anything unknown. */
function parseProtocol(raw: unknown): Protocol | undefined {
  if (raw === undefined || raw === null) return 'TCP'
  return isProtocol(raw) ? raw : undefined
}

function isPortNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535
}

/** IANA service name syntax (RFC 6335 5.1), as Kubernetes has it for the names of ports. */
function isPortName(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length <= 15 &&
    /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(value) &&
    /[a-z]/.test(value) &&
    !value.includes('--')
  )
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
