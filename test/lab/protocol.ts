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
