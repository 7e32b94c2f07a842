/**
 * The receiving end of a stream: which numbers arrived, and when they were read. A packet that the socket
 * had no room for would look like one that a policy dropped, so the kernel's count of those is told too.
 */
import { readFile } from 'node:fs/promises'
import { now } from '../clock.ts'
import type { Commands } from '../protocol.ts'
import { decodePacket } from './packet.ts'

interface Receiving {
  readonly port: number
  /** Sequence number, time, sequence number, time, … */
  readonly arrivals: number[]
  /** What the port's sockets had overflowed by before this stream. */
  readonly overflowedBefore: number
}

const receivings = new Map<number, Receiving>()

/** The port has to be served already. */
export async function receive({ stream, port }: Commands['receive']['ask']): Promise<null> {
  receivings.set(stream, { port, arrivals: [], overflowedBefore: await overflows(port) })
  return null
}

/** @returns false when the datagram is of no stream that is received here */
export function recordArrival(datagram: Buffer): boolean {
  const packet = decodePacket(datagram)
  if (packet === undefined) return false
  receivings.get(packet.stream)?.arrivals.push(packet.number, now())
  return true
}

/** Answers when the socket has been read empty. */
export async function received(ask: Commands['received']['ask']): Promise<Commands['received']['answer']> {
  const receiving = receivings.get(ask.stream)
  if (receiving === undefined) throw new Error(`no stream ${ask.stream} is received here`)
  for (let before = -1; before < receiving.arrivals.length; ) {
    before = receiving.arrivals.length
    await nextTurn()
    await nextTurn()
  }
  return {
    arrivals: receiving.arrivals.slice(ask.since * 2),
    overflowed: (await overflows(receiving.port)) - receiving.overflowedBefore,
  }
}

async function nextTurn(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}

/**
 * The drops column (the last) of the port's sockets in /proc/net/udp and udp6:
 *
 *      sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 *     211: 0100000A:1388 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12345 2 0 0
 */
export async function overflows(port: number): Promise<number> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const tables = await Promise.all(['udp', 'udp6'].map((table) => readFile(`/proc/net/${table}`, 'utf8')))
  return tables
    .flatMap((table) => table.trim().split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(suffix))
    .reduce((sum, fields) => sum + Number(fields.at(-1)), 0)
}
