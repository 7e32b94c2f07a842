/**
 * The sending end of a steady stream: thousands of numbered datagrams a second, in turn to each of the targets. The
 * kernel's answer to each is kept. EPERM says that a rule on the way out of this pod dropped it, so it was sent like
 * those that were taken; after any other error, as of a full queue, it met no rule and is not called lost.
 */
import type { Socket } from 'node:dgram'
import { MS, now } from '../clock.ts'
import type { Commands, PourTarget } from '../protocol.ts'
import { openDatagram } from './datagram.ts'
import { NumberSet } from './number-set.ts'
import { encodePacket } from './packet.ts'

/** After a stall no more than this many go out at once: fewer than the receiver's buffers hold. */
const BURST = 256

interface Pouring {
  readonly at: number[]
  readonly unsent: NumberSet
  readonly stop: () => void
}

const pourings = new Map<number, Pouring>()

/** @throws when a socket cannot be had */
export async function pour(ask: Commands['pour']['ask']): Promise<null> {
  const sockets = await openSockets(ask.targets)
  const at: number[] = []
  const unsent = new NumberSet()
  const transmit = (): void => {
    const number = at.length
    const { address, port } = ask.targets[number % ask.targets.length] as PourTarget
    at.push(now())
    sockets
      .get(familyOf(address))
      ?.send(encodePacket({ stream: ask.stream, number }), port, address, (error) => {
        if (error && codeOf(error) !== 'EPERM') unsent.add(number)
      })
  }
  const halt = evenly(ask.packetsPerSecond, transmit)
  const stop = (): void => {
    halt()
    for (const socket of sockets.values()) socket.close()
  }
  pourings.set(ask.stream, { at, unsent, stop })
  return null
}

/** @throws when there is no such stream */
export function poured({ stream, since }: Commands['poured']['ask']): Commands['poured']['answer'] {
  const { at, unsent } = pouring(stream)
  const next = at.length
  return { next, now: now(), unsent: unsent.ranges(since, next) }
}

/** When each of the packets was handed to the kernel, in ns of the lab's clock. */
export function pouredAt({ stream, numbers }: Commands['pouredAt']['ask']): readonly number[] {
  const { at } = pouring(stream)
  return numbers.map((number) => at[number] ?? Number.NaN)
}

/** What was sent can still be asked for. */
export function dam({ stream }: Commands['dam']['ask']): null {
  pouring(stream).stop()
  return null
}

function pouring(stream: number): Pouring {
  const found = pourings.get(stream)
  if (found === undefined) throw new Error(`no steady stream ${stream} is sent from here`)
  return found
}

/** One for each family that the targets have. */
async function openSockets(targets: readonly PourTarget[]): Promise<Map<4 | 6, Socket>> {
  const sockets = new Map<4 | 6, Socket>()
  for (const { address } of targets) {
    const family = familyOf(address)
    if (!sockets.has(family)) sockets.set(family, await openDatagram(address, {}))
  }
  return sockets
}

function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4
}

function codeOf(error: Error): string | undefined {
  return (error as NodeJS.ErrnoException).code
}

/** As many a tick as the time asks for; what a long stall held up is let go. */
function evenly(perSecond: number, transmit: () => void): () => void {
  const interval = (1000 * MS) / perSecond
  let due = now()
  const timer = setInterval(() => {
    const instant = now()
    due = Math.max(due, instant - BURST * interval)
    for (; due <= instant; due += interval) transmit()
  }, 1)
  return () => clearInterval(timer)
}
