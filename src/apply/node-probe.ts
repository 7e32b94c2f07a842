/**
 * Whether this node lets us do our work at all: a network namespace of our own is entered, and rules are written there as
 * into a pod's. What fails here (a capability, a program or a part of the kernel is missing) fails for every pod.
 */
import { once } from 'node:events'
import { parseAddress } from '../compile/address.ts'
import { NO_CUSTOM_RULES } from '../compile/custom/rules.ts'
import { NO_EXEMPTIONS, type Ruleset } from '../compile/ruleset.ts'
import type { Backend } from './backend.ts'
import type { HostView } from './netns/cri-host.ts'
import { openNetns } from './netns/open-netns.ts'

/** Longer than the back-end's own limits, so that theirs tell what it was. */
const TIMEOUT_MS = 60_000

/** @returns why it cannot be done; undefined where it can, or where the signal came before it was known. Never rejects. */
export async function probeNode(
  backend: Backend<unknown>,
  view: HostView,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { execa } = await import('execa')
  // It holds the namespace for as long as its input is open.
  const holder = execa('unshare', ['--net', 'sh', '-c', 'echo ready; exec cat'], {
    timeout: TIMEOUT_MS,
    cancelSignal: signal,
    env: { LC_ALL: 'C' },
    reject: false,
    buffer: { stdout: false },
  })
  try {
    const ready = once(holder.stdout, 'data').then(() => undefined)
    const ended = await Promise.race([ready, holder])
    const failure =
      ended === undefined
        ? await writeInto(`/proc/${holder.pid}/ns/net`, backend, view, signal)
        : `no network namespace can be made: ${ended.stderr || ended.shortMessage}`
    return signal.aborted ? undefined : failure
  } catch (error) {
    return signal.aborted ? undefined : `${error instanceof Error ? error.message : error}`
  } finally {
    holder.stdin.end()
    await holder
  }
}

async function writeInto(
  path: string,
  backend: Backend<unknown>,
  view: HostView,
  signal: AbortSignal,
): Promise<string | undefined> {
  const located = await openNetns(path, view)
  if (located.kind !== 'found') return `no network namespace can be opened: ${located.reason}`
  await using netns = located.netns
  const written = await backend.print(EVERYTHING).write(netns, signal)
  return written.kind === 'failed' ? written.reason : undefined
}

const peer = parseAddress('192.0.2.1')

/** What uses each part of the kernel that pods' rules do: sets, connections, addresses, both directions. */
const EVERYTHING: Ruleset = {
  pod: 'mnpd/probe',
  exemptions: NO_EXEMPTIONS,
  custom: NO_CUSTOM_RULES,
  logDrops: false,
  policies: [{ policy: 'mnpd/probe', allows: { ingress: [allow()], egress: [allow()] } }],
  interfaces: [
    {
      name: 'net1',
      networks: ['mnpd/probe'],
      isolatedBy: { ingress: [0], egress: [0] },
      allowedBy: { ingress: [0], egress: [0] },
    },
  ],
  ungoverned: [],
}

function allow(): NonNullable<Ruleset['policies'][0]['allows']['ingress']>[0] {
  return {
    rule: 0,
    peers: { kind: 'only', addresses: peer === undefined ? [] : [peer], ranges: [] },
    ports: { kind: 'any' },
    endpoints: [],
  }
}
