/**
 * One probe with real packets: a TCP handshake, or a datagram that has to come back. Silence is met with
 * another attempt before it is called blocked; an error is a verdict only when it speaks of the path.
 */
import type { Socket as DatagramSocket } from 'node:dgram'
import type { Outcome, SocketProbe } from '../protocol.ts'
import { openDatagram } from './datagram.ts'
import { patience } from './patience.ts'
import { openTcp } from './tcp.ts'

/** ENETUNREACH: no route. EPERM: dropped on the way out. The rest: an ICMP error, or no neighbour. */
const BLOCKED = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EPERM', 'EACCES', 'ETIMEDOUT'])

const SILENCE: Outcome = { verdict: 'blocked', reason: 'time-out' }
const ANSWER: Outcome = { verdict: 'open', reason: 'answer' }

/** @throws when the probe could not be made, as when the source address is not the pod's */
export async function probe(ask: SocketProbe): Promise<Outcome> {
  return ask.protocol === 'tcp' ? await handshakes(ask) : await datagrams(ask)
}

/** Each attempt is a connection of its own, one after the other: they may have to share a source port. */
async function handshakes(ask: SocketProbe): Promise<Outcome> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await handshake(ask)
    if (outcome !== SILENCE || attempt >= ask.attempts) return outcome
  }
}

async function handshake(ask: SocketProbe): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>()
  const socket = openTcp(ask)
  const takeBack = patience(ask.timeoutMs / ask.attempts, () => resolve(SILENCE))
  socket.once('connect', () => resolve(ANSWER))
  socket.on('error', (error) => verdict(error, resolve, reject))
  return await promise.finally(() => {
    takeBack()
    // A reset, not an orderly end: the source port is free for the next probe at once.
    if (socket.connecting) socket.destroy()
    else socket.resetAndDestroy()
  })
}

/** One socket for all attempts, since the echo comes from a process that may be late. */
async function datagrams(ask: SocketProbe): Promise<Outcome> {
  const socket = await openDatagram(ask.to, { address: ask.source, port: ask.sourcePort })
  try {
    return await echo(socket, ask)
  } finally {
    socket.close()
  }
}

async function echo(socket: DatagramSocket, ask: SocketProbe): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>()
  let attemptsLeft = ask.attempts
  let takeBack = (): void => {}
  const attempt = (): void => {
    if (attemptsLeft-- === 0) {
      resolve(SILENCE)
      return
    }
    takeBack = patience(ask.timeoutMs / ask.attempts, attempt)
    socket.send('mnpd lab', (error) => error && verdict(error, resolve, reject))
  }
  socket.on('message', () => resolve(ANSWER))
  socket.on('error', (error) => verdict(error, resolve, reject))
  socket.connect(ask.port, ask.to, (error?: Error) => {
    if (error) verdict(error, resolve, reject)
    else attempt()
  })
  return await promise.finally(() => takeBack())
}

function verdict(error: Error, resolve: (outcome: Outcome) => void, reject: (error: Error) => void): void {
  const { code = error.message } = error as NodeJS.ErrnoException
  if (code === 'ECONNREFUSED') resolve({ verdict: 'refused', reason: code })
  else if (BLOCKED.has(code)) resolve({ verdict: 'blocked', reason: code })
  else reject(error)
}
