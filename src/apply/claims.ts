/**
 * A pod's annotations against its netns. Whoever may edit the pod can write them, so the kernel is the truth: an
 * interface that was governed and still is there does not cease to be for being told otherwise.
 */
import { contestedInterfaces } from '../compile/contested.ts'
import type { Attachment, NamespacedName, Pod } from '../compile/model.ts'
import type { Ruleset } from '../compile/ruleset.ts'
import type { Backend, Governed } from './backend.ts'
import { type Links, readLinks } from './netns/links.ts'
import type { OpenNetns } from './netns/open-netns.ts'
import { unmet } from './unmet.ts'

/** Attachments that the pod no longer tells of and still has, and what to say of that. */
export interface Withdrawn {
  readonly attachments: readonly Attachment[]
  readonly remark: string
}

/**
 * Interfaces that stand governed and are in the netns, but that network-status no longer names, or no longer as one of
 * the networks they were on: in the netns of a running pod a link does not change its network, so it is the annotation
 * that is wrong. They are to be governed as if it still told of them, so what it tells instead gains nothing: the
 * interface is then one that is told to be on several networks (compile/contested.ts).
 *
 * @param governed what stands
 * @returns undefined where there are none
 */
export async function withdrawn(
  governed: Governed,
  pod: Pod,
  netns: OpenNetns,
  signal: AbortSignal,
): Promise<Withdrawn | undefined> {
  const missing = [...governed].flatMap(([name, networks]) =>
    networks === 'unknown'
      ? []
      : networks.filter((network) => !tellsOf(pod, name, network)).map((network) => ({ name, network })),
  )
  if (missing.length === 0) return undefined
  const links = await readLinks(netns, signal)
  const still = missing.filter(({ name }) => links.has(name))
  if (still.length === 0) return undefined
  const attachments = still.map(({ name, network }) => ({
    network,
    interface: name,
    addresses: [],
    mac: undefined,
    userspace: undefined,
  }))
  return { attachments, remark: remarkOn(attachments, pod) }
}

function remarkOn(attachments: readonly Attachment[], pod: Pod): string {
  const what = attachments.map((each) => `${each.interface} on ${each.network}`).join(', ')
  const contested = contestedInterfaces({ ...pod, attachments: [...pod.attachments, ...attachments] })
  const instead = attachments.some((each) => contested.has(each.interface ?? ''))
    ? '; where it tells of another network instead, only policies for both allow anything'
    : ''
  return `network-status no longer tells of ${what}, which is still there and stays governed${instead}`
}

/** The pod as if it still told of what it has. */
export function withAttachments(pod: Pod, { attachments }: Withdrawn): Pod {
  return { ...pod, attachments: [...pod.attachments, ...attachments] }
}

/**
 * What network-status tells of governed interfaces and the netns does not have, and what of them the rules do not meet,
 * in words; undefined: nothing.
 */
export async function mismatches(
  ruleset: Ruleset | undefined,
  pod: Pod,
  netns: OpenNetns,
  by: Backend<unknown>['name'],
  signal: AbortSignal,
): Promise<string | undefined> {
  const governed = new Set(ruleset?.interfaces.map(({ name }) => name))
  const attachments = pod.attachments.filter((each) => governed.has(each.interface ?? ''))
  if (attachments.length === 0) return undefined
  try {
    const links = await readLinks(netns, signal)
    const remarks = attachments.flatMap((attachment) => mismatch(attachment, links) ?? [])
    if (ruleset !== undefined) remarks.push(...unmet(ruleset, links, by))
    return remarks.length === 0 ? undefined : remarks.slice(0, 10).join('; ')
  } catch (error) {
    return `its interfaces cannot be listed: ${error instanceof Error ? error.message : error}`
  }
}

function mismatch({ interface: name = '', mac }: Attachment, links: Links): string | undefined {
  const there = links.get(name)
  if (there === undefined) return `interface ${name} of network-status is not in the network namespace`
  return mac === undefined || mac === there.mac
    ? undefined
    : `interface ${name} has MAC address ${there.mac} and not ${mac} as network-status tells`
}

function tellsOf(pod: Pod, name: string, network: NamespacedName): boolean {
  return pod.attachments.some((each) => each.interface === name && each.network === network)
}
