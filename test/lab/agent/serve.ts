/**
 * The echo services of a pod. TCP listens on the wildcard; UDP has a socket for each address the pod has,
 * because a wildcard socket answers from the address the routing prefers, and in a pod with several
 * interfaces or addresses that is not the one that was asked.
 */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Commands } from '../protocol.ts'
import { openDatagram } from './datagram.ts'
import { recordArrival } from './receive.ts'

/** `tcp 80`, `udp 10.0.0.1 80`: what has been opened, so that asking twice is well. */
const opened = new Map<string, Promise<void>>()

/** @throws when a port cannot be had; what was opened before stays open */
export async function serve({ tcp, udp }: Commands['serve']['ask']): Promise<null> {
  const wanted = [
    ...tcp.map((port) => openOnce(`tcp ${port}`, () => listen(port))),
    ...udp.flatMap((port) =>
      addresses().map((address) => openOnce(`udp ${address} ${port}`, () => bind(address, port))),
    ),
  ]
  await Promise.all(wanted)
  return null
}

async function openOnce(service: string, open: () => Promise<void>): Promise<void> {
  const opening = opened.get(service) ?? open()
  opened.set(service, opening)
  await opening.catch((error: unknown) => {
    opened.delete(service)
    throw new Error(`${service}: ${error instanceof Error ? error.message : String(error)}`)
  })
}

async function listen(port: number): Promise<void> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    socket.pipe(socket)
  })
  server.listen({ port, host: '::', backlog: 511 })
  await once(server, 'listening')
}

async function bind(address: string, port: number): Promise<void> {
  const socket = await openDatagram(address, { address, port })
  socket.on('message', (message, sender) => {
    if (recordArrival(message)) return
    // An echo that the pod's own rules drop is the prober's to notice.
    socket.send(message, sender.port, sender.address, () => {})
  })
}

/** Link-local ones come with the zone that makes them usable. */
function addresses(): string[] {
  return Object.entries(networkInterfaces()).flatMap(([name, list]) =>
    (list ?? []).map(({ address }) => (address.startsWith('fe80:') ? `${address}%${name}` : address)),
  )
}
