/**
 * The generation of a namespace's rulesets, and whether there are any: NFT_MSG_GETGEN and NFT_MSG_GETTABLE of nfnetlink
 * (linux/netfilter/nf_tables.h), by a raw socket. The kernel answers within the call that asks, so nothing here waits.
 */
import type { Libc } from './libc.ts'
import { LITTLE } from './netfilter-socket.ts'

/** Of a namespace in which nf_tables has never been used. */
export const FIRST_GENERATION = 1

/** Of the namespace in which that netlink socket of netfilter was opened, which has no answer waiting to be read. */
export function readGenerationBy(libc: Libc, fd: number): number | undefined {
  const answer = ask(libc, fd, WHICH_GENERATION)
  return answer && parse(answer)
}

/** Whether there is a table of nf_tables, whoever's; true where it cannot be told. Nothing can be asked by that socket then. */
export function hasTablesBy(libc: Libc, fd: number): boolean {
  const answer = ask(libc, fd, WHICH_TABLES)
  return answer === undefined || answer.byteLength < HEADER || answer.getUint16(4, LITTLE) !== NLMSG_DONE
}

function ask(libc: Libc, fd: number, question: Uint8Array): DataView | undefined {
  if (libc.send(fd, question, question.length, 0) < 0) return undefined
  const answer = new Uint8Array(512)
  const length = libc.recv(fd, answer, answer.length, MSG_DONTWAIT)
  return length < 0 ? undefined : new DataView(answer.buffer, 0, length)
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

/** nlmsghdr; with nfgenmsg. */
const [HEADER, HEADERS] = [16, 20]
const MSG_DONTWAIT = 0x40
const NLM_F_REQUEST = 1
const NLM_F_DUMP = 0x300
const NLMSG_DONE = 3
const NFNL_SUBSYS_NFTABLES = 10 << 8
const NFT_MSG_NEWGEN: number = NFNL_SUBSYS_NFTABLES | 15
const NFT_MSG_GETGEN: number = NFNL_SUBSYS_NFTABLES | 16
const NFT_MSG_GETTABLE: number = NFNL_SUBSYS_NFTABLES | 1
const NFTA_GEN_ID = 1

const WHICH_GENERATION: Uint8Array = question(NFT_MSG_GETGEN, NLM_F_REQUEST)
const WHICH_TABLES: Uint8Array = question(NFT_MSG_GETTABLE, NLM_F_REQUEST | NLM_F_DUMP)

function question(type: number, flags: number): Uint8Array {
  const bytes = new Uint8Array(HEADERS)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, HEADERS, LITTLE)
  view.setUint16(4, type, LITTLE)
  view.setUint16(6, flags, LITTLE)
  return bytes
}
