/**
 * The packets of a stream:
 *
 *     4D 4E 50 44  00 00 00 07  00 00 01 2C      "MNPD", stream 7, packet 300
 */

export interface Packet {
  readonly stream: number
  readonly number: number
}

const MAGIC = 0x4d4e5044
const BYTES = 12

export function encodePacket({ stream, number }: Packet): Buffer {
  const bytes = Buffer.alloc(BYTES)
  for (const [index, word] of [MAGIC, stream, number].entries()) bytes.writeUInt32BE(word, index * 4)
  return bytes
}

/** @returns undefined for a datagram that is no stream's */
export function decodePacket(bytes: Buffer): Packet | undefined {
  if (bytes.length !== BYTES || bytes.readUInt32BE(0) !== MAGIC) return undefined
  return { stream: bytes.readUInt32BE(4), number: bytes.readUInt32BE(8) }
}
