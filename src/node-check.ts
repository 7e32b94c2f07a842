/**
 * Whether the node can be enforced on, for readiness: a daemon that lacks a capability or a program reports every pod, and
 * would be ready by that. It is tried soon after the start, again while it fails, and when every governed pod fails; one pod
 * that is enforced proves that it can be done.
 */
import type { Clock } from './clock.ts'

export interface NodeCheckOptions {
  /** Why rules cannot be written on this node; undefined where they can. */
  readonly probe: (signal: AbortSignal) => Promise<string | undefined>
  readonly log: { info(text: string): void; error(fields: object, text: string): void }
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Governed pods by their last outcome. */
export interface Tally {
  readonly done: number
  readonly failed: number
}

/** Between two tries that fail, and two looks at whether all pods do, ms. */
const [UNABLE_MS, ABLE_MS] = [5_000, 30_000]

/** By then most nodes have enforced on a pod, and first things go first; ms. */
const FIRST_MS = 300

export class NodeCheck {
  readonly #options: NodeCheckOptions
  #state: 'untried' | 'able' | 'unable' = 'untried'
  #pods: Tally = { done: 0, failed: 0 }

  constructor(options: NodeCheckOptions) {
    this.#options = options
  }

  /** False until it is known. */
  get able(): boolean {
    return this.#state === 'able'
  }

  /** Tries as often as there is an occasion, until the signal aborts. */
  async run(): Promise<void> {
    const { probe, clock, signal } = this.#options
    await clock.sleep(FIRST_MS, signal).catch(() => undefined)
    while (!signal.aborted) {
      const { done, failed } = this.#pods
      if (!this.able || (done === 0 && failed > 0)) this.#settle(await probe(signal))
      await clock.sleep(this.able ? ABLE_MS : UNABLE_MS, signal).catch(() => undefined)
    }
  }

  /** How the pods fare by now. */
  note(pods: Tally): void {
    this.#pods = pods
    if (pods.done > 0) this.#settle(undefined)
  }

  #settle(reason: string | undefined): void {
    const { log, signal } = this.#options
    const before = this.#state
    if (signal.aborted) return
    this.#state = reason === undefined || this.#pods.done > 0 ? 'able' : 'unable'
    if (this.#state === before) return
    if (this.#state === 'unable')
      log.error({ reason }, `no pod of this node can be enforced on, so this is not ready: ${reason}`)
    else if (before === 'unable') log.info('pods of this node can be enforced on again')
  }
}
