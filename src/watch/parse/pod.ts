/**
 * Pods at the edge: only what policies can ask of them is kept. A pod's annotations are written by whoever may edit
 * the pod, so nothing in them is taken for more than a claim.
 */
import { type Address, parseAddress } from '../../compile/address.ts'
import { count, MOST_ADDRESSES_OF_A_POD, MOST_ATTACHMENTS_OF_A_POD } from '../../compile/limits.ts'
import type { Attachment, Pod } from '../../compile/model.ts'
import { isUnreadable, type Metadata, parseMetadata, type Unreadable } from './metadata.ts'
import { parseNetworkName } from './network-name.ts'
import { parseContainerPorts } from './port.ts'
import { isObject, type JsonObject, own, shorten } from './report.ts'
import type { SharedValues } from './shared.ts'

const NETWORK_STATUS = 'k8s.v1.cni.cncf.io/network-status'
const NETWORKS_STATUS = 'k8s.v1.cni.cncf.io/networks-status'
/** On the mirror of a static pod: the UID that the kubelet gave the pod itself. */
const MIRROR_HASH = 'kubernetes.io/config.hash'
const NETNS = 'multi-networkpolicyd/netns'

/** @param unscheduledNode the node of a pod that names none: this one for manifests, undefined for the API. */
export function parsePod(raw: unknown, unscheduledNode?: string): Pod | Unreadable {
  const metadata = parseMetadata('Pod', raw)
  if (isUnreadable(metadata)) return metadata
  const { namespace, name, uid, labels, createdAt, report } = metadata
  const [spec, status] = ['spec', 'status'].map((key) => objectOf(isObject(raw) ? own(raw, key) : undefined))
  const phase = own(status ?? {}, 'phase')
  return {
    kind: 'Pod',
    namespace,
    name,
    uid,
    runtimeUid: textOf(own(metadata.annotations, MIRROR_HASH)) ?? uid,
    node: textOf(own(spec ?? {}, 'nodeName')) ?? unscheduledNode,
    labels,
    alive: phase !== 'Succeeded' && phase !== 'Failed',
    hostNetwork: own(spec ?? {}, 'hostNetwork') === true,
    guest: guestOf(spec ?? {}, labels),
    createdAt,
    ...parseNetworkStatus(metadata),
    ports: parseContainerPorts(report, spec ?? {}),
    netns: parseNetns(metadata),
    issues: report.issues,
  }
}

const NOTHING: readonly never[] = []

/**
 * A pod of another node, of which nothing is asked but what it is as a peer: namespace, labels, and addresses on
 * networks; the ports of its containers as far as `raw` has them, which metadata alone has not. Undefined for a pod that
 * no policy can mean: on no network, on the host's network, or done (semantics.md, P3 and G5).
 *
 * Metadata alone does not tell of the last two: whoever asks for it has the server leave such pods out.
 */
export function parsePeerPod(raw: unknown, shared: SharedValues): Pod | Unreadable | undefined {
  const pod = parsePod(raw)
  if (isUnreadable(pod)) return pod
  if (!pod.alive || pod.hostNetwork) return undefined
  if (pod.attachments.length === 0 && pod.issues.length === 0) return undefined
  return {
    ...pod,
    namespace: shared.text(pod.namespace),
    runtimeUid: pod.uid,
    node: undefined,
    labels: shared.labels(pod.labels),
    guest: undefined,
    createdAt: 0,
    attachments: pod.attachments.map(({ network, interface: name, addresses }) => ({
      network: shared.text(network),
      interface: name === undefined ? undefined : shared.text(name),
      // Exactly as long as it is: what grew by pushing keeps room for more.
      addresses: addresses.slice(),
      mac: undefined,
      userspace: undefined,
    })),
    defaultInterfaces: NOTHING,
    ports: pod.ports.length === 0 ? NOTHING : shared.ports(pod.ports),
    netns: undefined,
    issues: pod.issues.length === 0 ? NOTHING : pod.issues,
  }
}

/** The secondary interfaces of `network-status`, or of the older `networks-status`; of the default network's, the name. */
function parseNetworkStatus({
  annotations,
  namespace,
  report,
}: Metadata): Pick<Pod, 'attachments' | 'defaultInterfaces'> {
  const attachments: Attachment[] = []
  const defaultInterfaces: string[] = []
  const key = own(annotations, NETWORK_STATUS) === undefined ? NETWORKS_STATUS : NETWORK_STATUS
  const field = `metadata.annotations[${key}]`
  const text = own(annotations, key)
  if (text === undefined || text === '') return { attachments, defaultInterfaces }
  const status = typeof text === 'string' ? parseJson(text) : undefined
  if (!Array.isArray(status)) {
    report.add(field, text, 'expected a JSON list of interfaces; the pod counts as attached to no network')
    return { attachments, defaultInterfaces }
  }
  if (status.length > MOST_ATTACHMENTS_OF_A_POD) {
    const most = `it has ${count(status.length)} entries; ${count(MOST_ATTACHMENTS_OF_A_POD)} are the most`
    report.add(field, undefined, `${most}, and the others are not read`)
  }
  for (const [index, entry] of status.slice(0, MOST_ATTACHMENTS_OF_A_POD).entries()) {
    if (isObject(entry) && own(entry, 'default') === true) {
      defaultInterfaces.push(textOf(own(entry, 'interface')) ?? 'eth0')
      continue
    }
    const attachment = parseAttachment(entry, `${field}[${index}]`, namespace, report)
    if (attachment !== undefined) attachments.push(attachment)
  }
  return { attachments: withFewAddresses(attachments, field, report), defaultInterfaces }
}

function withFewAddresses(
  attachments: readonly Attachment[],
  field: string,
  report: Metadata['report'],
): readonly Attachment[] {
  const all = attachments.reduce((sum, { addresses }) => sum + addresses.length, 0)
  if (all <= MOST_ADDRESSES_OF_A_POD) return attachments
  const most = `it has ${count(all)} addresses; ${count(MOST_ADDRESSES_OF_A_POD)} are the most`
  report.add(field, undefined, `${most}, and the others are no peer's`)
  let left = MOST_ADDRESSES_OF_A_POD
  return attachments.map((attachment) => {
    const addresses = attachment.addresses.slice(0, left)
    left -= addresses.length
    return { ...attachment, addresses }
  })
}

function parseAttachment(
  entry: unknown,
  field: string,
  namespace: string,
  report: Metadata['report'],
): Attachment | undefined {
  const name = isObject(entry) ? own(entry, 'name') : undefined
  const network = typeof name === 'string' ? parseNetworkName(name, namespace) : undefined
  if (!isObject(entry) || network === undefined) {
    return report.add(
      `${field}.name`,
      name,
      'expected NAME or NAMESPACE/NAME of a network; the entry is skipped',
    )
  }
  const addresses: Address[] = []
  for (const [index, text] of (report.list(`${field}.ips`, own(entry, 'ips')) ?? []).entries()) {
    const address = typeof text === 'string' ? parseAddress(text) : undefined
    if (address === undefined)
      report.add(`${field}.ips[${index}]`, text, 'expected an IP address; it is skipped')
    else addresses.push(address)
  }
  const mac = textOf(own(entry, 'mac'))?.toLowerCase()
  return {
    network,
    interface: textOf(own(entry, 'interface')),
    addresses,
    mac,
    userspace: userspaceOf(entry),
  }
}

/** Types of the device information specification whose packets no kernel sees (Network Plumbing WG, device-info 1.1). */
function userspaceOf(entry: JsonObject): string | undefined {
  const info = own(entry, 'device-info')
  const type = isObject(info) ? own(info, 'type') : undefined
  if (type === 'vhost-user' || type === 'memif') return type
  const vdpa = isObject(info) && type === 'vdpa' ? own(info, 'vdpa') : undefined
  return isObject(vdpa) && own(vdpa, 'driver') === 'vhost' ? 'vdpa with driver vhost' : undefined
}

/** Runtimes whose pods are virtual machines, and KubeVirt's launchers, which hold one. */
function guestOf(spec: JsonObject, labels: Pod['labels']): string | undefined {
  const runtimeClass = textOf(own(spec, 'runtimeClassName'))
  if (runtimeClass !== undefined && /kata|firecracker/i.test(runtimeClass))
    return `runtime class ${shorten(runtimeClass)}`
  return labels.get('kubevirt.io') === 'virt-launcher' ? "KubeVirt's launcher" : undefined
}

function parseNetns({ annotations, report }: Metadata): string | undefined {
  const path = own(annotations, NETNS)
  if (path === undefined) return undefined
  if (typeof path === 'string' && path.startsWith('/') && !path.includes('\0')) return path
  return report.add(`metadata.annotations[${NETNS}]`, path, 'expected an absolute path; it is skipped')
}

function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}

/** Text that is there; empty counts as absent, as in Kubernetes' own JSON. */
function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
