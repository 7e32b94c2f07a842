/**
 * The sending end of a stream: numbered datagrams at an even rate, and the instant each was handed to the
 * kernel. The instant is taken before the send, and delivery between namespaces is one pass through the
 * kernel, so a packet that was dropped met the rules at its instant and not before.
 */
import { MS, now } from '../clock.ts'
import type { Commands } from '../protocol.ts'
import { openDatagram } from './datagram.ts'
import { encodePacket } from './packet.ts'

/** After a stall no more than this many go out at once; the rest of the backlog is let go. */
const BURST = 32

interface Sending {
  readonly sentAt: number[]
  readonly halt: () => void
}

const sendings = new Map<number, Sending>()

/** The socket is not connected, or an ICMP error would swallow a packet that was never sent. */
export async function send(ask: Commands['send']['ask']): Promise<null> {
  const socket = await openDatagram(ask.to, { address: ask.source, port: ask.sourcePort })
  const sentAt: number[] = []
  const transmit = (): void => {
    const packet = encodePacket({ stream: ask.stream, number: sentAt.length })
    sentAt.push(now())
    // An error (EPERM from a rule on the way out) is a lost packet like another: it will not arrive.
    socket.send(packet, ask.port, ask.to, () => {})
  }
  const stop = evenly(ask.packetsPerSecond, transmit)
  sendings.set(ask.stream, {
    sentAt,
    halt: () => {
      stop()
      socket.close()
    },
  })
  return null
}

/** @throws when there is no such stream, or no longer */
export function sent({ stream, since }: Commands['sent']['ask']): readonly number[] {
  return sending(stream).sentAt.slice(since)
}

/** What was sent can still be asked for. */
export function halt({ stream }: Commands['halt']['ask']): null {
  sending(stream).halt()
  return null
}

function sending(stream: number): Sending {
  const found = sendings.get(stream)
  if (found === undefined) throw new Error(`no stream ${stream} is sent from here`)
  return found
}

function evenly(perSecond: number, transmit: () => void): () => void {
  const interval = (1000 * MS) / perSecond
  let due = now()
  const timer = setInterval(
    () => {
      const instant = now()
      due = Math.max(due, instant - BURST * interval)
      for (; due <= instant; due += interval) transmit()
    },
    Math.max(1, Math.floor(1000 / perSecond)),
  )
  return () => clearInterval(timer)
}
