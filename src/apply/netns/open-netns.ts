/**
 * A network namespace held open, so that what is done in it is done in the one that was looked at: a path may come to
 * mean another namespace, and a process number is given out again.
 */
import { open } from 'node:fs/promises'
import type { HostView, NetnsIdentity } from './cri-host.ts'

export interface OpenNetns extends AsyncDisposable {
  /** Leads to this namespace for as long as it is held, for this process and those it starts. */
  readonly path: string
  /** Tells this namespace from all others that exist, as text. */
  readonly id: string
}

export type Located =
  | { readonly kind: 'found'; readonly netns: OpenNetns }
  /** The pod has none, or none that may be written to; the reason goes into an Issue. */
  | { readonly kind: 'absent'; readonly reason: string }
  /** Whoever should know does not tell. */
  | { readonly kind: 'unknown'; readonly reason: string }

/**
 * Opens the namespace at a path, and refuses what is none or is the node's own. What stands there is looked at before
 * it is opened, since opening a pipe or a device could block or do something.
 *
 * @param expected the namespace that whoever named the path saw there, where it was told
 */
export async function openNetns(path: string, view: HostView, expected?: NetnsIdentity): Promise<Located> {
  const seen = await view.identify(path)
  if (seen.kind !== 'netns') return { kind: 'absent', reason: `${path} ${seen.is}` }
  const file = await open(path).catch(() => undefined)
  if (file === undefined) return { kind: 'absent', reason: `${path} went away` }
  const held = `/proc/${process.pid}/fd/${file.fd}`
  const id = await identify(held, view, expected)
  if (id.kind === 'usable') {
    return { kind: 'found', netns: { path: held, id: id.text, [Symbol.asyncDispose]: () => file.close() } }
  }
  await file.close()
  return { kind: 'absent', reason: `${path} ${id.is}` }
}

type Identified =
  | { readonly kind: 'usable'; readonly text: string }
  | { readonly kind: 'unusable'; readonly is: string }

async function identify(
  held: string,
  view: HostView,
  expected: NetnsIdentity | undefined,
): Promise<Identified> {
  const found = await view.identify(held)
  if (found.kind !== 'netns') return { kind: 'unusable', is: found.is }
  if (await view.isHost(found.identity))
    return { kind: 'unusable', is: 'is the network namespace of the node' }
  const text = identityText(found.identity)
  return expected === undefined || identityText(expected) === text
    ? { kind: 'usable', text }
    : { kind: 'unusable', is: 'leads to another network namespace by now' }
}

export function identityText({ device, inode }: NetnsIdentity): string {
  return `${device}:${inode}`
}
