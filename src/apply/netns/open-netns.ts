/**
 * A network namespace held open, so that what is done in it is done in the one that was looked at: a path may come to
 * mean another namespace, and a process number is given out again.
 */
import { closeSync } from 'node:fs'
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
 * Opens the namespace at a path, and refuses what is none or is the node's own.
 *
 * @param expected the namespace that whoever named the path saw there, where it was told
 */
export async function openNetns(path: string, view: HostView, expected?: NetnsIdentity): Promise<Located> {
  const file = await view.open(path)
  if (file.kind === 'other') return { kind: 'absent', reason: `${path} ${file.is}` }
  const { fd, identity } = file
  const wrong = wrongWith(identity, view, expected)
  if (wrong === undefined) return { kind: 'found', netns: new HeldNetns(fd, identityText(identity)) }
  closeSync(fd)
  return { kind: 'absent', reason: `${path} ${wrong}` }
}

class HeldNetns implements OpenNetns {
  readonly path: string
  readonly id: string
  #fd: number | undefined

  constructor(fd: number, id: string) {
    this.path = `/proc/${process.pid}/fd/${fd}`
    this.id = id
    this.#fd = fd
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }
}

function wrongWith(
  identity: NetnsIdentity,
  view: HostView,
  expected: NetnsIdentity | undefined,
): string | undefined {
  if (view.isHost(identity)) return 'is the network namespace of the node'
  return expected === undefined || identityText(expected) === identityText(identity)
    ? undefined
    : 'leads to another network namespace by now'
}

export function identityText({ device, inode }: NetnsIdentity): string {
  return `${device}:${inode}`
}
