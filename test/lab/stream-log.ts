/**
 * What became of each packet of a stream. All questions go by the instant of sending: a dropped packet has
 * no other, and it is the one at which the packet met the rules.
 */
import { MS } from './clock.ts'

export interface PacketCount {
  readonly sent: number
  readonly passed: number
  readonly lost: number
}

/** Instants are ns of the lab's clock. */
export class StreamLog {
  /** By sequence number. */
  readonly sentAt: readonly number[]
  /** By sequence number; a lost packet has none. */
  readonly arrivedAt: ReadonlyMap<number, number>

  constructor(sentAt: readonly number[], arrivedAt: ReadonlyMap<number, number>) {
    this.sentAt = sentAt
    this.arrivedAt = arrivedAt
  }

  /** Counts the packets sent from one instant up to, and without, another. */
  window(from: number = Number.NEGATIVE_INFINITY, to: number = Number.POSITIVE_INFINITY): PacketCount {
    let [sent, passed] = [0, 0]
    for (const [number, at] of this.sentAt.entries()) {
      if (at < from || at >= to) continue
      sent++
      if (this.arrivedAt.has(number)) passed++
    }
    return { sent, passed, lost: sent - passed }
  }

  /** When the first packet that arrived, or did not, was sent, at that instant or later. */
  first(fate: 'passed' | 'lost', after: number = Number.NEGATIVE_INFINITY): number | undefined {
    return this.sentAt.find((at, number) => at >= after && this.#fate(number) === fate)
  }

  /** When the last packet that arrived, or did not, was sent, before that instant. */
  last(fate: 'passed' | 'lost', before: number = Number.POSITIVE_INFINITY): number | undefined {
    return this.sentAt.findLast((at, number) => at < before && this.#fate(number) === fate)
  }

  /** The log of what was sent at least so long ago, which by then has arrived if it ever will. */
  settled(atInstant: number, ms: number): StreamLog {
    const recent = this.sentAt.findIndex((at) => at > atInstant - ms * MS)
    return recent < 0 ? this : new StreamLog(this.sentAt.slice(0, recent), this.arrivedAt)
  }

  #fate(number: number): 'passed' | 'lost' {
    return this.arrivedAt.has(number) ? 'passed' : 'lost'
  }
}
