/**
 * A stream of numbered UDP packets from one pod to another, to measure when a policy takes hold and whether
 * a change let anything through or dropped anything that it should not.
 */
import type { AgentProcess } from './agent-process.ts'
import { now, type UntilOptions, until } from './clock.ts'
import type { Pod } from './pod.ts'
import { StreamLog } from './stream-log.ts'

export interface StreamSpec {
  readonly from: Pod
  /** An address of the receiver. */
  readonly to: string
  /** The pod that has the address; needed only when several pods of the lab do. */
  readonly receiver?: Pod
  readonly protocol: 'udp'
  /** Served by the receiver from then on; other datagrams to it are echoed as ever. */
  readonly port: number
  /** At most; a machine that cannot keep up sends less, and the log says what was sent. */
  readonly packetsPerSecond: number
  readonly source?: string
  readonly sourcePort?: number
}

/** In the kernel a packet takes microseconds; this is for a machine that is busy with something else. */
const SETTLE_MS = 50

export class Stream {
  readonly #id: number
  readonly #sender: AgentProcess
  readonly #receiver: AgentProcess
  readonly #sentAt: number[] = []
  readonly #arrivedAt = new Map<number, number>()
  /** Arrivals as they were told, of which a packet that came twice has two. */
  #told = 0
  #reading: Promise<unknown> = Promise.resolve()
  #stopped = false

  /** Made by {@link startStream} only. */
  constructor(id: number, sender: AgentProcess, receiver: AgentProcess) {
    this.#id = id
    this.#sender = sender
    this.#receiver = receiver
  }

  /**
   * The log up to now. The last packets may be on their way still, and look lost.
   * @throws when the receiving socket overflowed, since then the loss says nothing about the path
   */
  async log(): Promise<StreamLog> {
    const reading = this.#reading.then(() => this.#read())
    this.#reading = reading.catch(() => undefined)
    await reading
    return new StreamLog([...this.#sentAt], new Map(this.#arrivedAt))
  }

  /** Waits for a packet with that fate. @returns the instant it was sent */
  async until(fate: 'passed' | 'lost', { after, timeoutMs = 5000 }: UntilOptions = {}): Promise<number> {
    return await until(`a packet of the stream is ${fate}`, timeoutMs, async () => {
      const log = await this.log()
      return (fate === 'lost' ? log.settled(now(), SETTLE_MS) : log).first(fate, after)
    })
  }

  /** Stops the sending and waits for what is on its way. @returns the whole log */
  async stop(): Promise<StreamLog> {
    if (!this.#stopped) await this.#sender.ask('halt', { stream: this.#id })
    this.#stopped = true
    return await until('the stream settles', 5000, async () => {
      const log = await this.log()
      const whole = log.arrivedAt.size === log.sentAt.length || log.settled(now(), SETTLE_MS) === log
      return whole ? log : undefined
    })
  }

  async #read(): Promise<void> {
    const stream = this.#id
    this.#sentAt.push(...(await this.#sender.ask('sent', { stream, since: this.#sentAt.length })))
    const { arrivals, overflowed } = await this.#receiver.ask('received', { stream, since: this.#told })
    if (overflowed > 0) throw new Error(`the receiver's socket lost ${overflowed} packets of the stream`)
    this.#told += arrivals.length / 2
    for (let index = 0; index < arrivals.length; index += 2) {
      const [number = 0, at = 0] = arrivals.slice(index, index + 2)
      if (!this.#arrivedAt.has(number)) this.#arrivedAt.set(number, at)
    }
  }
}

/** @returns when the first packet is about to go */
export async function startStream(id: number, spec: StreamSpec, to: Pod): Promise<Stream> {
  await to.serve({ udp: [spec.port] })
  const [sender, receiver] = await Promise.all([spec.from.agent(), to.agent()])
  await receiver.ask('receive', { stream: id, port: spec.port })
  await sender.ask('send', {
    stream: id,
    to: spec.to,
    port: spec.port,
    packetsPerSecond: spec.packetsPerSecond,
    source: spec.source,
    sourcePort: spec.sourcePort,
  })
  return new Stream(id, sender, receiver)
}
