/**
 * The generation of a namespace's rulesets: NFT_MSG_GETGEN of nfnetlink (linux/netfilter/nf_tables.h), by a raw socket.
 * The kernel answers within the call that asks, so nothing here waits.
 */
import type { Libc } from './libc.ts'
import { LITTLE } from './netfilter-socket.ts'

/** Of a namespace in which nf_tables has never been used. */
export const FIRST_GENERATION = 1

/** Of the namespace in which that netlink socket of netfilter was opened, which has no answer waiting to be read. */
export function readGenerationBy(libc: Libc, fd: number): number | undefined {
  if (libc.send(fd, QUESTION, QUESTION.length, 0) < 0) return undefined
  const answer = new Uint8Array(512)
  const length = libc.recv(fd, answer, answer.length, MSG_DONTWAIT)
  return length < 0 ? undefined : parse(new DataView(answer.buffer, 0, length))
}

/** nlmsghdr (16 bytes), nfgenmsg (4), then attributes, each filled up to 4 bytes. */
function parse(answer: DataView): number | undefined {
  if (answer.byteLength < HEADERS || answer.getUint16(4, LITTLE) !== NFT_MSG_NEWGEN) return undefined
  for (let at = HEADERS; at + 8 <= answer.byteLength; ) {
    const length = answer.getUint16(at, LITTLE)
    if (answer.getUint16(at + 2, LITTLE) === NFTA_GEN_ID) return answer.getUint32(at + 4, false)
    at += Math.max(4, (length + 3) & ~3)
  }
  return undefined
}

const HEADERS = 20
const MSG_DONTWAIT = 0x40
const NLM_F_REQUEST = 1
const NFNL_SUBSYS_NFTABLES = 10 << 8
const NFT_MSG_NEWGEN: number = NFNL_SUBSYS_NFTABLES | 15
const NFT_MSG_GETGEN: number = NFNL_SUBSYS_NFTABLES | 16
const NFTA_GEN_ID = 1

const QUESTION: Uint8Array = question()

function question(): Uint8Array {
  const bytes = new Uint8Array(HEADERS)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, HEADERS, LITTLE)
  view.setUint16(4, NFT_MSG_GETGEN, LITTLE)
  view.setUint16(6, NLM_F_REQUEST, LITTLE)
  return bytes
}
