/**
 * A lock of OVSDB (RFC 7047, sections 4.1.8 to 4.1.10). A server gives it to one session at a time, first come
 * first served, and takes it back when the session ends. It is asked for again on every new session. Holding it
 * is never certain on this side: `assert` in each transaction is what fences off a holder that lost it.
 */
import { brief, isObject, type Json } from './json.ts'
import type { Session } from './session.ts'
import { Wakeup } from './wakeup.ts'

export type LockState =
  | { readonly kind: 'held' }
  /** Asked for; somebody else has it. */
  | { readonly kind: 'waiting' }
  /** There is no session, or the lock was stolen. */
  | { readonly kind: 'lost'; readonly reason: string }

/** The reason of a loss while the session stands. */
export const STOLEN = 'stolen'

/** One reader: `for await (const state of lock)`. Leaving the loop gives the lock back. */
export class Lock implements AsyncIterable<LockState>, Disposable {
  readonly name: string
  readonly #onEnd: () => void
  readonly #wakeup = new Wakeup()
  #session: Session | undefined
  #state: LockState = { kind: 'lost', reason: 'not connected yet' }
  #unread: LockState[] = []
  #ended = false

  /** Made by `OvsdbClient.lock`. */
  constructor(name: string, onEnd: () => void) {
    this.name = name
    this.#onEnd = onEnd
  }

  get state(): LockState {
    return this.#state
  }

  /** Every loss is seen, also by a reader who comes too late for it; what was before a loss is not. */
  async *[Symbol.asyncIterator](): AsyncGenerator<LockState, void, undefined> {
    try {
      while (true) {
        const state = this.#unread.shift()
        if (state !== undefined) yield state
        else if (this.#ended) return
        else await this.#wakeup.wait()
      }
    } finally {
      this[Symbol.dispose]()
    }
  }

  [Symbol.dispose](): void {
    if (this.#ended) return
    this.#session?.call('unlock', [this.name], () => {})
    this.end('given back')
    this.#onEnd()
  }

  /** Gives it to whoever waits for it, and asks for it again, behind them. Nothing without a session. */
  pass(): void {
    if (this.#session === undefined) return
    this.#session.call('unlock', [this.name], () => {})
    this.#enter({ kind: 'waiting' })
    this.#ask(this.#session, 'lock')
  }

  /** Takes it from whoever has it, who is told, and has it again after this one. Nothing without a session. */
  steal(): void {
    if (this.#session === undefined) return
    this.#session.call('unlock', [this.name], () => {})
    this.#ask(this.#session, 'steal')
  }

  /** Asks for the lock on a new session. */
  attach(session: Session): void {
    this.#session = session
    this.#ask(session, 'lock')
  }

  #ask(session: Session, how: 'lock' | 'steal'): void {
    session.call(how, [this.name], (reply) => {
      if (session !== this.#session || reply.kind === 'unsent' || reply.kind === 'unanswered') return
      const locked = reply.kind === 'result' && isObject(reply.result) ? reply.result['locked'] : undefined
      if (typeof locked === 'boolean') this.#enter({ kind: locked ? 'held' : 'waiting' })
      else session.close(`${how} was refused: ${brief(reply.kind === 'error' ? reply.error : reply.result)}`)
    })
  }

  detach(reason: string): void {
    this.#session = undefined
    this.#enter({ kind: 'lost', reason })
  }

  /** No state follows. */
  end(reason: string): void {
    this.detach(reason)
    this.#ended = true
    this.#wakeup.wake()
  }

  notify(session: Session, method: string, params: readonly Json[]): void {
    if (params[0] !== this.name || session !== this.#session) return
    if (method === 'locked') this.#enter({ kind: 'held' })
    else if (method === 'stolen') this.#enter({ kind: 'lost', reason: STOLEN })
  }

  #enter(state: LockState): void {
    if (this.#ended || (state.kind === 'lost' && this.#state.kind === 'lost')) return
    this.#state = state
    if (state.kind === 'lost') this.#unread = []
    this.#unread.push(state)
    this.#wakeup.wake()
  }
}
