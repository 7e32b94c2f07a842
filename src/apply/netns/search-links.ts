/**
 * The interfaces of many network namespaces, listed in one go: one shell that enters one after the other, some 2 ms
 * each, instead of a process each that this one would have to start.
 */
import { type Address, parseAddress } from '../../compile/address.ts'
import type { Attachment } from '../../compile/model.ts'
import { parseShown } from './links.ts'

export interface Link {
  /** In lower case; empty where it has none. */
  readonly mac: string
  readonly addresses: ReadonlySet<Address>
}

/** By the interfaces' names. */
export type LinkTable = ReadonlyMap<string, Link>

/** Prints a line for each path; an empty one where a namespace cannot be entered. */
const SCRIPT = 'for path; do nsenter --net="$path" ip -json address show || echo; done'

/**
 * @param paths held open, so that they lead to what was looked at
 * @returns in the order of the paths; undefined for what cannot be listed
 */
export async function listLinks(
  paths: readonly string[],
  signal: AbortSignal,
): Promise<readonly (LinkTable | undefined)[]> {
  if (paths.length === 0) return []
  const { execa } = await import('execa')
  const { stdout } = await execa('sh', ['-c', SCRIPT, 'sh', ...paths], {
    timeout: 30_000,
    cancelSignal: signal,
    env: { LC_ALL: 'C' },
    stdin: 'ignore',
    stderr: 'ignore',
    reject: false,
  })
  const lines = stdout?.split('\n') ?? []
  return paths.map((_, index) => parseLinks(lines[index] ?? ''))
}

interface ShownLink {
  readonly ifname: string
  readonly address?: string
  readonly addr_info?: readonly { readonly local?: string }[]
}

function parseLinks(line: string): LinkTable | undefined {
  try {
    const shown = parseShown(line) as readonly ShownLink[]
    return new Map(
      shown.map(({ ifname, address = '', addr_info = [] }) => [
        ifname,
        {
          mac: address.toLowerCase(),
          addresses: new Set(addr_info.flatMap(({ local = '' }) => parseAddress(local) ?? [])),
        },
      ]),
    )
  } catch {
    return undefined
  }
}

/**
 * Whether what network-status tells of an interface is what stands under that name: the MAC address and every address
 * that it tells, at least one of either.
 */
export function isAttached({ interface: name = '', mac, addresses }: Attachment, links: LinkTable): boolean {
  const link = links.get(name)
  if (link === undefined || (mac === undefined && addresses.length === 0)) return false
  return (mac === undefined || mac === link.mac) && addresses.every((each) => link.addresses.has(each))
}

/** Whether network-status tells of any MAC address that a link here has, whatever the names. */
export function tellsOfAny(attachments: readonly Attachment[], links: LinkTable): boolean {
  const macs = new Set([...links.values()].map(({ mac }) => mac))
  return attachments.some(({ mac }) => mac !== undefined && isRealMac(mac) && macs.has(mac))
}

/** Not one of those that every loopback or tunnel has. */
export function isRealMac(mac: string): boolean {
  return /^[0-9a-f]{2}(:[0-9a-f]{2})+$/.test(mac) && /[1-9a-f]/.test(mac)
}
