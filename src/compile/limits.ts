/**
 * How much one object may have the daemon hold, compute or write. Who writes a policy or a pod picks its size, and every node
 * that reads it pays, so each limit is far above what people write and far below what hurts a container of 150 MiB (measured).
 * What is beyond a limit allows nothing, what isolates keeps isolating, and one Issue says the limit and the count.
 */

/** Networks of a policy on which pods are its peers: selectors and Issues cost by network. Those beyond are governed. */
export const MOST_NETWORKS_OF_A_POLICY = 1_000

/** Missing networks that are named; the others are a number, since a policy can name 60,000 that nobody has. */
export const MOST_MISSING_NAMED = 20

/** Rules, peers, excepts, ports and terms of selectors, together: what the API server takes could be 500,000. */
export const MOST_PARTS_OF_A_POLICY = 20_000

/** What is not enforced of one policy's rules, or on one pod, is named so many times. */
export const MOST_ISSUES_NAMED = 20

/** Entries of network-status: an SR-IOV adapter has 256 functions, and no runtime's deadline leaves time to attach more. */
export const MOST_ATTACHMENTS_OF_A_POD = 256

/** Every node keeps every pod's addresses. */
export const MOST_ADDRESSES_OF_A_POD = 100

/** Named ports of a pod's containers: each stands beside each address of the pod where a policy asks for the name. */
export const MOST_PORTS_OF_A_POD = 256

/** Addresses of the pods that a rule selects. Pods with few come first, so that nobody's can push out another's. */
export const MOST_ADDRESSES_OF_A_RULE = 25_000

/** Pairs of address and named port that a rule stands for; pods with few come first. */
export const MOST_ENDPOINTS_OF_A_RULE = 25_000

/** Policies times the pod's interfaces that they govern: each pair is a jump. Policies beyond only isolate. */
export const MOST_GOVERNANCES_OF_A_POD = 5_000

/**
 * Elements of sets in one pod, a rule counting as `ELEMENTS_OF_A_RULE`: nft takes 1.3 KiB of memory for an element of a set of
 * intervals and 11 for a rule with a set of its own, so this is 55 MiB; the kernel keeps 0.2 KiB and up to 30 for as long as
 * they stand, which counts for the container too.
 */
export const MOST_ELEMENTS_OF_A_POD = 40_000
export const ELEMENTS_OF_A_RULE = 8

/** Pods with more are written one at a time: each takes nft 10 MiB and more, and about as much here. */
export const HEAVY_ELEMENTS = 5_000

/** The number as people write it: 25,000. */
export function count(number: number): string {
  return number.toLocaleString('en')
}
