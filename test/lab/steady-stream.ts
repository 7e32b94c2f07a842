/**
 * A stream of thousands of packets a second over both families, to prove that not one of them passed, or not one was
 * lost, whatever was done meanwhile. Stretches of it are counted by sequence number, from a mark on.
 *
 *     const stream = await steadyStream({ from: a, to: b, segment: 'blue', port: 5000, packetsPerSecond: 5000 })
 *     const mark = await stream.mark()
 *     …
 *     expect(await stream.count(mark)).toMatchObject({ lost: 0 })
 */
import type { AgentProcess } from './agent-process.ts'
import { MS, now, until } from './clock.ts'
import type { Pod } from './pod.ts'
import type { NumberRange, PourTarget } from './protocol.ts'

export interface SteadyStreamSpec {
  readonly from: Pod
  readonly to: Pod
  /** Both pods are on it, with an address of each family. */
  readonly segment: string
  /** The first of {@link STEADY_PORTS}. */
  readonly port: number
  /** Of both families together; a machine that cannot keep up sends less, and the count says what was sent. */
  readonly packetsPerSecond: number
}

/** A stream goes in turn to so many ports of each family, each with a buffer of its own. */
export const STEADY_PORTS = 4

/** A stretch of a stream begins here. */
export interface Mark {
  readonly number: number
  readonly at: number
  readonly overflowed: number
}

export interface SteadyCount {
  /** What the kernel took, and what a rule on the way out of the sending pod dropped. */
  readonly sent: number
  readonly passed: number
  /** Sent and not passed, less what the receiver's buffers lost. */
  readonly lost: number
  /** Lost by the receiver's buffers: they passed the rules. */
  readonly overflowed: number
  /** What the kernel would not take for another reason than a rule: of no account. */
  readonly unsent: number
  readonly perSecond: number
  /** When those were sent that passed, and those that did not, in ms from the mark; the first ranges of each. */
  readonly passedAt: readonly string[]
  readonly lostAt: readonly string[]
}

/** In the kernel a packet takes microseconds; this is for a machine that is busy with something else. */
const SETTLE_MS = 150
const RANGES_TOLD = 3

export class SteadyStream {
  readonly #id: number
  readonly #sender: AgentProcess
  readonly #receiver: AgentProcess

  /** Made by {@link steadyStream} only. */
  constructor(id: number, sender: AgentProcess, receiver: AgentProcess) {
    this.#id = id
    this.#sender = sender
    this.#receiver = receiver
  }

  /** The packet that is sent next. */
  async mark(): Promise<Mark> {
    const { overflowed } = await this.#receiver.ask('collected', { stream: this.#id, since: 0, to: 0 })
    const { next: number, now: at } = await this.#sender.ask('poured', { stream: this.#id, since: 0 })
    return { number, at, overflowed }
  }

  /** Counts what was sent from the mark up to now, when all of it has arrived that will. */
  async count({ number: since, at, overflowed: before }: Mark): Promise<SteadyCount> {
    const sending = await this.#sender.ask('poured', { stream: this.#id, since })
    const { next: to, unsent } = sending
    const sent = to - since - total(unsent)
    const { arrived, overflowed } = await until('the stream settles', 10_000, async () => {
      const told = await this.#receiver.ask('collected', { stream: this.#id, since, to })
      return total(told.arrived) === sent || now() > sending.now + SETTLE_MS * MS ? told : undefined
    })
    const passed = total(arrived)
    return {
      ...{ sent, passed, overflowed: overflowed - before, unsent: total(unsent) },
      lost: sent - passed - (overflowed - before),
      perSecond: Math.round((sent * 1000 * MS) / (sending.now - at)),
      passedAt: await this.#instants(arrived, at),
      lostAt: await this.#instants(gaps(since, to, [...arrived, ...unsent]), at),
    }
  }

  /** Stops the sending for good. */
  async stop(): Promise<void> {
    await this.#sender.ask('dam', { stream: this.#id })
  }

  async #instants(ranges: readonly NumberRange[], zero: number): Promise<string[]> {
    const told = ranges.slice(0, RANGES_TOLD)
    const numbers = told.flatMap(([from, to]) => [from, to - 1])
    const at = await this.#sender.ask('pouredAt', { stream: this.#id, numbers })
    const ms = (index: number): string => (((at[index] ?? Number.NaN) - zero) / MS).toFixed(1)
    return told.map(([from, to], index) => `${to - from} from ${ms(index * 2)} to ${ms(index * 2 + 1)} ms`)
  }
}

let streams = 0

/** @returns when packets are sent. Whether any arrive is for the rules to say. */
export async function steadyStream(spec: SteadyStreamSpec): Promise<SteadyStream> {
  const targets = Array.from({ length: STEADY_PORTS }, (_, index) => spec.port + index).flatMap((port) =>
    ([4, 6] as const).map((family): PourTarget => ({ address: spec.to.address(family, spec.segment), port })),
  )
  const [sender, receiver] = await Promise.all([spec.from.agent(), spec.to.agent()])
  const stream = ++streams
  await receiver.ask('collect', { stream, targets })
  await sender.ask('pour', { stream, targets, packetsPerSecond: spec.packetsPerSecond })
  return new SteadyStream(stream, sender, receiver)
}

function total(ranges: readonly NumberRange[]): number {
  return ranges.reduce((sum, [from, to]) => sum + to - from, 0)
}

/** What the ranges leave out between the two numbers. */
function gaps(since: number, to: number, ranges: readonly NumberRange[]): NumberRange[] {
  const found: NumberRange[] = []
  let next = since
  for (const [from, end] of [...ranges].sort(([a], [b]) => a - b)) {
    if (from > next) found.push([next, from])
    next = Math.max(next, end)
  }
  return next < to ? [...found, [next, to]] : found
}
