/** Rules that should stand, that do stand, and that were saved, held against each other. */
import { diff } from 'node:util'
import type { Compilation, PodTarget } from '../compile/compilation.ts'
import { type NamespacedName, nameOf, type Pod } from '../compile/model.ts'
import type { Backend, Printed, RuleCounter } from './backend.ts'
import { withdrawn } from './claims.ts'
import { readDump } from './dump-files.ts'
import { directoryName } from './dumps.ts'
import type { NetnsLocator } from './netns/locate.ts'

export interface Difference {
  /** `policies`, `kernel`, `dump`, or the path of one. */
  readonly between: readonly [string, string]
  /** What only the first has begins with `-`, what only the second has with `+`; in the order of the rules. */
  readonly lines: readonly string[]
}

export interface PodAudit {
  readonly pod: NamespacedName
  readonly governed: boolean
  /** Empty where all is as it should be. */
  readonly differences: readonly Difference[]
  /** Why something could not be looked at. */
  readonly problems: readonly string[]
  /** As the kernel counts; empty where it was not asked. */
  readonly counters: readonly RuleCounter[]
}

export interface AuditOptions {
  readonly backend: Backend<unknown>
  readonly others: readonly Backend<unknown>[]
  readonly compilation: Compilation
  /** Without one the kernel is not asked. */
  readonly locator: NetnsLocator | undefined
  /** The directory of `--pod-iptables`; without one no dump is looked at. */
  readonly dumps: string | undefined
  readonly signal: AbortSignal
}

/** What the kernel has in one pod, and what it should have, given that. */
interface Standing {
  readonly printed: Printed<unknown>
  readonly lines: readonly string[]
  readonly counters: readonly RuleCounter[]
  readonly problem?: string
}

export async function auditPod({ pod }: PodTarget, options: AuditOptions): Promise<PodAudit> {
  const { backend, compilation } = options
  const printed = backend.print(compilation.rulesetOf(pod))
  const standing = options.locator && (await readStanding(pod, options))
  const desired = (standing?.printed ?? printed).lines()
  const looked = standing !== undefined && standing.problem === undefined ? standing : undefined
  const saved =
    options.dumps === undefined
      ? undefined
      : await savedLines(`${options.dumps}/${directoryName(pod)}`, backend)
  const problems = [standing?.problem, saved?.problem].filter((each) => each !== undefined)
  return {
    pod: nameOf(pod),
    governed: desired.length > 0,
    differences: [
      ...(looked === undefined ? [] : difference('policies', desired, 'kernel', looked.lines)),
      ...(saved?.lines === undefined
        ? []
        : looked === undefined
          ? difference('policies', desired, 'dump', saved.lines)
          : difference('kernel', looked.lines, 'dump', saved.lines)),
    ],
    // A pod that nothing governs need not have a namespace to be as it should be.
    problems: desired.length > 0 ? problems : [],
    counters: looked?.counters ?? [],
  }
}

async function readStanding(pod: Pod, options: AuditOptions): Promise<Standing> {
  const { backend, others, compilation, locator, signal } = options
  const unlooked = (problem: string): Standing => ({
    printed: backend.print(compilation.rulesetOf(pod)),
    lines: [],
    counters: [],
    problem,
  })
  const located = await locator?.locate(pod, signal)
  if (located?.kind !== 'found') return unlooked(`no network namespace found: ${located?.reason}`)
  await using netns = located.netns
  const found = await backend.read(netns, signal)
  if (found.kind === 'failed') return unlooked(found.reason)
  const listed = found.kind === 'listed' ? found.listed : undefined
  const lost = await withdrawn(
    listed === undefined ? new Map() : backend.governedBy(listed),
    pod,
    netns,
    signal,
  )
  const attachments = [...pod.attachments, ...(lost?.attachments ?? [])]
  const left: string[] = []
  for (const other of others) {
    const beside = await other.read(netns, signal)
    if (beside.kind === 'listed')
      left.push(...other.lines(beside.listed).map((line) => `${other.name}: ${line}`))
  }
  return {
    printed: backend.print(compilation.rulesetOf({ ...pod, attachments })),
    lines: [...(listed === undefined ? [] : backend.lines(listed)), ...left],
    counters: listed === undefined ? [] : backend.counters(listed),
  }
}

async function savedLines(
  directory: string,
  backend: Backend<unknown>,
): Promise<{ readonly lines?: readonly string[]; readonly problem?: string }> {
  const files = await readDump(directory)
  if (files.size === 0) return { problem: `no dump in ${directory}` }
  try {
    const listed = backend.parseDump(files)
    return { lines: listed === undefined ? [] : backend.lines(listed) }
  } catch (error) {
    return {
      problem: `the dump in ${directory} cannot be read: ${error instanceof Error ? error.message : error}`,
    }
  }
}

/** Two dump directories, each pod by its own, whichever backend wrote them. */
export async function compareDumps(
  directories: readonly [string, string],
  pods: readonly string[],
  backends: readonly Backend<unknown>[],
): Promise<readonly Difference[]> {
  const differences: Difference[] = []
  for (const pod of pods) {
    const [first = [], second = []] = await Promise.all(
      directories.map((directory) => anyLines(`${directory}/${pod}`, backends)),
    )
    differences.push(...difference(`${directories[0]}/${pod}`, first, `${directories[1]}/${pod}`, second))
  }
  return differences
}

async function anyLines(
  directory: string,
  backends: readonly Backend<unknown>[],
): Promise<readonly string[]> {
  const files = await readDump(directory)
  for (const backend of backends) {
    const listed = backend.parseDump(files)
    if (listed !== undefined) return backend.lines(listed)
  }
  return []
}

/** None where both say the same. */
export function difference(
  from: string,
  first: readonly string[],
  to: string,
  second: readonly string[],
): readonly Difference[] {
  const marks: Readonly<Record<number, string>> = { [-1]: '-', [1]: '+' }
  // node:util throws where there is nothing on either side.
  if (first.length + second.length === 0) return []
  // It has the operation seen from the second: what is inserted there is what only the first has.
  const lines = diff(second, first).flatMap(([operation, line]) => {
    const mark = marks[operation]
    return mark === undefined ? [] : [`${mark} ${line}`]
  })
  return lines.length === 0 ? [] : [{ between: [from, to], lines }]
}
