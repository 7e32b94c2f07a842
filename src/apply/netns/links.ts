/**
 * The interfaces of a network namespace as the kernel has them: what a pod's annotation is held against. Read by rtnetlink
 * on the spot, or, without koffi, by a process of `ip`.
 */
import type { NetnsAccess, NetnsLink } from 'nftables-json/netns'
import { type Address, parseAddress } from '../../compile/address.ts'
import type { OpenNetns } from './open-netns.ts'

export interface KernelLink {
  /** In lower case; empty where it has none. */
  readonly mac: string
  readonly addresses: ReadonlySet<Address>
  /** The VRF that it is within. */
  readonly vrf: string | undefined
  /** Such as `veth`, `macvlan` or `ipvlan l3s`; undefined for a device of hardware. */
  readonly kind: string | undefined
}

/** By name. */
export type Links = ReadonlyMap<string, KernelLink>

/** @throws Error where they cannot be read */
export type ReadLinks = (netns: Pick<OpenNetns, 'path'>, signal: AbortSignal) => Promise<Links>

/** Some thousands of links: root in the pod can make as many as it likes. */
const MOST_BYTES = 4 * 1024 * 1024

export function linksReader(access: NetnsAccess | undefined): ReadLinks {
  if (access === undefined) return readByProcess
  return async ({ path }) => {
    const links = access.links(path, MOST_BYTES)
    if (typeof links === 'string') throw new Error(links)
    return linksOf(links)
  }
}

const readByProcess: ReadLinks = async ({ path }, signal) => {
  const { execa } = await import('execa')
  const { stdout } = await execa('nsenter', [`--net=${path}`, 'ip', '-json', '-details', 'address', 'show'], {
    timeout: 10_000,
    cancelSignal: signal,
    env: { LC_ALL: 'C' },
    stdin: 'ignore',
    maxBuffer: MOST_BYTES,
  })
  return parsePrintedLinks(stdout)
}

interface ShownLink {
  readonly ifname: string
  readonly address?: string
  readonly master?: string
  readonly linkinfo?: {
    readonly info_kind?: string
    readonly info_data?: { readonly mode?: unknown }
    readonly info_slave_kind?: string
  }
  readonly addr_info?: readonly { readonly local?: string }[]
}

/**
 * @param printed by `ip -json -details address show`. It writes the name of a link as it is, so a control character of a name
 *   has to be escaped here; those that it prints itself, blanks and line feeds, cannot be in a name.
 * @throws SyntaxError
 */
export function parsePrintedLinks(printed: string): Links {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
  const escaped = printed.replaceAll(/[\x01-\x08\x0e-\x1f]/g, (character) => {
    return `\\u00${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
  const shown = JSON.parse(escaped) as readonly ShownLink[]
  return linksOf(
    shown.map(({ ifname, address = '', master, linkinfo = {}, addr_info = [] }) => ({
      name: ifname,
      mac: address.toLowerCase(),
      master,
      kind: linkinfo.info_kind,
      mode: linkinfo.info_data?.mode,
      masterKind: linkinfo.info_slave_kind,
      addresses: addr_info.flatMap(({ local = [] }) => local),
    })),
  )
}

function linksOf(links: readonly (Omit<NetnsLink, 'mode'> & { readonly mode: unknown })[]): Links {
  return new Map(
    links.map(({ name, mac, master, kind, mode, masterKind, addresses }) => [
      name,
      {
        mac,
        addresses: new Set(addresses.flatMap((text) => parseAddress(text) ?? [])),
        vrf: masterKind === 'vrf' ? master : undefined,
        kind: kind === 'ipvlan' && typeof mode === 'string' ? `${kind} ${mode}` : kind,
      },
    ]),
  )
}
