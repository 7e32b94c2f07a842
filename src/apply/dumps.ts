/**
 * `--pod-iptables DIR`: what stands in each pod, read back from the kernel after each change and saved for those who audit.
 *
 * It is done apart from enforcing, one pod after the other: a disk that is full, slow or gone costs dumps, of which the log
 * says so, and never a rule.
 */
import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Clock } from '../clock.ts'
import type { Compilation } from '../compile/compilation.ts'
import { type NamespacedName, nameOf, type Pod } from '../compile/model.ts'
import type { Backend, Printed } from './backend.ts'
import { endDump, type Header, headerOf, type Keep, pruneHistory, readDump, writeDump } from './dump-files.ts'
import type { NetnsLocator } from './netns/locate.ts'

export interface DumpsOptions {
  readonly directory: string
  readonly keep: Keep
  readonly node: string
  readonly backend: Backend<unknown>
  readonly locator: NetnsLocator
  readonly compilation: () => Compilation
  readonly clock: Clock
  readonly log: Logger
  readonly signal: AbortSignal
}

/** After a failure: a disk that is full now may not be so later. */
const RETRY_MS = 10_000

/** How often history that has become too old is looked for. */
const PRUNE_EVERY_MS = 3_600_000

export class Dumps {
  readonly #options: DumpsOptions
  /** Pods to dump, in the order in which they were asked for. */
  readonly #due = new Set<NamespacedName>()
  /** The directory and state of what was dumped last. */
  readonly #dumped = new Map<NamespacedName, { readonly directory: string; readonly state: string }>()
  #working = false
  #failing = false
  #nextPrune = 0

  constructor(options: DumpsOptions) {
    this.#options = options
  }

  /** What stands in the pod has changed, or may have. */
  request(key: string): void {
    this.#due.add(key as NamespacedName)
    if (!this.#working) void this.#work()
  }

  async #work(): Promise<void> {
    this.#working = true
    const { clock, signal } = this.#options
    for (const key of this.#due) {
      if (signal.aborted) break
      this.#due.delete(key)
      if (!(await this.#guard(() => this.#dump(key)))) void this.#retry(key)
      if (clock.now() < this.#nextPrune) continue
      this.#nextPrune = clock.now() + PRUNE_EVERY_MS
      await this.#guard(() => this.#prune())
    }
    this.#working = false
  }

  async #retry(key: NamespacedName): Promise<void> {
    const { clock, signal } = this.#options
    await clock.sleep(RETRY_MS, signal).catch(() => undefined)
    if (!signal.aborted) this.request(key)
  }

  /** The first of several failures is said, and that it works again. @returns whether it did */
  async #guard(act: () => Promise<void>): Promise<boolean> {
    const { log, directory } = this.#options
    try {
      await act()
      if (this.#failing) log.info({ directory }, 'dumps are written again')
      this.#failing = false
      return true
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (!this.#failing) log.warn({ directory, reason }, `rules are not dumped: ${reason}`)
      this.#failing = true
      return false
    }
  }

  async #dump(key: NamespacedName): Promise<void> {
    const { backend, locator, compilation, signal, keep, clock } = this.#options
    const pod = compilation().targets.get(key)?.pod
    if (pod === undefined) return await this.#end(key)
    const located = await locator.locate(pod, signal)
    if (located.kind === 'absent') return await this.#end(key)
    if (located.kind !== 'found') throw new Error(located.reason)
    await using netns = located.netns
    const dumped = await backend.dump(netns, signal)
    if (dumped.kind === 'failed') throw new Error(dumped.reason)
    const listed = backend.parseDump(dumped.files)
    const lines = listed === undefined ? [] : backend.lines(listed)
    const state = createHash('sha256').update(lines.join('\n')).digest('hex')
    const directory = join(this.#options.directory, directoryName(pod))
    const last = await this.#lastState(key, directory)
    if (last === state || (last === undefined && lines.length === 0)) return
    const time = new Date(clock.wallTime())
    const printed = backend.print(compilation().rulesetOf(pod))
    const header = this.#header(pod, printed, state, time)
    await writeDump(directory, { header, current: dumped.files, written: printed.texts(), state, time })
    this.#dumped.set(key, { directory, state })
    await pruneHistory(directory, keep, time)
  }

  /** Of this process, or of the one before. */
  async #lastState(key: NamespacedName, directory: string): Promise<string | undefined> {
    const known = this.#dumped.get(key)
    if (known?.directory === directory) return known.state
    const [content = ''] = (await readDump(directory)).values()
    const state = headerOf(content)?.['state']
    return typeof state === 'string' ? state : undefined
  }

  #header(pod: Pod, { digest, governed }: Printed<unknown>, state: string, time: Date): Header {
    const { backend, compilation, node } = this.#options
    const { rulesetOf, versionOf } = compilation()
    const policies = rulesetOf(pod)?.policies ?? []
    return {
      pod: nameOf(pod),
      namespace: pod.namespace,
      uid: pod.uid,
      node,
      backend: backend.name,
      interfaces: [...governed].map(([name, networks]) => `${name} on ${[networks].flat().join(' and ')}`),
      policies: policies.map(({ policy }) => `${policy} (resourceVersion ${versionOf(policy) ?? 'unknown'})`),
      time: time.toISOString(),
      digest,
      state,
    }
  }

  async #end(key: NamespacedName): Promise<void> {
    const known = this.#dumped.get(key)
    this.#dumped.delete(key)
    if (known !== undefined) await endDump(known.directory)
  }

  /** History that is too old, and what says that rules stand in pods that went while no daemon ran. */
  async #prune(): Promise<void> {
    const { clock, keep, compilation, directory: all } = this.#options
    const pods = new Set([...compilation().targets.values()].map(({ pod }) => directoryName(pod)))
    for (const name of await readdir(all).catch(() => [])) {
      const directory = join(all, name)
      if (!pods.has(name)) await endDump(directory)
      await pruneHistory(directory, keep, new Date(clock.wallTime()))
    }
  }
}

/** The pod's UID, as scripts expect; of a pod from a file without one, its name. Nothing in it can leave the directory. */
export function directoryName({ namespace, name, uid }: Pod): string {
  return /^[A-Za-z0-9-]{1,64}$/.test(uid) ? uid : `${namespace}_${name}`
}
