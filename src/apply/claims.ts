/**
 * A pod's annotations against its netns. Whoever may edit the pod can write them, so the kernel is the truth: an
 * interface that was governed and still is there does not cease to be for being told otherwise.
 */
import type { Attachment, Pod } from '../compile/model.ts'
import { isNetwork } from '../compile/nftables.ts'
import type { Ruleset } from '../compile/ruleset.ts'
import { type Links, readLinks } from './netns/links.ts'
import type { OpenNetns } from './netns/open-netns.ts'

/**
 * Interfaces that stand governed and are in the netns, but that network-status no longer names, or names as another
 * network's: in the netns of a running pod a link does not change its network, so it is the annotation that is wrong.
 *
 * @param governed name to network, see `governedBy`
 * @returns why the rules must stay as they are; undefined where they may change
 */
export async function withdrawn(
  governed: ReadonlyMap<string, string>,
  pod: Pod,
  netns: OpenNetns,
  signal: AbortSignal,
): Promise<string | undefined> {
  const doubtful = [...governed].filter(
    ([name, network]) =>
      !pod.attachments.some((each) => each.interface === name && isNetwork(network, each.network)),
  )
  if (doubtful.length === 0) return undefined
  const links = await readLinks(netns, signal)
  const still = doubtful.filter(([name]) => links.has(name)).map(([name, network]) => `${name} on ${network}`)
  if (still.length === 0) return undefined
  return `network-status no longer tells of ${still.join(', ')}, which is still there: the rules stay as they were`
}

/** What network-status tells of governed interfaces and the netns does not have, in words; undefined: nothing. */
export async function mismatches(
  ruleset: Ruleset | undefined,
  pod: Pod,
  netns: OpenNetns,
  signal: AbortSignal,
): Promise<string | undefined> {
  const governed = new Set(ruleset?.interfaces.map(({ name }) => name))
  const attachments = pod.attachments.filter((each) => governed.has(each.interface ?? ''))
  if (attachments.length === 0) return undefined
  try {
    const links = await readLinks(netns, signal)
    const remarks = attachments.flatMap((attachment) => mismatch(attachment, links) ?? [])
    return remarks.length === 0 ? undefined : remarks.join('; ')
  } catch (error) {
    return `its interfaces cannot be listed: ${error instanceof Error ? error.message : error}`
  }
}

function mismatch({ interface: name = '', mac }: Attachment, links: Links): string | undefined {
  const there = links.get(name)
  if (there === undefined) return `interface ${name} of network-status is not in the network namespace`
  return mac === undefined || mac === there
    ? undefined
    : `interface ${name} has MAC address ${there} and not ${mac} as network-status tells`
}
