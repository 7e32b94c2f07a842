/**
 * "Not enforced because …": what keeps a policy from being enforced as it reads, as Issues that name the policy, the pod
 * and the reason. Policies that were quietly not enforced have cost their authors weeks.
 */
import { LONGEST_INTERFACE_NAME } from 'nftables-json'
import type { Cluster } from './cluster.ts'
import {
  count,
  MOST_ADDRESSES_OF_A_RULE,
  MOST_ENDPOINTS_OF_A_RULE,
  MOST_ISSUES_NAMED,
  MOST_MISSING_NAMED,
} from './limits.ts'
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
  const about = { object: referenceTo(policy), field: POLICY_FOR }
  const governed = 'attachments that name it are governed all the same'
  const named = missing
    .slice(0, MOST_MISSING_NAMED)
    .map((value) => ({ ...about, value, reason: `no such NetworkAttachmentDefinition; ${governed}` }))
  const rest = missing.length - named.length
  return rest === 0
    ? named
    : [
        ...named,
        { ...about, reason: `${count(rest)} more of its networks are no NetworkAttachmentDefinition` },
      ]
}

/** The first Issues of one object, and a last one that says how many more there are. */
export function firstOf(issues: readonly Issue[], object: Policy | Pod): readonly Issue[] {
  const rest = issues.length - MOST_ISSUES_NAMED
  return rest <= 0 ? issues : [...issues.slice(0, MOST_ISSUES_NAMED), moreOf(object, rest)]
}

export function moreOf(object: Policy | Pod, rest: number): Issue {
  const reason = `${count(rest)} more is not enforced than the ${MOST_ISSUES_NAMED} that are named`
  return { object: referenceTo(object), field: object.kind === 'Pod' ? '' : 'spec', reason }
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

/** What one rule is about, so far as it is not allowed. */
export interface RuleShortfall {
  /** Pods that its peers select and of which no address is known. */
  readonly addressless: ReadonlySet<NamespacedName>
  /** How many addresses its selecting peers stand for, and how many endpoints its named ports. */
  readonly addresses: number
  readonly endpoints: number
}

export function ruleIssues(
  policy: Policy,
  direction: Direction,
  index: number,
  shortfall: RuleShortfall,
): readonly Issue[] {
  const field = `spec.${direction}[${index}]`
  const tooMany = (number: number, most: number, what: string): Issue => ({
    object: referenceTo(policy),
    field,
    reason: `it stands for ${count(number)} ${what}; ${count(most)} are the most, and pods with the most of them are left out`,
  })
  const { addresses, endpoints } = shortfall
  return [
    ...(shortfall.addressless.size > 0 ? [addressless(policy, direction, index, shortfall.addressless)] : []),
    ...(addresses > MOST_ADDRESSES_OF_A_RULE
      ? [tooMany(addresses, MOST_ADDRESSES_OF_A_RULE, 'addresses of pods')]
      : []),
    ...(endpoints > MOST_ENDPOINTS_OF_A_RULE
      ? [tooMany(endpoints, MOST_ENDPOINTS_OF_A_RULE, 'named ports of pods')]
      : []),
  ]
}

/** Pods that a rule's peers select and of which no address is known. */
function addressless(
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
