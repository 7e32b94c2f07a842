/**
 * The opener's end of a transfer: data that flows one way or both ways, as applications send it, a chunk each interval.
 * The service's end is entertain.ts.
 */
import { once } from 'node:events'
import { now } from '../clock.ts'
import type { Commands, TransferSpec, TransferState } from '../protocol.ts'
import { openDatagram } from './datagram.ts'
import { CHUNK, INTERVAL_MS } from './entertain.ts'
import { openTcp } from './tcp.ts'

interface Transfer {
  readonly address: string
  readonly port: number
  lastAt: number | null
  closed?: string
}

const transfers = new Map<number, Transfer>()

/** Answers when it is open; for UDP, which opens nothing, when the first datagram has gone. @throws when it cannot be opened */
export async function openTransfer(ask: Commands['transfer']['ask']): Promise<null> {
  transfers.set(ask.transfer, ask.protocol === 'tcp' ? await overTcp(ask) : await overUdp(ask))
  return null
}

export function transferState({ transfer }: Commands['transferred']['ask']): TransferState {
  const found = transfers.get(transfer)
  if (found === undefined) throw new Error(`no transfer ${transfer} is made from here`)
  return found
}

/** An echo over TCP waits for each answer, so that one that is lost shows; the other kinds send whatever happens. */
async function overTcp({ kind, to, port }: TransferSpec): Promise<Transfer> {
  const socket = openTcp({ to, port })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(2000) })
  } catch (error) {
    socket.destroy()
    throw new Error(`no connection to ${to} port ${port}`, { cause: error })
  }
  const transfer: Transfer = { address: socket.localAddress ?? '', port: socket.localPort ?? 0, lastAt: null }
  const give = (): void => void (socket.writable && socket.write(CHUNK))
  socket.on('data', () => {
    transfer.lastAt = now()
    if (kind === 'echo') setTimeout(give, INTERVAL_MS)
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    transfer.closed = error.code ?? error.message
  })
  socket.on('close', () => {
    transfer.closed ??= 'end'
  })
  if (kind === 'to server') setInterval(give, INTERVAL_MS)
  if (kind === 'echo') give()
  return transfer
}

/** `to client` says one thing, so that the service knows where to send to, and then only listens. */
async function overUdp({ kind, to, port }: TransferSpec): Promise<Transfer> {
  const socket = await openDatagram(to, {})
  const transfer: Transfer = { address: '', port: socket.address().port, lastAt: null }
  socket.on('message', () => {
    transfer.lastAt = now()
  })
  const give = (): void => socket.send(CHUNK, port, to, () => {})
  give()
  if (kind !== 'to client') setInterval(give, INTERVAL_MS)
  return transfer
}
