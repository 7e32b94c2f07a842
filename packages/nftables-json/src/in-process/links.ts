/**
 * The interfaces of a namespace with their addresses: RTM_GETLINK and RTM_GETADDR of rtnetlink(7), by a raw socket. The
 * kernel fills each datagram within the call that asks for it, so nothing here waits.
 */
import type { Libc } from './libc.ts'
import { LITTLE, openRouteSocket } from './netfilter-socket.ts'
import {
  attributesIn,
  HEADER,
  type Message,
  MSG_DONTWAIT,
  messagesIn,
  NLM_F_REQUEST,
  textOf,
  viewOf,
} from './netlink.ts'

export type NetnsLink = {
  readonly name: string
  /** `02:00:00:00:00:01`; empty where it has none. */
  readonly mac: string
  /** Such as `veth`, `macvlan` or `ipvlan`; undefined for a device of hardware. */
  readonly kind: string | undefined
  /** Of an ipvlan. */
  readonly mode: 'l2' | 'l3' | 'l3s' | undefined
  /** What it belongs to: a bridge, a bond, a VRF; undefined where that is not in this namespace. */
  readonly master: string | undefined
  /** What kind of master that is. */
  readonly masterKind: string | undefined
  /** Without prefix lengths, of IPv6 with all its groups. */
  readonly addresses: readonly string[]
}

/**
 * Of the thread's namespace of the moment; why not, where they cannot be read.
 *
 * @param mostBytes of what the kernel tells, some 1.2 KiB a link: root in a pod can make as many as it likes
 */
export function readLinks(libc: Libc, mostBytes: number): readonly NetnsLink[] | string {
  const fd = openRouteSocket(libc)
  if (fd < 0) return `socket: ${libc.lastError()}`
  try {
    const read = new Dump(libc, fd, mostBytes)
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const [links, addresses] = [read.all(RTM_GETLINK, LINK_HEADER), read.all(RTM_GETADDR, ADDRESS_HEADER)]
      if (links !== 'changed' && addresses !== 'changed') return linksOf(links, addresses)
    }
    return 'its links change all the time'
  } catch (error) {
    return error instanceof Unreadable ? error.message : String(error)
  } finally {
    libc.close(fd)
  }
}

class Unreadable extends Error {}

/** Others may change what is listed meanwhile. */
const MOST_TRIES = 3

/** The kernel fills no more at a time. */
const DATAGRAM = 65_536

class Dump {
  readonly #libc: Libc
  readonly #fd: number
  readonly #buffer = new Uint8Array(DATAGRAM)
  #left: number

  constructor(libc: Libc, fd: number, mostBytes: number) {
    this.#libc = libc
    this.#fd = fd
    this.#left = mostBytes
  }

  /** @param header of the family, of zeros: all of them */
  all(type: number, header: number): readonly Message[] | 'changed' {
    this.#ask(type, header)
    const messages: Message[] = []
    let changed = false
    for (;;) {
      for (const message of messagesIn(this.#receive())) {
        changed ||= (message.flags & NLM_F_DUMP_INTR) !== 0
        if (message.type === NLMSG_ERROR)
          throw new Unreadable(`rtnetlink: error ${-viewOf(message.body).getInt32(0, LITTLE)}`)
        if (message.type === NLMSG_DONE) return changed ? 'changed' : messages
        messages.push(message)
      }
    }
  }

  #ask(type: number, header: number): void {
    const question = new Uint8Array(HEADER + header)
    const view = viewOf(question)
    view.setUint32(0, question.length, LITTLE)
    view.setUint16(4, type, LITTLE)
    view.setUint16(6, NLM_F_REQUEST | NLM_F_DUMP, LITTLE)
    if (this.#libc.send(this.#fd, question, question.length, 0) < 0) throw this.#failed('send')
  }

  #receive(): Uint8Array {
    const length = this.#libc.recv(this.#fd, this.#buffer, DATAGRAM, MSG_DONTWAIT | MSG_TRUNC)
    if (length < 0) throw this.#failed('recv')
    this.#left -= length
    if (length > DATAGRAM || this.#left < 0) throw new Unreadable('there are more links than are read')
    return this.#buffer.slice(0, length)
  }

  #failed(call: string): Unreadable {
    return new Unreadable(`rtnetlink: ${call}: ${this.#libc.lastError()}`)
  }
}

function linksOf(links: readonly Message[], addresses: readonly Message[]): readonly NetnsLink[] {
  const told = links
    .filter(({ type }) => type === RTM_NEWLINK)
    .map(({ body }) => ({
      index: viewOf(body).getInt32(4, LITTLE),
      attributes: attributesIn(body.subarray(LINK_HEADER)),
    }))
  const nameOf = (attributes: ReadonlyMap<number, Uint8Array>): string =>
    textOf(attributes.get(IFLA_IFNAME) ?? NOTHING)
  const names = new Map(told.map(({ index, attributes }) => [index, nameOf(attributes)]))
  const byLink = Map.groupBy(
    addresses.filter(({ type }) => type === RTM_NEWADDR),
    ({ body }) => viewOf(body).getUint32(4, LITTLE),
  )
  return told.map(({ index, attributes }) => ({
    name: nameOf(attributes),
    mac: hex(attributes.get(IFLA_ADDRESS) ?? NOTHING),
    master: names.get(numberIn(attributes.get(IFLA_MASTER)) ?? -1),
    ...infoOf(attributes.get(IFLA_LINKINFO)),
    addresses: (byLink.get(index) ?? []).flatMap(({ body }) => addressOf(body) ?? []),
  }))
}

function infoOf(value: Uint8Array | undefined): Pick<NetnsLink, 'kind' | 'mode' | 'masterKind'> {
  const info = attributesIn(value ?? NOTHING)
  const text = (type: number): string | undefined => {
    const told = info.get(type)
    return told && textOf(told)
  }
  const kind = text(IFLA_INFO_KIND)
  const mode =
    kind === 'ipvlan' ? attributesIn(info.get(IFLA_INFO_DATA) ?? NOTHING).get(IFLA_IPVLAN_MODE) : undefined
  return {
    kind,
    mode: mode === undefined || mode.length < 2 ? undefined : IPVLAN_MODES[viewOf(mode).getUint16(0, LITTLE)],
    masterKind: text(IFLA_INFO_SLAVE_KIND),
  }
}

/** Its own, where it is one of two ends. */
function addressOf(body: Uint8Array): string | undefined {
  const attributes = attributesIn(body.subarray(ADDRESS_HEADER))
  const value = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS)
  if (value?.length === 4) return value.join('.')
  if (value?.length !== 16) return undefined
  return Array.from({ length: 8 }, (_, group) =>
    viewOf(value)
      .getUint16(2 * group, false)
      .toString(16),
  ).join(':')
}

function numberIn(value: Uint8Array | undefined): number | undefined {
  return value?.length === 4 ? viewOf(value).getUint32(0, LITTLE) : undefined
}

function hex(value: Uint8Array): string {
  return [...value].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
}

const NOTHING = new Uint8Array()
/** struct ifinfomsg, struct ifaddrmsg. */
const [LINK_HEADER, ADDRESS_HEADER] = [16, 8]
const [RTM_NEWLINK, RTM_GETLINK, RTM_NEWADDR, RTM_GETADDR] = [16, 18, 20, 22]
const [IFLA_ADDRESS, IFLA_IFNAME, IFLA_MASTER, IFLA_LINKINFO] = [1, 3, 10, 18]
const [IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_INFO_SLAVE_KIND] = [1, 2, 4]
const IFLA_IPVLAN_MODE = 1
const IPVLAN_MODES = ['l2', 'l3', 'l3s'] as const
const [IFA_ADDRESS, IFA_LOCAL] = [1, 2]
const [NLMSG_ERROR, NLMSG_DONE] = [2, 3]
const NLM_F_DUMP = 0x300
const NLM_F_DUMP_INTR = 0x10
const MSG_TRUNC = 0x20
