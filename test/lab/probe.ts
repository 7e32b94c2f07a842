/**
 * A probe asks with real packets whether one pod reaches an address. The answer is a value whatever it is;
 * an error means that the question could not be put. TCP and UDP go through the agent in the pod, ICMP
 * through ping.
 */
import { isIPv6 } from 'node:net'
import { MS, now } from './clock.ts'
import { undisturbed } from './neighbours.ts'
import { ping } from './ping.ts'
import type { Pod } from './pod.ts'
import type { Outcome } from './protocol.ts'

export type Protocol = 'tcp' | 'udp' | 'icmp'

export interface Probe {
  readonly from: Pod
  /** A literal address of either family; a link-local one with its zone, `fe80::1%net1` (TCP: a zone of [0-9A-Za-z.-]). */
  readonly to: string
  /** `icmp` is ICMPv6 when the address is. */
  readonly protocol: Protocol
  /** TCP and UDP: default 80. */
  readonly port?: number
  /** TCP and UDP: default a free one. */
  readonly sourcePort?: number
  /** Default: as the routes say. */
  readonly source?: string
  /**
   * After this long without an answer the verdict is blocked. Default {@link DEFAULT_TIMEOUT_MS}. To an address
   * that was asked for in vain a moment ago, when no pod had it, give it 3,000: the kernel looks for a
   * neighbour once a second.
   */
  readonly timeoutMs?: number
  /** Packets sent, at even intervals within the time-out, until one is answered. Default 2. */
  readonly attempts?: number
}

/**
 * - `open`: TCP's handshake was done, UDP's echo came back, ping was answered;
 * - `refused`: the other side sent a reset, or for UDP said that the port is closed: packets do pass;
 * - `blocked`: no answer, or an error that speaks of the path; `reason` tells which.
 */
export interface ProbeResult extends Outcome {
  readonly elapsedMs: number
}

/** Time-outs count only time in which the prober could run, so this need not allow for a busy machine. */
export const DEFAULT_TIMEOUT_MS = 300

/** @throws when the probe could not be made, as with a source address that is not the pod's */
export async function runProbe(probe: Probe): Promise<ProbeResult> {
  const begin = now()
  try {
    const outcome = await undisturbed(() => ask(probe))
    return { ...outcome, elapsedMs: (now() - begin) / MS }
  } catch (error) {
    throw new Error(`the probe ${describeProbe(probe)} could not be made`, { cause: error })
  }
}

async function ask(probe: Probe): Promise<Outcome> {
  const { from, to, protocol, source, timeoutMs = DEFAULT_TIMEOUT_MS, attempts = 2 } = probe
  const common = { to, source, timeoutMs, attempts }
  if (protocol === 'icmp') return await ping(from.netns, common)
  const agent = await from.agent()
  const { port = 80, sourcePort } = probe
  return await agent.ask('probe', { ...common, protocol, port, sourcePort })
}

/** `a → 10.1.0.2 tcp/80` */
function describeProbe({ from, to, protocol, port = 80 }: Probe): string {
  const service = protocol === 'icmp' ? (isIPv6(to) ? 'icmpv6' : 'icmp') : `${protocol}/${port}`
  return `${from.name} → ${to} ${service}`
}
