/**
 * The generation of a namespace's rulesets: NFT_MSG_GETGEN of nfnetlink (linux/netfilter/nf_tables.h), by a raw socket.
 * The kernel answers within the call that asks, so nothing here waits.
 */

import type { GenerationResult } from '../worker/messages.ts'
import type { LateClose } from './late-close.ts'
import type { Libc } from './libc.ts'
import { LITTLE, openNetfilterSocket } from './netfilter-socket.ts'

/** Of the thread's namespace of the moment. */
export function readGeneration(libc: Libc, late: LateClose): GenerationResult {
  const fd = openNetfilterSocket(libc)
  if (fd < 0) return { kind: 'failed', reason: `socket: ${libc.lastError()}` }
  const id = exchange(libc, fd)
  late.add(fd)
  return typeof id === 'number' ? { kind: 'generation', id } : { kind: 'failed', reason: `GETGEN: ${id}` }
}

/** The generation, or what went wrong. */
function exchange(libc: Libc, fd: number): number | string {
  if (libc.send(fd, QUESTION, QUESTION.length, 0) < 0) return `send: ${libc.lastError()}`
  const answer = new Uint8Array(512)
  const length = libc.recv(fd, answer, answer.length, MSG_DONTWAIT)
  if (length < 0) return `recv: ${libc.lastError()}`
  return parse(new DataView(answer.buffer, 0, length))
}

/** nlmsghdr (16 bytes), nfgenmsg (4), then attributes, each filled up to 4 bytes. */
function parse(answer: DataView): number | string {
  if (answer.byteLength < HEADERS) return 'a short answer'
  const type = answer.getUint16(4, LITTLE)
  if (type === NLMSG_ERROR) return `error ${-answer.getInt32(16, LITTLE)}`
  if (type !== NFT_MSG_NEWGEN) return `an answer of type ${type}`
  for (let at = HEADERS; at + 8 <= answer.byteLength; ) {
    const length = answer.getUint16(at, LITTLE)
    if (answer.getUint16(at + 2, LITTLE) === NFTA_GEN_ID) return answer.getUint32(at + 4, false)
    at += Math.max(4, (length + 3) & ~3)
  }
  return 'an answer without a generation'
}

const HEADERS = 20
const MSG_DONTWAIT = 0x40
const NLM_F_REQUEST = 1
const NLMSG_ERROR = 2
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
