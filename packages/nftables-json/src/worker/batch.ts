/**
 * What libnftables sent for a transaction, to be sent again where the same is to be done: making it takes libnftables ten
 * times as long as committing it takes the kernel. It is a batch of messages of nf_tables (linux/netfilter/nfnetlink.h),
 * which name no namespace, and no number that the kernel gave.
 *
 * libnftables tells it by its debug output alone (`nft --debug=mnl`, by mnl_nlmsg_fprintf(3)): all bytes, but of a message's
 * flags only some. Those that are missing follow from its type, since transactions only add, delete and flush.
 */
import { LITTLE } from '../in-process/netfilter-socket.ts'

export class Batch {
  /** All but the first, and the last rules, which have comments of their own. */
  readonly #middle: Uint8Array
  readonly #last: readonly Rule[]
  /** Whatever stands: a rule is added, or what is taken away must be there. Sets and elements may be there already. */
  readonly isChange: boolean

  private constructor(middle: Uint8Array, last: readonly Rule[], isChange: boolean) {
    this.#middle = middle
    this.#last = last
    this.isChange = isChange
  }

  /**
   * @param comments of the last rules
   * @returns undefined where the output is not that of just one batch, or does not say what is expected
   */
  static ofDebugOutput(output: string, comments: readonly string[]): Batch | undefined {
    const messages = parse(output)
    const begin = messages?.findIndex(({ type }) => type === NFNL_MSG_BATCH_BEGIN) ?? -1
    if (messages === undefined || begin < 0) return undefined
    const [first, ...batch] = messages.slice(begin)
    const end = batch.pop()
    if (first?.bytes.length !== HEADERS || end?.type !== NFNL_MSG_BATCH_END) return undefined
    if (!batch.every(({ type }) => TYPE_FLAGS.has(type))) return undefined
    const cut = batch.length - comments.length
    const last = batch.slice(cut).map((message, n) => ruleOf(message, comments[n] ?? ''))
    const known = last.filter((rule) => rule !== undefined)
    if (cut < 0 || known.length < last.length) return undefined
    const middle = joined(batch.slice(0, cut).map(({ bytes }) => bytes))
    return new Batch(
      middle,
      known,
      batch.some(({ type }) => CHANGES.has(type)),
    )
  }

  /** How many comments it takes. */
  get comments(): number {
    return this.#last.length
  }

  /** In bytes, less the comments. */
  get size(): number {
    return this.#last.reduce(
      (sum, { before, after }) => sum + before.length + after.length,
      this.#middle.length,
    )
  }

  /**
   * @param generation in which alone the kernel takes it, and says ERESTART otherwise
   * @param comments as many as there were, of the last rules
   */
  bytes(generation: number, comments: readonly string[]): Uint8Array {
    const rules = this.#last.flatMap(({ before, after }, n) => {
      const data = userdata(comments[n] ?? '')
      const length = before.length + data.length + after.length
      const head = Uint8Array.from(before)
      view(head).setUint32(0, length, LITTLE)
      return [head, data, after]
    })
    return joined([begin(generation), this.#middle, ...rules, edge(NFNL_MSG_BATCH_END)])
  }
}

/** One message of netlink. */
interface Message {
  readonly type: number
  readonly bytes: Uint8Array
}

/** NFT_MSG_NEWRULE, but for its comment. */
interface Rule {
  readonly before: Uint8Array
  readonly after: Uint8Array
}

function ruleOf({ type, bytes }: Message, comment: string): Rule | undefined {
  if (type !== NFT_MSG_NEWRULE) return undefined
  for (let at = HEADERS; at + 4 <= bytes.length; ) {
    const length = view(bytes).getUint16(at, LITTLE)
    const after = at + Math.max(4, padded(length))
    if (view(bytes).getUint16(at + 2, LITTLE) === NFTA_RULE_USERDATA) {
      // What fills it up to four bytes may be anything.
      const isSame =
        Buffer.compare(bytes.subarray(at, at + length), userdata(comment).subarray(0, length)) === 0
      if (!isSame) return undefined
      return { before: Uint8Array.from(bytes.subarray(0, at)), after: Uint8Array.from(bytes.subarray(after)) }
    }
    at = after
  }
  return undefined
}

/** The attribute of a rule's comment, as libnftables writes it: NFTNL_UDATA_RULE_COMMENT, with its NUL. */
function userdata(comment: string): Uint8Array {
  const text = Buffer.from(`${comment}\0`)
  const bytes = new Uint8Array(padded(4 + 2 + text.length))
  view(bytes).setUint16(0, 4 + 2 + text.length, LITTLE)
  view(bytes).setUint16(2, NFTA_RULE_USERDATA, LITTLE)
  bytes.set([NFTNL_UDATA_RULE_COMMENT, text.length], 4)
  bytes.set(text, 6)
  return bytes
}

/** The head or the end of a batch. */
function edge(type: number, attributes: number = 0): Uint8Array {
  const bytes = new Uint8Array(HEADERS + attributes)
  const data = view(bytes)
  data.setUint32(0, bytes.length, LITTLE)
  data.setUint16(4, type, LITTLE)
  data.setUint16(6, NLM_F_REQUEST, LITTLE)
  data.setUint16(18, NFNL_SUBSYS_NFTABLES, false)
  return bytes
}

/** The head of one that is refused in any other generation. */
function begin(generation: number): Uint8Array {
  const bytes = edge(NFNL_MSG_BATCH_BEGIN, 8)
  const data = view(bytes)
  data.setUint16(20, 8, LITTLE)
  data.setUint16(22, NFNL_BATCH_GENID, LITTLE)
  data.setUint32(24, generation, false)
  return bytes
}

/**
 * All messages in the output; undefined where something in it is not as it should be. By columns, since the code is cold and
 * the lines are thousands, of which each stands for four bytes.
 */
function parse(output: string): readonly Message[] | undefined {
  const messages: Message[] = []
  const bytes = new Uint8Array(output.length >> 2)
  const data = view(bytes)
  let [begin, at] = [0, 0]
  let head: string[] = []
  for (const line of output.split('\n')) {
    if (line.startsWith(ATTRIBUTE)) {
      const flags = (line[25] === 'N' ? NLA_F_NESTED : 0) | (line[26] === 'B' ? NLA_F_NET_BYTEORDER : 0)
      data.setUint16(at, Number(line.slice(8, 13)), LITTLE)
      data.setUint16(at + 2, Number(line.slice(39, 44)) | flags, LITTLE)
      at += 4
    } else if (line[4] === ' ') {
      for (let column = 2; column < 14; column += 3) {
        bytes[at] = Number.parseInt(line.slice(column, column + 2), 16)
        at += 1
      }
    } else if (line !== RULE) {
      head.push(line)
    } else if (at > begin) {
      const message = messageOf(head.join('\n'), bytes.subarray(begin, at))
      if (message === undefined) return undefined
      messages.push(message)
      ;[begin, head] = [at, []]
    }
  }
  return messages
}

function messageOf(head: string, body: Uint8Array): Message | undefined {
  const [, length, number, sequence] = HEAD.exec(head) ?? []
  if (Number(length) !== HEADER + body.length) return undefined
  const type = Number(number)
  const bytes = joined([new Uint8Array(HEADER), body])
  const data = view(bytes)
  data.setUint32(0, bytes.length, LITTLE)
  data.setUint16(4, type, LITTLE)
  data.setUint16(6, NLM_F_REQUEST | (TYPE_FLAGS.get(type) ?? 0), LITTLE)
  data.setUint32(8, Number(sequence), LITTLE)
  return { type, bytes }
}

function padded(length: number): number {
  return (length + 3) & ~3
}

/** A copy of its own: what small Buffers are cut from stays for as long as any of them. */
function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}

function view({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}

/** How the head of an attribute begins: `|ESC[1;31mLENGTHESC[0m|ESC[1;32mFLAGSESC[0m|ESC[1;34mTYPEESC[0m|`. */
const ATTRIBUTE = '|\u001b['
const RULE = '----------------\t------------------'
/** Before a message's bytes: its length, type and flags, sequence number and port. */
const HEAD = /^\| {2}(\d{10}) {2}\|.*\n\| (\d{5}) \| R--- \|.*\n\| {2}(\d{10}) {2}\|.*\n\| {2}\d{10} {2}\|.*$/

/** nlmsghdr; with nfgenmsg. */
const [HEADER, HEADERS] = [16, 20]
const NLM_F_REQUEST = 0x1
const NLM_F_CREATE = 0x400
const NLM_F_APPEND = 0x800
const NLA_F_NESTED = 0x8000
const NLA_F_NET_BYTEORDER = 0x4000
const NFNL_MSG_BATCH_BEGIN = 16
const NFNL_MSG_BATCH_END = 17
const NFNL_BATCH_GENID = 1
const NFNL_SUBSYS_NFTABLES = 10
const NFT_MSG_NEWRULE: number = (NFNL_SUBSYS_NFTABLES << 8) | 6
const NFTA_RULE_USERDATA = 7
const NFTNL_UDATA_RULE_COMMENT = 0

/** What a message of nf_tables (enum nf_tables_msg_types) that only adds or deletes is sent with. */
const TYPE_FLAGS: ReadonlyMap<number, number> = new Map(
  [
    ['NEWTABLE', 0, 0],
    ['DELTABLE', 2, 0],
    ['NEWCHAIN', 3, NLM_F_CREATE],
    ['DELCHAIN', 5, 0],
    ['NEWRULE', 6, NLM_F_CREATE | NLM_F_APPEND],
    ['DELRULE', 8, 0],
    ['NEWSET', 9, NLM_F_CREATE],
    ['DELSET', 11, 0],
    ['NEWSETELEM', 12, NLM_F_CREATE],
    ['DELSETELEM', 14, 0],
    ['NEWOBJ', 18, NLM_F_CREATE],
    ['DELOBJ', 20, 0],
  ].map(([, type, flags]) => [(NFNL_SUBSYS_NFTABLES << 8) | Number(type), Number(flags)]),
)

const CHANGES: ReadonlySet<number> = new Set(
  // NEWRULE, DELTABLE, DELCHAIN, DELSET, DELOBJ
  [6, 2, 5, 11, 20].map((type) => (NFNL_SUBSYS_NFTABLES << 8) | type),
)
