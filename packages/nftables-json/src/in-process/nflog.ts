/**
 * The packets that `log group N` sends: an nfnetlink_log listener in a network namespace (linux/netfilter/nfnetlink_log.h),
 * by a raw socket that is read without waiting. Nobody else's messages are in it: a group has one listener.
 */
import type { Failed } from '../run.ts'
import type { Libc } from './libc.ts'
import { LITTLE, openNetfilterSocket } from './netfilter-socket.ts'
import { aligned, attributesIn, MSG_DONTWAIT, messagesIn, NLM_F_REQUEST, textOf } from './netlink.ts'

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
  const bytes = new Uint8Array(24 + aligned(value.length))
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
        for (const attributes of packetsIn(buffer.subarray(0, length))) {
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

/** The attributes of each packet's message: one datagram can hold several. */
function* packetsIn(bytes: Uint8Array): Generator<ReadonlyMap<number, Uint8Array>> {
  for (const { type, body } of messagesIn(bytes))
    if (type === NFULNL_MSG_PACKET) yield attributesIn(body.subarray(NFGENMSG))
}

function packetOf(attributes: ReadonlyMap<number, Uint8Array>): LoggedPacket {
  return {
    prefix: textOf(attributes.get(NFULA_PREFIX) ?? new Uint8Array()),
    payload: attributes.get(NFULA_PAYLOAD)?.slice() ?? new Uint8Array(),
    hook: attributes.get(NFULA_PACKET_HDR)?.[2],
  }
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
const NLM_F_ACK = 4
/** struct nfgenmsg. */
const NFGENMSG = 4
