/**
 * The embedded source: a directory of manifests, watched. For a host without Kubernetes, the demo, the tests and
 * offline checks. Edits take effect live; a file that breaks keeps its last good content in force.
 */
import type { Clock } from '../../clock.ts'
import type { Issue } from '../../compile/model.ts'
import { DirectoryWatcher } from '../directory-watcher.ts'
import type { Source } from '../source.ts'
import { ManifestDirectory, type Scan, SETTLE_MS } from './directory.ts'
import { fileIssue } from './file.ts'
import { changesBetween, mergeFiles, type ObjectsByKind } from './merge.ts'

/** How often the directory is looked at without being told of a change, in ms: notifications can be lost. */
const POLL_MS = 2_000

/** How many looks the first state waits for files that are being written, SETTLE_MS each. */
const FIRST_LOOKS = 25

export interface ManifestsOptions {
  readonly directory: string
  /** The node that pods without `spec.nodeName` are on: this one. */
  readonly node: string
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** @throws where the directory cannot be read at the start; later that is an Issue, and what stood stays. */
export async function* watchManifests(options: ManifestsOptions): Source {
  const { directory, signal } = options
  using watcher = new DirectoryWatcher(directory)
  const manifests = manifestDirectory(options)
  let scan = await firstScan(manifests, options)
  let standing: ObjectsByKind | undefined
  let said = '[[],false]'
  while (!signal.aborted) {
    const { objects, issues } = mergeFiles(scan)
    const changes = changesBetween(standing, objects)
    standing = objects
    const saying = JSON.stringify([issues, scan.incomplete])
    const news = saying === said ? [] : [{ kind: 'issues' as const, issues, incomplete: scan.incomplete }]
    said = saying
    if (changes.length + news.length > 0) yield [...news, ...changes]
    await watcher.changed(scan.unsettled ? SETTLE_MS : POLL_MS, signal)
    scan = await manifests.scan().catch((error: unknown) => keep(scan, directory, error))
  }
}

function manifestDirectory({ directory, node, clock }: ManifestsOptions): ManifestDirectory {
  return new ManifestDirectory(directory, node, clock)
}

/** Waits for files that are being written, for a while. */
async function firstScan(manifests: ManifestDirectory, { clock, signal }: ManifestsOptions): Promise<Scan> {
  let scan = await manifests.scan()
  for (let look = 1; scan.unsettled && look < FIRST_LOOKS; look += 1) {
    await clock.sleep(SETTLE_MS, signal)
    scan = await manifests.scan()
  }
  return scan
}

function keep(scan: Scan, directory: string, error: unknown): Scan {
  const reason = `cannot be read, what it held stays in force: ${error instanceof Error ? error.message : error}`
  const issues: readonly Issue[] = [fileIssue(directory, '', reason)]
  return { ...scan, issues, unsettled: false }
}
