/** Whether what network-status tells is what a namespace has. */
import type { Attachment } from '../../compile/model.ts'
import type { KernelLink } from './links.ts'

type Links = ReadonlyMap<string, Pick<KernelLink, 'mac' | 'addresses'>>

/**
 * Whether what network-status tells of an interface is what stands under that name: the MAC address and every address
 * that it tells, at least one of either.
 */
export function isAttached({ interface: name = '', mac, addresses }: Attachment, links: Links): boolean {
  const link = links.get(name)
  if (link === undefined || (mac === undefined && addresses.length === 0)) return false
  return (mac === undefined || mac === link.mac) && addresses.every((each) => link.addresses.has(each))
}

/** Whether network-status tells of any MAC address that a link here has, whatever the names. */
export function tellsOfAny(attachments: readonly Attachment[], links: Links): boolean {
  const macs = new Set([...links.values()].map(({ mac }) => mac))
  return attachments.some(({ mac }) => mac !== undefined && isRealMac(mac) && macs.has(mac))
}

/** Not one of those that every loopback or tunnel has. */
export function isRealMac(mac: string): boolean {
  return /^[0-9a-f]{2}(:[0-9a-f]{2})+$/.test(mac) && /[1-9a-f]/.test(mac)
}
