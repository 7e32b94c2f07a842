/**
 * `--log-drops`: each packet that no policy allows, a few a minute, as a line of the daemon's log that says which pod,
 * interface and direction, and which addresses, protocol and port. The kernel's own log has no lines from pods' namespaces
 * unless the whole node is set so; so the rules send to an nfnetlink_log group, and its listener is here.
 *
 * Root in the pod can send to that group too, as much as it likes. So little of it is read, and what our rules there cannot
 * have sent is only counted.
 */
import type { Listener, LoggedPacket, NetnsAccess } from 'nftables-json/netns'
import type { Logger } from 'pino'
import type { Clock } from '../clock.ts'
import { DROP_LOG_GROUP, parseDropLogPrefix } from '../compile/drop-log.ts'
import type { Direction } from '../compile/model.ts'
import type { Ruleset } from '../compile/ruleset.ts'
import { type DescribedPacket, describePacket } from './drop-log-packet.ts'
import type { Located, OpenNetns } from './netns/open-netns.ts'

/** The kernel itself holds messages back for a second, to send them together. */
const READ_EVERY_MS = 1_000

/** Of one pod; the rest of what came is one line. */
const MOST_LINES_A_READ = 10

/** Where our rules of a direction see a packet: input, forward and output, as nf_tables numbers them. */
const HOOKS: Readonly<Record<Direction, readonly number[]>> = { ingress: [1, 2], egress: [2, 3] }

/** Where a pod's rules log, and which rules. */
export interface Logging {
  readonly netns: OpenNetns
  readonly ruleset: Ruleset
}

interface Listening {
  readonly netns: string
  readonly listener: Listener
  ruleset: Ruleset
}

interface Drop extends DescribedPacket {
  readonly direction: Direction
  readonly interface: string
}

export class DropLog {
  readonly #access: NetnsAccess
  readonly #log: Logger
  readonly #listening = new Map<string, Listening>()

  constructor(access: NetnsAccess, log: Logger, clock: Clock, signal: AbortSignal) {
    this.#access = access
    this.#log = log
    void this.#readForever(clock, signal)
  }

  /** @param logging undefined where the pod's rules do not log, or are gone */
  set(pod: string, logging: Logging | undefined): void {
    const before = this.#listening.get(pod)
    if (logging !== undefined && before?.netns === logging.netns.id) {
      before.ruleset = logging.ruleset
      return
    }
    this.#close(pod)
    if (logging === undefined) return
    const { netns, ruleset } = logging
    const listener = this.#access.listen(netns.path, DROP_LOG_GROUP)
    if (typeof listener === 'string') {
      this.#log.warn({ object: pod, reason: listener }, `${pod}: drops cannot be logged: ${listener}`)
    } else {
      this.#listening.set(pod, { netns: netns.id, listener, ruleset })
    }
  }

  /**
   * What is listened to elsewhere than where the pod is found now is left: an open listener would keep a namespace that is
   * gone, and its links, alive. While it lives, its number is given to no other.
   */
  leave(pod: string, located: Located): void {
    const isElsewhere =
      located.kind === 'absent' ||
      (located.kind === 'found' && located.netns.id !== this.#listening.get(pod)?.netns)
    if (isElsewhere) this.#close(pod)
  }

  #close(pod: string): void {
    this.#listening.get(pod)?.listener.close()
    this.#listening.delete(pod)
  }

  async #readForever(clock: Clock, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const [pod, listening] of this.#listening) this.#read(pod, listening)
      await clock.sleep(READ_EVERY_MS, signal).catch(() => undefined)
    }
    for (const pod of this.#listening.keys()) this.#close(pod)
  }

  #read(pod: string, { listener, ruleset }: Listening): void {
    const { packets, more } = listener.read(MOST_LINES_A_READ)
    const drops = packets.flatMap((packet) => dropOf(packet, ruleset) ?? [])
    for (const { direction, interface: name, text, fields } of drops) {
      const line = `${pod} ${name} ${direction}: dropped ${text}: no policy allows it`
      this.#log.info({ object: pod, interface: name, direction, ...fields }, line)
    }
    const untold = packets.length - drops.length + more
    if (untold === 0) return
    const why = `more than ${MOST_LINES_A_READ} at once, or none of its rules'`
    this.#log.info(
      { object: pod, messages: untold },
      `${pod}: ${untold} messages to log group ${DROP_LOG_GROUP} are not told of: ${why}`,
    )
  }
}

/** Undefined for what the rules do not send: another interface or direction, another place in the packet's path, no packet of IP. */
export function dropOf({ prefix, payload, hook }: LoggedPacket, { interfaces }: Ruleset): Drop | undefined {
  const told = parseDropLogPrefix(prefix)
  const packet = describePacket(payload)
  if (told === undefined || packet === undefined || hook === undefined) return undefined
  const governed = interfaces.find(({ name }) => name === told.interface)
  const logs = (governed?.isolatedBy[told.direction].length ?? 0) > 0 && HOOKS[told.direction].includes(hook)
  return logs ? { ...told, ...packet } : undefined
}
