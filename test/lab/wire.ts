/**
 * What an interface of a pod is made of, settled before anything is made, and the commands that set it up
 * from the inside. IPv6 addresses come without duplicate address detection and all are set by hand,
 * link-local ones included, so that the first packet can go at once.
 */
import { createHash } from 'node:crypto'
import type { IpCommand } from './ip.ts'
import type { PodSpec, Route } from './pod.ts'

export interface Wire {
  readonly interface: string
  readonly mac: string
  readonly kind: 'veth' | 'macvlan'
  readonly addresses: readonly string[]
  /** Without one, the other end leads nowhere. */
  readonly segment?: string
}

export function wiresOf({ name: pod, attachments, eth0 = false }: PodSpec): Wire[] {
  const wires = attachments.map((wanted): Wire => {
    const { segment, interface: name, kind = 'veth', addresses = [] } = wanted
    const mac = wanted.mac ?? macFor(segment, addresses[0] ?? `${pod} ${name}`)
    return { segment, interface: name, kind, addresses, mac }
  })
  return eth0 ? [{ interface: 'eth0', mac: macFor(pod), kind: 'veth', addresses: [] }, ...wires] : wires
}

/**
 * A locally administered address that follows from the first IP address: a pod that takes over another's
 * address is reached at once, whatever its peers still have in their neighbour tables.
 */
function macFor(...owner: string[]): string {
  const [octets] =
    createHash('sha256')
      .update(owner.join(' '))
      .digest('hex')
      .match(/^.{10}/) ?? []
  return `02${octets?.replace(/../g, ':$&')}`
}

/** For `ip -n <pod>`, once the links are in the namespace. */
export function insideCommands(wires: readonly Wire[], routes: readonly Route[] = []): IpCommand[] {
  return [
    ['link', 'set', 'dev', 'lo', 'up'],
    ...wires.flatMap(insideLink),
    ...routes.map(({ to, via, interface: name }) => [
      ...['route', 'add', to],
      ...(via === undefined ? [] : ['via', via]),
      ...(name === undefined ? [] : ['dev', name]),
    ]),
  ]
}

function insideLink({ interface: name, mac, segment, addresses }: Wire): IpCommand[] {
  const all = segment === undefined ? addresses : [...addresses, `${linkLocal(mac)}/64`]
  return [
    ...linkUp(name),
    ...all.map((address) => [
      ...['address', 'add', address, 'dev', name],
      ...(address.includes(':') ? ['nodad'] : []),
    ]),
  ]
}

/** Two commands: in one, the link would be up, and have an address of its own, before the mode is set. */
export function linkUp(name: string): IpCommand[] {
  return [
    ['link', 'set', 'dev', name, 'addrgenmode', 'none'],
    ['link', 'set', 'dev', name, 'up'],
  ]
}

/** `02:00:5e:10:00:01` gives `fe80::0:5eff:fe10:1` (RFC 4291, appendix A). */
function linkLocal(mac: string): string {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = mac.split(':').map((byte) => Number.parseInt(byte, 16))
  const groups = [((a ^ 2) << 8) | b, (c << 8) | 0xff, 0xfe00 | d, (e << 8) | f]
  return `fe80::${groups.map((group) => group.toString(16)).join(':')}`
}
