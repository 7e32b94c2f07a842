/**
 * `--log-drops`: each packet that no policy allows, a few a minute, as a line of the daemon's log that says which pod,
 * interface and direction, and which addresses, protocol and port. The kernel's own log has no lines from pods' namespaces
 * unless the whole node is set so; so the rules send to an nfnetlink_log group, and its listener is here.
 */
import type { Listener, NetnsAccess } from 'nftables-json/netns'
import type { Logger } from 'pino'
import type { Clock } from '../clock.ts'
import { DROP_LOG_GROUP, parseDropLogPrefix } from '../compile/drop-log.ts'
import { describePacket } from './drop-log-packet.ts'
import type { OpenNetns } from './netns/open-netns.ts'

/** The kernel itself holds messages back for a second, to send them together. */
const READ_EVERY_MS = 1_000

interface Listening {
  readonly netns: string
  readonly listener: Listener
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

  /** @param netns where the pod's rules log; undefined where they do not, or are gone */
  set(pod: string, netns: OpenNetns | undefined): void {
    const before = this.#listening.get(pod)
    if (before?.netns === netns?.id) return
    before?.listener.close()
    this.#listening.delete(pod)
    if (netns === undefined) return
    const listener = this.#access.listen(netns.path, DROP_LOG_GROUP)
    if (typeof listener === 'string') {
      this.#log.warn({ object: pod, reason: listener }, `${pod}: drops cannot be logged: ${listener}`)
    } else {
      this.#listening.set(pod, { netns: netns.id, listener })
    }
  }

  async #readForever(clock: Clock, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const [pod, { listener }] of this.#listening) this.#read(pod, listener)
      await clock.sleep(READ_EVERY_MS, signal).catch(() => undefined)
    }
    for (const { listener } of this.#listening.values()) listener.close()
  }

  #read(pod: string, listener: Listener): void {
    for (const { prefix, payload } of listener.read()) {
      const told = parseDropLogPrefix(prefix)
      const packet = describePacket(payload)
      if (told === undefined || packet === undefined) continue
      const { direction, interface: name } = told
      const text = `${pod} ${name} ${direction}: dropped ${packet.text}: no policy allows it`
      this.#log.info({ object: pod, interface: name, direction, ...packet.fields }, text)
    }
  }
}
