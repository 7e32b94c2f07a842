/**
 * The custom rule files, watched: whenever they change, all custom rules as they are to be now, and all that is wrong
 * with the files. A ConfigMap's symlinks that are swapped, a file that is written anew, and one that is edited in place
 * are all seen, by notification of the directory or else within seconds.
 */
import { dirname } from 'node:path'
import type { Clock } from '../../clock.ts'
import {
  type CustomRule,
  type CustomRules,
  NO_CUSTOM_RULES,
  type RuleFile,
  ruleFileFlag,
} from '../../compile/custom/rules.ts'
import type { Direction, Issue } from '../../compile/model.ts'
import { UsageError } from '../../usage-error.ts'
import { DirectoryWatcher } from '../directory-watcher.ts'
import { signatureOf } from './read-file.ts'
import { WatchedRuleFile } from './rule-file.ts'
import type { RuleBackend } from './validate.ts'

/** How often the files are looked at without being told of a change, in ms: notifications can be lost. */
const POLL_MS = 2_000

/** How long a file must stay as it is before it is read, and how many such looks it gets: it may be being written. */
const SETTLE_MS = 50
const MOST_LOOKS = 20

export interface RuleFilesOptions {
  readonly files: readonly RuleFile[]
  readonly backend: RuleBackend
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** All of it, each time; nothing is told twice. */
export interface RuleFilesState {
  readonly rules: CustomRules
  readonly issues: readonly Issue[]
}

/**
 * Yields first when all files have been validated, then when something is different. Ends when the signal aborts, or
 * at once where no file is named.
 * @throws UsageError, before anything is yielded, for a file that cannot be read; later that is an Issue.
 */
export async function* watchRuleFiles(options: RuleFilesOptions): AsyncGenerator<RuleFilesState, void> {
  const { files, signal } = options
  const watched = open(options)
  using watchers = new Watchers(files.map(({ path }) => dirname(path)))
  await readFirst(watched, options)
  let told: RuleFilesState | undefined
  while (!signal.aborted) {
    const state = stateOf(files, watched)
    if (told === undefined || differs(state, told)) yield state
    told = state
    if (files.length === 0) return
    await watchers.changed(POLL_MS, signal)
    await settle(watched, options).catch(() => undefined)
    if (signal.aborted) return
    for (const file of watched.values()) await file.refresh()
  }
}

/** Reads and validates the files once. @throws UsageError for a file that cannot be read. */
export async function readRuleFiles(options: RuleFilesOptions): Promise<RuleFilesState> {
  const watched = open(options)
  await readFirst(watched, options)
  return stateOf(options.files, watched)
}

/** By family and path: the two directions often share one file, which is then read and validated once. */
type Watched = ReadonlyMap<string, WatchedRuleFile>

const keyOf = ({ family, path }: RuleFile): string => `${family} ${path}`

function open({ files, backend, signal }: RuleFilesOptions): Watched {
  return new Map(
    files.map((file) => [keyOf(file), new WatchedRuleFile(file.path, file.family, backend, signal)]),
  )
}

async function readFirst(watched: Watched, { files }: RuleFilesOptions): Promise<void> {
  for (const [key, file] of watched) {
    const found = await file.refresh()
    if (found.kind !== 'unreadable') continue
    const flags = files.filter((each) => keyOf(each) === key).map(ruleFileFlag)
    throw new UsageError(
      `${flags.join(' and ')}: '${file.path}' ${found.reason}`,
      'a file of rules, one a line',
    )
  }
}

function stateOf(files: readonly RuleFile[], watched: Watched): RuleFilesState {
  const inOrder = files.toSorted((a, b) => a.family - b.family)
  const rules = (direction: Direction): CustomRules[Direction] =>
    inOrder.flatMap((file) => (file.direction === direction ? (watched.get(keyOf(file))?.rules ?? []) : []))
  return {
    rules: files.length === 0 ? NO_CUSTOM_RULES : { ingress: rules('ingress'), egress: rules('egress') },
    issues: [...watched.values()].flatMap(({ issues }) => issues),
  }
}

function differs(a: RuleFilesState, b: RuleFilesState): boolean {
  const lists = (state: RuleFilesState): readonly (readonly CustomRule[])[] => [
    state.rules.ingress,
    state.rules.egress,
  ]
  const sameRules = lists(a).every((rules, index) => {
    const others = lists(b)[index] ?? []
    return rules.length === others.length && rules.every((rule, place) => rule === others[place])
  })
  return !sameRules || JSON.stringify(a.issues) !== JSON.stringify(b.issues)
}

/** Waits until no file changes between two looks; one that never rests is read as it is. */
async function settle(watched: Watched, { clock, signal }: RuleFilesOptions): Promise<void> {
  const look = async (): Promise<string> =>
    JSON.stringify(
      await Promise.all([...watched.values()].map(async ({ path }) => (await signatureOf(path)) ?? '')),
    )
  let before = await look()
  for (let looks = 0; looks < MOST_LOOKS; looks += 1) {
    await clock.sleep(SETTLE_MS, signal)
    const now = await look()
    if (now === before) return
    before = now
  }
}

/** Directories, watched together. A change that is told while nobody waits is kept for the next who asks. */
class Watchers implements Disposable {
  readonly #watchers: readonly DirectoryWatcher[]

  constructor(directories: readonly string[]) {
    this.#watchers = [...new Set(directories)].map((directory) => new DirectoryWatcher(directory))
  }

  /** Resolves when any of them has changed since the last call, after `ms`, or when the signal aborts. */
  async changed(ms: number, signal: AbortSignal): Promise<void> {
    const round = new AbortController()
    const either = AbortSignal.any([signal, round.signal])
    const changes = this.#watchers.map((watcher) => watcher.changed(ms, either))
    // All files are read after any change, so that the others' notices can be forgotten with this one.
    await Promise.race(changes)
    round.abort()
    await Promise.all(changes)
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers) watcher[Symbol.dispose]()
  }
}
