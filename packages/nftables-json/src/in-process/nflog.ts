/**
 * The packets that `log group N` sends: an nfnetlink_log listener in a network namespace (linux/netfilter/nfnetlink_log.h),
 * by a raw socket that is read without waiting. Nobody else's messages are in it: a group has one listener.
 */
import type { Failed } from '../run.ts'
import type { Libc } from './libc.ts'
import { LITTLE, openNetfilterSocket } from './netfilter-socket.ts'

/** What one `log` statement sent of one packet. */
export interface LoggedPacket {
  readonly prefix: string
  /** The packet from its network header on, as much of it as was asked for. */
  readonly payload: Uint8Array
  /** Where in its path it was, `NF_INET_…` of linux/netfilter.h: 1 input, 2 forward, 3 output; undefined where it is not told. */
  readonly hook: number | undefined
}

export interface LoggedPackets {
  readonly packets: readonly LoggedPacket[]
  /** How many more there were, which were not looked at. */
  readonly more: number
}

export interface Listener {
  /** What has come since the last time, the first `most` of it; what did not fit into the socket's buffer is lost. */
  read(most: number): LoggedPackets
  /** The open socket keeps the namespace alive. */
  close(): void
}

/** In the thread's namespace of the moment. */
export function bindNflog(libc: Libc, group: number): Listener | Failed {
  const fd = openNetfilterSocket(libc)
  if (fd < 0) return { kind: 'failed', reason: `socket: ${libc.lastError()}` }
  const refused = bind(libc, fd, group)
  if (refused === undefined) return listener(libc, fd)
  libc.close(fd)
  return { kind: 'failed', reason: refused }
}

/** Headers and ports of both families fit; what a pod sends is nobody's business. */
const COPIED_BYTES = 96

function bind(libc: Libc, fd: number, group: number): string | undefined {
  const copy = new Uint8Array(6)
  new DataView(copy.buffer).setUint32(0, COPIED_BYTES, false)
  copy[4] = NFULNL_COPY_PACKET
  for (const [attribute, value] of [
    [NFULA_CFG_CMD, Uint8Array.of(NFULNL_CFG_CMD_BIND)],
    [NFULA_CFG_MODE, copy],
  ] as const) {
    const message = configMessage(group, attribute, value)
    if (libc.send(fd, message, message.length, 0) < 0) return `send: ${libc.lastError()}`
    const answer = new Uint8Array(512)
    const length = libc.recv(fd, answer, answer.length, MSG_DONTWAIT)
    if (length < 20) return `recv: ${length < 0 ? libc.lastError() : 'a short answer'}`
    const error = new DataView(answer.buffer).getInt32(16, LITTLE)
    if (error !== 0) return `group ${group}: error ${-error}`
  }
  return undefined
}

/** nlmsghdr, nfgenmsg with the group as its resource, one attribute; the kernel is asked to acknowledge. */
function configMessage(group: number, attribute: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(24 + ((value.length + 3) & ~3))
  const view = new DataView(bytes.buffer)
  view.setUint32(0, bytes.length, LITTLE)
  view.setUint16(4, NFULNL_MSG_CONFIG, LITTLE)
  view.setUint16(6, NLM_F_REQUEST | NLM_F_ACK, LITTLE)
  view.setUint16(18, group, false)
  view.setUint16(20, 4 + value.length, LITTLE)
  view.setUint16(22, attribute, LITTLE)
  bytes.set(value, 24)
  return bytes
}

function listener(libc: Libc, fd: number): Listener {
  const buffer = new Uint8Array(65_536)
  return {
    read(most): LoggedPackets {
      const packets: LoggedPacket[] = []
      let more = 0
      for (let reads = 0; reads < MOST_READS; reads += 1) {
        const length = libc.recv(fd, buffer, buffer.length, MSG_DONTWAIT)
        if (length <= 0) break
        for (const attributes of messagesIn(buffer.subarray(0, length))) {
          if (packets.length < most) packets.push(packetOf(attributes))
          else more += 1
        }
      }
      return { packets, more }
    },
    close: () => {
      libc.close(fd)
    },
  }
}

/** A flood must not hold the caller up; the rest is read the next time, or lost. */
const MOST_READS = 100

/** The attributes of each message: one datagram can hold several. */
function* messagesIn(bytes: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at + 20 <= bytes.length; ) {
    const length = view.getUint32(at, LITTLE)
    if (length < 20 || at + length > bytes.length) break
    if (view.getUint16(at + 4, LITTLE) === NFULNL_MSG_PACKET) yield bytes.subarray(at + 20, at + length)
    at += (length + 3) & ~3
  }
}

function packetOf(attributes: Uint8Array): LoggedPacket {
  const view = new DataView(attributes.buffer, attributes.byteOffset, attributes.byteLength)
  let [prefix, payload] = ['', new Uint8Array()]
  let hook: number | undefined
  for (let at = 0; at + 4 <= attributes.length; ) {
    const length = view.getUint16(at, LITTLE)
    if (length < 4 || at + length > attributes.length) break
    const value = attributes.subarray(at + 4, at + length)
    const type = view.getUint16(at + 2, LITTLE) & 0x3fff
    if (type === NFULA_PACKET_HDR) hook = value[2]
    if (type === NFULA_PREFIX) prefix = new TextDecoder().decode(value).replace(/\0.*$/s, '')
    if (type === NFULA_PAYLOAD) payload = value.slice()
    at += (length + 3) & ~3
  }
  return { prefix, payload, hook }
}

const NFNL_SUBSYS_ULOG = 4 << 8
const NFULNL_MSG_PACKET: number = NFNL_SUBSYS_ULOG | 0
const NFULNL_MSG_CONFIG: number = NFNL_SUBSYS_ULOG | 1
const NFULA_CFG_CMD = 1
const NFULA_CFG_MODE = 2
const NFULNL_CFG_CMD_BIND = 1
const NFULNL_COPY_PACKET = 2
/** The protocol of the link, two bytes, then the hook. */
const NFULA_PACKET_HDR = 1
const NFULA_PAYLOAD = 9
const NFULA_PREFIX = 10
const NLM_F_REQUEST = 1
const NLM_F_ACK = 4
const MSG_DONTWAIT = 0x40
