/**
 * `--pod-iptables DIR` in OVN mode: the rows of ours as they stand, in `DIR/ovn/northbound/current.ovn`, after each
 * change, with those of before in `history`. Written by the daemon that writes the database.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Clock } from '../../clock.ts'
import { type Keep, pruneHistory, readDump, writeDump } from '../dump-files.ts'

export interface OvnDumpsOptions {
  readonly directory: string
  readonly keep: Keep
  readonly node: string
  /** The rows as text; undefined while another daemon writes them. */
  readonly standing: () => readonly string[] | undefined
  readonly clock: Clock
  readonly log: Logger
}

export class OvnDumps {
  readonly #options: OvnDumpsOptions
  #state = ''
  #due = false
  #working = false

  constructor(options: OvnDumpsOptions) {
    this.#options = options
  }

  /** What stands has changed, or may have. A disk that is full, slow or gone costs dumps, and no rule. */
  request(): void {
    this.#due = true
    if (!this.#working) void this.#work()
  }

  async #work(): Promise<void> {
    this.#working = true
    while (this.#due) {
      this.#due = false
      try {
        await this.#dump()
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        this.#options.log.warn({ reason }, `rows in OVN are not dumped: ${reason}`)
      }
    }
    this.#working = false
  }

  async #dump(): Promise<void> {
    const lines = this.#options.standing()
    if (lines === undefined) return
    const text = lines.map((line) => `${line}\n`).join('')
    const state = createHash('sha256').update(text).digest('hex')
    if (state === this.#state) return
    const { directory, keep, node, clock } = this.#options
    const own = ovnDumpDirectory(directory)
    const time = new Date(clock.wallTime())
    const header = { database: 'OVN_Northbound', node, time: time.toISOString(), state }
    await writeDump(own, { header, current: new Map([['ovn', text]]), written: new Map(), state, time })
    this.#state = state
    await pruneHistory(own, keep, time)
  }
}

/** The rows of the last dump, as `standing` gave them; undefined where there is none. */
export async function readOvnDump(directory: string): Promise<readonly string[] | undefined> {
  const content = (await readDump(ovnDumpDirectory(directory))).get('ovn')
  return content?.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

/** Two steps down: what is one step down is pods', and goes when they do. */
function ovnDumpDirectory(directory: string): string {
  return join(directory, 'ovn', 'northbound')
}
