/**
 * What the lab and the agent in a pod say to each other over the agent's IPC channel, as JSON. A command
 * has one question and one answer; the agent refuses with a message when it could not do as asked.
 */

/** What a probe found: an answer, a refusal by the other side (so packets pass), or nothing. */
export type Verdict = 'open' | 'blocked' | 'refused'

export interface SocketProbe {
  readonly protocol: 'tcp' | 'udp'
  readonly to: string
  readonly port: number
  readonly source?: string | undefined
  readonly sourcePort?: number | undefined
  readonly timeoutMs: number
  readonly attempts: number
}

export interface Outcome {
  readonly verdict: Verdict
  /** `answer`, `time-out`, or the errno that decided, such as ECONNREFUSED. */
  readonly reason: string
}

export interface ConnectionSpec {
  readonly to: string
  readonly port: number
  readonly source?: string | undefined
  readonly sourcePort?: number | undefined
  /** The pause after an answer before the next question goes out. Default 10. */
  readonly intervalMs?: number | undefined
}

export interface ConnectionState {
  readonly sourcePort: number
  /** Questions sent. At most one is unanswered. */
  readonly asked: number
  /** When each answer was read (ns of the lab's clock), which may be a little after it came. */
  readonly answers: readonly number[]
  /** Set once the connection ended: when, and `end` or the errno, such as ECONNRESET. */
  readonly closed?: { readonly at: number; readonly reason: string }
}

/** From the first number up to, and without, the second. */
export type NumberRange = readonly [from: number, to: number]

/** Where packets of a steady stream go. */
export interface PourTarget {
  readonly address: string
  readonly port: number
}

/**
 * What a transfer is: `to server` and `to client` send one way only, whatever the other side says, and `echo` sends a
 * question and waits for its answer.
 */
export type TransferKind = 'to server' | 'to client' | 'echo'

export interface TransferSpec {
  readonly protocol: 'tcp' | 'udp'
  readonly kind: TransferKind
  readonly to: string
  readonly port: number
}

export interface TransferState {
  readonly address: string
  readonly port: number
  readonly lastAt: number | null
  /** Set once it ended: `end` or the errno. */
  readonly closed?: string
}

export interface Commands {
  /** Opens echo services on all addresses the pod has now; those already open stay. */
  serve: { ask: { readonly tcp: readonly number[]; readonly udp: readonly number[] }; answer: null }
  probe: { ask: SocketProbe; answer: Outcome }
  /** Starts to record the stream's datagrams that arrive at the served port. */
  receive: { ask: { readonly stream: number; readonly port: number }; answer: null }
  /** Sequence numbers and times from the given place on, alternating; and what the socket's buffer lost. */
  received: {
    ask: { readonly stream: number; readonly since: number }
    answer: { readonly arrivals: readonly number[]; readonly overflowed: number }
  }
  send: {
    ask: {
      readonly stream: number
      readonly to: string
      readonly port: number
      readonly packetsPerSecond: number
      readonly source?: string | undefined
      readonly sourcePort?: number | undefined
    }
    answer: null
  }
  /** The time of each packet's sending, from that sequence number on. */
  sent: { ask: { readonly stream: number; readonly since: number }; answer: readonly number[] }
  /** Stops the sending. */
  halt: { ask: { readonly stream: number }; answer: null }
  /** Starts to collect a steady stream, on sockets of its own. */
  collect: { ask: { readonly stream: number; readonly targets: readonly PourTarget[] }; answer: null }
  /** What arrived of a stretch of the stream, and what all its sockets' buffers ever lost. */
  collected: {
    ask: { readonly stream: number; readonly since: number; readonly to: number }
    answer: { readonly arrived: readonly NumberRange[]; readonly overflowed: number }
  }
  /** Starts to send a steady stream, in turn to each target. */
  pour: {
    ask: {
      readonly stream: number
      readonly targets: readonly PourTarget[]
      readonly packetsPerSecond: number
    }
    answer: null
  }
  /** The number of the next packet, and what never met a rule, from a number on. */
  poured: {
    ask: { readonly stream: number; readonly since: number }
    answer: {
      readonly next: number
      readonly now: number
      readonly unsent: readonly NumberRange[]
    }
  }
  pouredAt: {
    ask: { readonly stream: number; readonly numbers: readonly number[] }
    answer: readonly number[]
  }
  /** Stops a steady stream. */
  dam: { ask: { readonly stream: number }; answer: null }
  /** Opens, on all addresses, TCP and UDP services that transfers are made to. */
  entertain: { ask: { readonly ports: Readonly<Record<TransferKind, number>> }; answer: null }
  /** Opens a transfer to a service, and keeps it going. */
  transfer: { ask: TransferSpec & { readonly transfer: number }; answer: null }
  /** When data last came, at the end where the transfer was opened, and what became of it. */
  transferred: { ask: { readonly transfer: number }; answer: TransferState }
  /** When data last came to a service from that address and port. */
  entertained: {
    ask: { readonly protocol: 'tcp' | 'udp'; readonly address: string; readonly port: number }
    answer: { readonly lastAt: number | null }
  }
  connect: { ask: ConnectionSpec & { readonly connection: number }; answer: null }
  connection: { ask: { readonly connection: number }; answer: ConnectionState }
  close: { ask: { readonly connection: number }; answer: null }
}

export type CommandName = keyof Commands

export interface Question {
  readonly id: number
  readonly name: CommandName
  readonly ask: unknown
}

/** Sent by the agent. `ready` comes once, when it listens for questions. */
export type Reply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly message: string }
