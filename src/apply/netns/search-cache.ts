/**
 * What is known of the links of the node's namespaces, so that a search lists only what it has to. A namespace is known
 * by its path and its number, since numbers are given out again at once and runtimes make paths up anew; what is read
 * here only ever leads to a candidate, which is looked at again.
 */
import { basename } from 'node:path'
import type { HostView } from './cri-host.ts'
import type { NamedNetns } from './netns-directory.ts'
import { identityText, type OpenNetns, openNetns } from './open-netns.ts'
import { type LinkTable, listLinks } from './search-links.ts'

/** While a namespace is that young its interfaces are still being made, ms. */
const YOUNG_MS = 60_000

/** How long a listing of an older one counts: interfaces are hot-plugged, too. */
const STALE_MS = 10_000

/** Young ones are what a new pod is looked for in; the others are listed where that finds nothing. */
type Round = 'young' | 'all'

interface Known {
  readonly netns: NamedNetns
  readonly firstSeen: number
  /** When it was last listed. */
  listed: number
  links: LinkTable | undefined
  /** Some search took it for a pod's as it is. */
  matched: boolean
}

export interface SearchCacheOptions {
  readonly list: () => Promise<readonly NamedNetns[]>
  /** Those of which the runtime has said whose they are: they are not searched. */
  readonly told: () => Iterable<NamedNetns>
  readonly view: HostView
  /** ms, monotonic. */
  readonly now: () => number
}

export class SearchCache {
  readonly #options: SearchCacheOptions
  #known: ReadonlyMap<string, Known> = new Map()
  #running: Promise<void> = Promise.resolve()
  readonly #next = new Map<Round, Promise<void>>()

  constructor(options: SearchCacheOptions) {
    this.#options = options
  }

  /** The namespaces that are there now, of which the runtime has not told, and whose links are as asked. */
  async matching(fits: (links: LinkTable) => boolean, signal: AbortSignal): Promise<readonly NamedNetns[]> {
    for (const round of ['young', 'all'] as const) {
      await this.#refresh(round, signal)
      const found = this.#untold().filter(({ links }) => links !== undefined && fits(links))
      for (const each of found) each.matched = true
      if (found.length > 0) return found.map(({ netns }) => netns)
    }
    return []
  }

  /** One round at a time; who comes during one shares the next, which begins after they came. */
  #refresh(round: Round, signal: AbortSignal): Promise<void> {
    const waiting = this.#next.get(round)
    if (waiting !== undefined) return waiting
    const next = this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next.delete(round)
        return this.#look(round, signal)
      })
    this.#next.set(round, next)
    this.#running = next
    return next
  }

  async #look(round: Round, signal: AbortSignal): Promise<void> {
    const now = this.#options.now()
    const there = await this.#options.list()
    const before = this.#known
    this.#known = new Map(
      there.map((netns) => {
        const known = { netns, firstSeen: now, listed: -Infinity, links: undefined, matched: false }
        return [placeOf(netns), before.get(placeOf(netns)) ?? known]
      }),
    )
    const due = this.#untold().filter((known) => isDue(known, round, now))
    await this.#list(due, now, signal)
  }

  #untold(): readonly Known[] {
    const told = new Set([...this.#options.told()].map(placeOf))
    return [...this.#known.values()].filter(({ netns }) => !told.has(placeOf(netns)))
  }

  /** Through files that are held open meanwhile: a path may come to mean another namespace. */
  async #list(due: readonly Known[], now: number, signal: AbortSignal): Promise<void> {
    await using held = new AsyncDisposableStack()
    const open: { readonly known: Known; readonly netns: OpenNetns }[] = []
    for (const known of due) {
      const located = await openNetns(known.netns.path, this.#options.view, known.netns.identity)
      known.links = undefined
      if (located.kind === 'found') open.push({ known, netns: held.use(located.netns) })
    }
    const tables = await listLinks(
      open.map(({ netns }) => netns.path),
      signal,
    )
    for (const [index, { known }] of open.entries()) {
      known.links = tables[index]
      known.listed = now
    }
  }
}

/** Numbers are given out again at once, but not under the same name; a directory may be reached by two paths. */
function placeOf({ path, identity }: NamedNetns): string {
  return `${basename(path)} ${identityText(identity)}`
}

/** Of the same moment, a second round lists nothing twice. */
function isDue({ listed, firstSeen, matched }: Known, round: Round, now: number): boolean {
  if (round === 'all' || listed === -Infinity) return now - listed >= STALE_MS
  return !matched && now - firstSeen <= YOUNG_MS
}
