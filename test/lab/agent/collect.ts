/**
 * The receiving end of a steady stream: which numbers arrived. It answers nobody, so that every packet of the stream is
 * the first of its connection and is judged by the rules. Each target has a socket, and so a buffer, of its own: a
 * machine that is busy elsewhere must not lose packets that the rules let through, and where it does, the kernel's
 * count of them is told.
 */
import type { Socket } from 'node:dgram'
import type { Commands } from '../protocol.ts'
import { openDatagram } from './datagram.ts'
import { NumberSet } from './number-set.ts'
import { decodePacket } from './packet.ts'
import { overflows } from './receive.ts'

/** Of each socket; the kernel grants as much of it as the machine allows. */
const BUFFER_BYTES = 4 * 1024 * 1024

interface Collecting {
  readonly ports: readonly number[]
  readonly arrived: NumberSet
  count: number
}

const collectings = new Map<number, Collecting>()

/** @throws when a port cannot be had */
export async function collect({ stream, targets }: Commands['collect']['ask']): Promise<null> {
  const ports = [...new Set(targets.map(({ port }) => port))]
  const collecting: Collecting = { ports, arrived: new NumberSet(), count: 0 }
  for (const target of targets) hear(await openDatagram(target.address, target), stream, collecting)
  collectings.set(stream, collecting)
  return null
}

/** Answers when the sockets have been read empty. */
export async function collected(ask: Commands['collected']['ask']): Promise<Commands['collected']['answer']> {
  const collecting = collectings.get(ask.stream)
  if (collecting === undefined) throw new Error(`no steady stream ${ask.stream} is received here`)
  for (let before = -1; before < collecting.count; ) {
    before = collecting.count
    for (let turn = 0; turn < 2; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
  }
  const counts = await Promise.all(collecting.ports.map(overflows))
  return {
    arrived: collecting.arrived.ranges(ask.since, ask.to),
    overflowed: counts.reduce((sum, count) => sum + count, 0),
  }
}

function hear(socket: Socket, stream: number, collecting: Collecting): void {
  socket.setRecvBufferSize(BUFFER_BYTES)
  socket.on('message', (datagram) => {
    const packet = decodePacket(datagram)
    if (packet?.stream !== stream) return
    collecting.arrived.add(packet.number)
    collecting.count++
  })
}
