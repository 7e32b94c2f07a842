/**
 * The services that transfers are made to, each over TCP and UDP: one that only takes (`to server`), one that only gives
 * (`to client`), a chunk each interval to whoever connected or once said something, and an echo. When data last came from
 * each peer is kept, so that the end that receives is the one that tells.
 */
import type { Socket as DatagramSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { now } from '../clock.ts'
import type { Commands, TransferKind } from '../protocol.ts'
import { openDatagram } from './datagram.ts'

export const CHUNK: Buffer = Buffer.from('mnpd lab')
export const INTERVAL_MS = 10

/** `tcp 10.0.0.1 40000`: when data last came from there. */
const lastAt = new Map<string, number>()

/** @throws when a port cannot be had */
export async function entertain({ ports }: Commands['entertain']['ask']): Promise<null> {
  const kinds = Object.entries(ports) as [TransferKind, number][]
  await Promise.all(kinds.flatMap(([kind, port]) => [listen(kind, port), bindAll(kind, port)]))
  return null
}

export function entertained(ask: Commands['entertained']['ask']): Commands['entertained']['answer'] {
  return { lastAt: lastAt.get(`${ask.protocol} ${ask.address} ${ask.port}`) ?? null }
}

async function listen(kind: TransferKind, port: number): Promise<void> {
  const server = createServer({ noDelay: true }, (socket) => {
    const peer = `tcp ${socket.remoteAddress?.replace(/^::ffff:/, '')} ${socket.remotePort}`
    socket.on('error', () => socket.destroy())
    socket.on('data', (data) => {
      lastAt.set(peer, now())
      if (kind === 'echo') socket.write(data)
    })
    if (kind === 'to client') giveTo(socket)
  })
  server.listen({ port, host: '::', backlog: 511 })
  await once(server, 'listening')
}

function giveTo(socket: Socket): void {
  const timer = setInterval(() => socket.writable && socket.write(CHUNK), INTERVAL_MS)
  socket.on('close', () => clearInterval(timer))
}

async function bindAll(kind: TransferKind, port: number): Promise<void> {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  const own = addresses.filter(({ address }) => !address.startsWith('fe80:'))
  await Promise.all(
    own.map(async ({ address }) => answer(kind, await openDatagram(address, { address, port }))),
  )
}

function answer(kind: TransferKind, socket: DatagramSocket): void {
  const given = new Set<string>()
  socket.on('message', (data, { address, port }) => {
    const peer = `udp ${address} ${port}`
    lastAt.set(peer, now())
    // What the pod's own rules drop on the way out is a lost packet like another.
    const reply = (bytes: Buffer): void => socket.send(bytes, port, address, () => {})
    if (kind === 'echo') reply(data)
    if (kind !== 'to client' || given.has(peer)) return
    given.add(peer)
    setInterval(() => reply(CHUNK), INTERVAL_MS)
  })
}
