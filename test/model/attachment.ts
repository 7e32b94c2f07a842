/**
 * G4 and G5: which pods are there to be governed or to be peers, and what they are attached to.
 */
import { type Address, parseAddress } from './address.ts'
import { annotationOf, namespaceOf } from './cluster.ts'
import { asText, at, isGiven, items, type JsonObject, oncePerObject, parseJson } from './json.ts'

export interface Attachment {
  /** `namespace/name` of the NetworkAttachmentDefinition. */
  readonly network: string
  /** Absent when the status names none, or none that Linux could have. */
  readonly interface: string | undefined
  readonly addresses: readonly Address[]
}

/**
 * Reading: every phase but Succeeded and Failed counts, a missing one too; `hostNetwork` is the boolean
 * `true`. A pod that is being deleted counts until it is gone: it still has its interfaces.
 */
export function isLive(pod: JsonObject): boolean {
  const phase = at(pod, 'status', 'phase')
  return phase !== 'Succeeded' && phase !== 'Failed' && at(pod, 'spec', 'hostNetwork') !== true
}

/**
 * Reading: the older annotation is read when the newer is absent, not when it is empty or malformed. The
 * entry with `default: true` is no attachment, so its addresses make no peer either, even if its name is in
 * a policy's networks. An entry without a usable name is skipped, the others stand. One without a usable
 * interface has nothing to govern, yet its addresses are on that network, so they are a peer's.
 */
export const attachmentsOf: (pod: JsonObject) => readonly Attachment[] = oncePerObject((pod) => {
  const status =
    annotationOf(pod, 'k8s.v1.cni.cncf.io/network-status') ??
    annotationOf(pod, 'k8s.v1.cni.cncf.io/networks-status') ??
    ''
  return items(parseJson(status))
    .filter((entry) => at(entry, 'default') !== true)
    .flatMap((entry) => {
      const network = networkNamed(asText(at(entry, 'name')) ?? '', namespaceOf(pod))
      if (network === undefined) return []
      return [{ network, interface: interfaceOf(entry), addresses: addressesOf(entry) }]
    })
})

/**
 * `name` is in the namespace of whoever writes it; anything but one or two non-empty parts is no name.
 *
 * Reading: blanks around the slash are trimmed too, as the daemons in use do: what names a network governs it.
 */
export function networkNamed(text: string, namespace: string): string | undefined {
  const parts = text.split('/').map((part) => part.trim())
  if (parts.some((part) => !/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(part))) return undefined
  if (parts.length === 1) return `${namespace}/${parts[0]}`
  return parts.length === 2 ? parts.join('/') : undefined
}

/** Linux's own rule (dev_valid_name): 1 to 15 bytes, no slash, colon or blank, not a dot or two. */
function interfaceOf(entry: unknown): string | undefined {
  const name = asText(at(entry, 'interface')) ?? ''
  const valid = /^[^/:\s]{1,15}$/.test(name) && Buffer.byteLength(name) <= 15
  return valid && name !== '.' && name !== '..' ? name : undefined
}

/** An address that cannot be read is skipped, the others of the entry stand. */
function addressesOf(entry: unknown): readonly Address[] {
  return items(at(entry, 'ips'))
    .map((ip) => parseAddress(asText(ip) ?? ''))
    .filter(isGiven) as readonly Address[]
}
