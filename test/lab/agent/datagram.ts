/**
 * UDP sockets of the agent. Addresses are never names here, and are taken as they are at once: the usual
 * look-up would put a send off to a later turn, and its time-stamp would be wrong.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** Where a socket is bound; what is left out the kernel chooses. */
export interface Binding {
  /** Of this family, with a zone if it is link-local. */
  readonly address?: string | undefined
  readonly port?: number | undefined
}

/** @returns a socket of the peer's family, bound. @throws when the address or port cannot be had */
export async function openDatagram(peer: string, { address, port = 0 }: Binding): Promise<Socket> {
  const socket = createSocket({ type: peer.includes(':') ? 'udp6' : 'udp4', lookup: literal })
  try {
    // Listened for first: with this look-up the event comes before bind returns.
    const listening = once(socket, 'listening')
    socket.bind({ port, exclusive: true, ...(address !== undefined && { address }) })
    await listening
    return socket
  } catch (error) {
    socket.close()
    throw error
  }
}

/** The `lookup` of sockets that are given addresses. */
function literal(
  address: string,
  _options: unknown,
  done: (error: Error | null, address: string, family: number) => void,
): void {
  done(null, address, address.includes(':') ? 6 : 4)
}
