/**
 * "Not enforced because …": what keeps a policy from being enforced as it reads, as Issues that name the policy, the pod
 * and the reason. Policies that were quietly not enforced have cost their authors weeks.
 */
import { LONGEST_INTERFACE_NAME } from 'nftables-json'
import type { Cluster } from './cluster.ts'
import {
  type Attachment,
  type Direction,
  type Issue,
  type NamespacedName,
  nameOf,
  type Pod,
  type Policy,
  referenceTo,
} from './model.ts'

const POLICY_FOR = 'metadata.annotations[k8s.v1.cni.cncf.io/policy-for]'

/** Why no rule can name the attachment's interface; undefined where one can. */
export function interfaceProblem({ interface: name }: Attachment): string | undefined {
  if (name === undefined) return 'network-status names no interface for it'
  if (name === 'lo') return 'lo is the loopback interface'
  return isLinuxName(name) ? undefined : `no interface can have the name ${JSON.stringify(name)}`
}

/**
 * Why rules in the pod's netns may not meet its packets. They are put there all the same: these are claims of whoever
 * wrote the pod, and must not take enforcement away.
 */
export function doubtOf(pod: Pod, attachment: Attachment): string | undefined {
  if (attachment.userspace !== undefined) {
    return `the device is given to user space (${attachment.userspace}), where the kernel sees no packets`
  }
  return pod.guest === undefined
    ? undefined
    : `it is a virtual machine (${pod.guest}): packets that are bridged to the guest pass the pod's rules by`
}

export function missingNetworks(policy: Policy, cluster: Cluster): readonly Issue[] {
  const missing = policy.networks.filter((network) => !cluster.networks.has(network))
  return missing.map((network) => ({
    object: referenceTo(policy),
    field: POLICY_FOR,
    value: network,
    reason: 'no such NetworkAttachmentDefinition; attachments that name it are governed all the same',
  }))
}

export function notEnforced(policy: Policy, pod: Pod, attachment: Attachment, obstacle: string): Issue {
  return {
    object: referenceTo(policy),
    field: POLICY_FOR,
    value: attachment.network,
    reason: `not enforced on pod ${nameOf(pod)} because ${obstacle}`,
    pod: nameOf(pod),
  }
}

/** Pods that a rule's peers select and of which no address is known. */
export function addressless(
  policy: Policy,
  direction: Direction,
  index: number,
  pods: ReadonlySet<NamespacedName>,
): Issue {
  const shown = [...pods].sort().slice(0, 5).join(', ')
  const rest = pods.size > 5 ? ` and ${pods.size - 5} more` : ''
  return {
    object: referenceTo(policy),
    field: `spec.${direction}[${index}].${direction === 'ingress' ? 'from' : 'to'}`,
    reason: `not enforced for ${shown}${rest} because no address is known of them on the policy's networks`,
  }
}

/**
 * The kernel's dev_valid_name: 15 bytes at most, no slash, colon or ASCII blank, and neither of the dot names. Other blanks
 * of Unicode are bytes like any; half a surrogate pair is no byte at all.
 */
function isLinuxName(name: string): boolean {
  const bytes = Buffer.byteLength(name)
  return (
    /^[^/:\t-\r \0]+$/.test(name) &&
    name.isWellFormed() &&
    !/^\.\.?$/.test(name) &&
    bytes <= LONGEST_INTERFACE_NAME
  )
}
