/** The streams of the world, and what is held against them: none of the forbidden passed, none of the allowed lost. */
import { expect } from 'vitest'
import type { Connection } from '../../lab/connection.ts'
import type { Pod } from '../../lab/pod.ts'
import { type Mark, type SteadyCount, type SteadyStream, steadyStream } from '../../lab/steady-stream.ts'
import { ECHO_PORT, STREAM_PORT, type World } from './world.ts'

const STREAMS = ['ok → a', 'bad → a', 'a → ok', 'a → bad'] as const
type StreamName = (typeof STREAMS)[number]

export type Marks = Readonly<Record<StreamName, Mark>>
export type Counts = Readonly<Record<StreamName, SteadyCount>>

export class Traffic {
  readonly #streams: Readonly<Record<StreamName, SteadyStream>>
  readonly #connection: Connection

  private constructor(streams: Readonly<Record<StreamName, SteadyStream>>, connection: Connection) {
    this.#streams = streams
    this.#connection = connection
  }

  /** The first packet to a neighbour that is not known yet waits, and may be lost: so each meets the other before. */
  static async start({ lab, pods }: World, packetsPerSecond: number): Promise<Traffic> {
    const { a, ok, bad } = pods
    await a.serve({ tcp: [ECHO_PORT] })
    for (const [from, to] of [
      [ok, a],
      [bad, a],
      [a, ok],
      [a, bad],
    ] as const)
      await meet(lab, from, to)
    const common = { segment: 'red', port: STREAM_PORT, packetsPerSecond }
    const streams = {
      'ok → a': await steadyStream({ ...common, from: ok, to: a }),
      'bad → a': await steadyStream({ ...common, from: bad, to: a, port: STREAM_PORT + 100 }),
      'a → ok': await steadyStream({ ...common, from: a, to: ok }),
      'a → bad': await steadyStream({ ...common, from: a, to: bad }),
    }
    return new Traffic(streams, await ok.connection({ to: a.address(4, 'red'), port: ECHO_PORT }))
  }

  async mark(): Promise<Marks> {
    return await ofEach(async (name) => await this.#streams[name].mark())
  }

  async count(marks: Marks): Promise<Counts> {
    return await ofEach(async (name) => await this.#streams[name].count(marks[name]))
  }

  /**
   * Counts from the marks to now, prints what was seen, and holds it against what must be: all that was allowed passed,
   * all that was forbidden did not, and the connection between `ok` and `a` still answers.
   */
  async expectNoGap(what: string, marks: Marks): Promise<Counts> {
    const counts = await this.count(marks)
    console.log(`${what}: ${summary(counts)}`)
    for (const name of STREAMS) {
      const { passed, lost, passedAt, lostAt, sent } = counts[name]
      expect(sent, `${what}: packets were sent ${name}`).toBeGreaterThan(0)
      if (name.includes('ok'))
        expect({ lost, lostAt }, `${what}: lost ${name}`).toEqual({ lost: 0, lostAt: [] })
      else expect({ passed, passedAt }, `${what}: passed ${name}`).toEqual({ passed: 0, passedAt: [] })
    }
    await this.#connection.answered()
    return counts
  }

  async stop(): Promise<void> {
    await Promise.all(STREAMS.map((name) => this.#streams[name].stop()))
  }
}

export function summary(counts: Counts): string {
  return STREAMS.map((name) => {
    const { sent, passed, lost, overflowed, unsent, perSecond } = counts[name]
    const odd = `${overflowed > 0 ? `, ${overflowed} overflowed` : ''}${unsent > 0 ? `, ${unsent} unsent` : ''}`
    return `${name} ${sent} sent (${perSecond}/s) ${passed} passed ${lost} lost${odd}`
  }).join('; ')
}

async function ofEach<T>(ask: (name: StreamName) => Promise<T>): Promise<Readonly<Record<StreamName, T>>> {
  const entries = await Promise.all(STREAMS.map(async (name) => [name, await ask(name)] as const))
  return Object.fromEntries(entries) as Record<StreamName, T>
}

/** Neighbour discovery passes whatever the rules say; the ping itself need not. */
async function meet(lab: World['lab'], from: Pod, to: Pod): Promise<void> {
  for (const family of [4, 6] as const)
    await lab.probe({ from, to: to.address(family, 'red'), protocol: 'icmp', attempts: 1, timeoutMs: 50 })
}
