/** Netlink's framing (linux/netlink.h): messages in a datagram, and attributes in a message, each filled up to four bytes. */
import { LITTLE } from './netfilter-socket.ts'

export type Message = {
  readonly type: number
  readonly flags: number
  /** What follows the header of 16 bytes: the family's own header, then attributes. */
  readonly body: Uint8Array
}

/** Up to the first that is not whole. */
export function* messagesIn(bytes: Uint8Array): Generator<Message> {
  const view = viewOf(bytes)
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = view.getUint32(at, LITTLE)
    if (length < HEADER || at + length > bytes.length) break
    const [type, flags] = [view.getUint16(at + 4, LITTLE), view.getUint16(at + 6, LITTLE)]
    yield { type, flags, body: bytes.subarray(at + HEADER, at + length) }
    at += aligned(length)
  }
}

/** By their types, less the two bits that say how they are coded; of several of one type the last. */
export function attributesIn(bytes: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const view = viewOf(bytes)
  const attributes = new Map<number, Uint8Array>()
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = view.getUint16(at, LITTLE)
    if (length < 4 || at + length > bytes.length) break
    attributes.set(view.getUint16(at + 2, LITTLE) & NLA_TYPE_MASK, bytes.subarray(at + 4, at + length))
    at += aligned(length)
  }
  return attributes
}

/** Text as the kernel has it, up to its NUL. */
export function textOf(value: Uint8Array): string {
  const end = value.indexOf(0)
  return Buffer.from(end < 0 ? value : value.subarray(0, end)).toString('utf8')
}

export function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}

export function aligned(length: number): number {
  return (length + 3) & ~3
}

export const HEADER = 16
export const NLM_F_REQUEST = 1
export const MSG_DONTWAIT = 0x40
const NLA_TYPE_MASK = 0x3fff
