/** A packet's headers in words: `TCP 10.1.0.2:40000 → 10.1.0.1:81`. What it holds came from a stranger. */
import { formatAddress } from '../compile/address.ts'

export interface DescribedPacket {
  readonly text: string
  readonly fields: {
    readonly source: string
    readonly destination: string
    readonly protocol: string
    readonly sourcePort?: number
    readonly destinationPort?: number
  }
}

interface Headers {
  readonly source: string
  readonly destination: string
  readonly protocol: number
  /** From the transport header on; empty in later fragments. */
  readonly transport: Uint8Array
}

/** @param packet from its network header on, possibly cut. @returns undefined for what is no packet of IP */
export function describePacket(packet: Uint8Array): DescribedPacket | undefined {
  const version = (packet[0] ?? 0) >> 4
  const headers = version === 4 ? ipv4(packet) : version === 6 ? ipv6(packet) : undefined
  if (headers === undefined) return undefined
  const { source, destination, transport } = headers
  const protocol = PROTOCOLS[headers.protocol] ?? `protocol ${headers.protocol}`
  const base = { source, destination, protocol }
  if (!WITH_PORTS.has(headers.protocol) || transport.length < 4)
    return { text: `${protocol} ${source} → ${destination}`, fields: base }
  const [sourcePort, destinationPort] = [0, 2].map((at) => wordAt(transport, at)) as [number, number]
  const text = `${protocol} ${endText(source, sourcePort)} → ${endText(destination, destinationPort)}`
  return { text, fields: { ...base, sourcePort, destinationPort } }
}

function ipv4(packet: Uint8Array): Headers | undefined {
  const length = ((packet[0] ?? 0) & 0x0f) * 4
  if (length < 20 || packet.length < length) return undefined
  const isFirst = (wordAt(packet, 6) & 0x1fff) === 0
  return {
    source: addressAt(packet, 4, 12),
    destination: addressAt(packet, 4, 16),
    protocol: packet[9] ?? 0,
    transport: isFirst ? packet.subarray(length) : new Uint8Array(),
  }
}

/** Extension headers before the transport's are passed over, as far as the copy goes. */
function ipv6(packet: Uint8Array): Headers | undefined {
  if (packet.length < 40) return undefined
  let [protocol, at] = [packet[6] ?? 0, 40]
  for (let headers = 0; EXTENSIONS.has(protocol) && at + 8 <= packet.length && headers < 8; headers += 1) {
    const length = protocol === FRAGMENT ? 8 : ((packet[at + 1] ?? 0) + 1) * 8
    if (protocol === FRAGMENT && (wordAt(packet, at + 2) & 0xfff8) !== 0) break
    protocol = packet[at] ?? 0
    at += length
  }
  const transport = EXTENSIONS.has(protocol) ? new Uint8Array() : packet.subarray(at)
  return { source: addressAt(packet, 6, 8), destination: addressAt(packet, 6, 24), protocol, transport }
}

function addressAt(packet: Uint8Array, family: 4 | 6, at: number): string {
  const bytes = packet.subarray(at, at + (family === 4 ? 4 : 16))
  return formatAddress(
    family,
    bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n),
  )
}

function wordAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}

function endText(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

const PROTOCOLS: Readonly<Record<number, string>> = {
  1: 'ICMP',
  6: 'TCP',
  17: 'UDP',
  58: 'ICMPv6',
  132: 'SCTP',
}
const WITH_PORTS = new Set([6, 17, 132])
const FRAGMENT = 44
/** Hop-by-hop, routing, fragment and destination options (RFC 8200). */
const EXTENSIONS = new Set([0, 43, FRAGMENT, 60])
