/** `mnpd audit`: what the policies ask for, what the kernel has, and what was saved, held against each other. */
import { readdir } from 'node:fs/promises'
import { auditPod, compareDumps, type Difference, type PodAudit } from '../apply/audit.ts'
import { UsageError } from '../usage-error.ts'
import { backendsOf } from './backends.ts'
import { compileOptions, type Environment, nodeName } from './cluster-options.ts'
import { CLUSTER_FLAGS, describeFlags, type FlagSpec, FlagValues, RUNTIME_FLAGS } from './flags.ts'
import { loadAndCompile } from './load-cluster.ts'
import { openLocator } from './open-locator.ts'
import { auditOvn, type OvnAuditResult } from './ovn-options.ts'
import { table } from './table.ts'

const FLAGS: readonly FlagSpec[] = [
  ...CLUSTER_FLAGS,
  ...RUNTIME_FLAGS,
  { name: 'pod', value: 'text', help: 'NAMESPACE/NAME of the one pod to audit (default: all of the node)' },
  { name: 'dump-dir', value: 'text', help: 'DIR of --pod-iptables, to hold the last dumps against' },
  {
    name: 'against',
    value: 'text',
    help: 'DIR of other dumps: compares the two directories, and nothing else',
  },
  {
    name: 'offline',
    value: 'boolean',
    help: 'compare the dumps with the policies, and do not ask the kernel',
  },
  { name: 'counters', value: 'boolean', help: 'print how often each rule has met a packet' },
  { name: 'output', value: 'text', help: 'text or json (default: text)' },
]

export const AUDIT_HELP: string = `mnpd audit: compares what the policies ask for with what the kernel has, and with saved dumps.
Exit code 0: all is as it should be; 1: something is not, or could not be looked at.

  mnpd audit                                     policies and kernel, on this node
  mnpd audit --dump-dir DIR                      and the last dumps
  mnpd audit --dump-dir DIR --offline --manifests M  dumps and policies, wherever they were taken to
  mnpd audit --dump-dir DIR --against DIR2       two directories of dumps

${describeFlags(FLAGS)}
`

export async function auditCommand(args: readonly string[], env: Environment): Promise<number> {
  const flags = new FlagValues(FLAGS, args, env)
  const output = flags.oneOf('output', ['text', 'json'], 'text')
  const [dumps, against] = [flags.text('dump-dir'), flags.text('against')]
  if (against !== undefined) return await auditDirectories(flags, dumps, against, output)
  const offline = flags.boolean('offline')
  if (offline && dumps === undefined)
    throw new UsageError('--offline without --dump-dir', 'a directory of dumps')
  if (dumps !== undefined) await podsIn('dump-dir', dumps)
  const { audits, ovn } = await auditNode(flags, env, offline, dumps)
  process.stdout.write(
    output === 'json'
      ? json({ pods: audits, ...(ovn === undefined ? {} : { ovn }) })
      : printPods(audits, flags.boolean('counters')) + (ovn === undefined ? '' : printOvn(ovn)),
  )
  const all = ovn === undefined ? audits : [...audits, ovn]
  return all.every(({ differences, problems }) => differences.length + problems.length === 0) ? 0 : 1
}

async function auditNode(
  flags: FlagValues,
  env: Environment,
  offline: boolean,
  dumps: string | undefined,
): Promise<{ readonly audits: readonly PodAudit[]; readonly ovn: OvnAuditResult | undefined }> {
  await using resources = new AsyncDisposableStack()
  const wanted = flags.text('pod')
  const node = nodeName(flags, env)
  const { cluster, compilation } = await loadAndCompile(
    flags,
    env,
    node,
    offline ? 'namespaces' : 'namespaces, by the database',
  )
  const pods = [...compilation.targets].filter(([name]) => wanted === undefined || name === wanted)
  if (wanted !== undefined && pods.length === 0)
    throw new UsageError(
      `--pod: no pod ${JSON.stringify(wanted)} on node ${nodeName(flags, env)}`,
      'NAMESPACE/NAME of a pod that is not done and not on the host network',
    )
  const locator = offline
    ? undefined
    : (await openLocator(flags, SILENT, resources))(() => compilation.targets)
  const { signal } = new AbortController()
  const options = { ...backendsOf(flags), compilation, locator, dumps, signal }
  const audits: PodAudit[] = []
  for (const [, target] of pods.sort(([a], [b]) => (a < b ? -1 : 1)))
    audits.push(await auditPod(target, options))
  const ovn = offline ? undefined : await auditOvn(flags, cluster, compileOptions(flags, node), dumps)
  return { audits, ovn }
}

async function auditDirectories(
  flags: FlagValues,
  dumps: string | undefined,
  against: string,
  output: 'text' | 'json',
): Promise<number> {
  if (dumps === undefined) throw new UsageError('--against without --dump-dir', 'two directories of dumps')
  const pods = new Set([...(await podsIn('dump-dir', dumps)), ...(await podsIn('against', against))])
  const { backend, others } = backendsOf(flags)
  const differences = await compareDumps([dumps, against], [...pods].sort(), [backend, ...others])
  process.stdout.write(
    output === 'json'
      ? json({ differences })
      : differences.map(printDifference).join('') || 'no difference\n',
  )
  return differences.length === 0 ? 0 : 1
}

async function podsIn(flag: string, directory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  } catch (error) {
    throw new UsageError(
      `--${flag}: ${error instanceof Error ? error.message : error}`,
      'a directory of dumps, as --pod-iptables makes it',
      { cause: error },
    )
  }
}

/** Where the runtime is found is of no interest here. */
const SILENT = { info: () => undefined, warn: () => undefined }

function printPods(audits: readonly PodAudit[], counters: boolean): string {
  const shown = audits.filter(({ governed, differences }) => governed || differences.length > 0)
  if (shown.length === 0) return 'no policy governs a pod of this node, and no rules stand in one\n'
  return shown.map((audit) => `${printPod(audit)}${counters ? printCounters(audit) : ''}`).join('')
}

function printPod({ pod, differences, problems }: PodAudit): string {
  if (differences.length + problems.length === 0) return `${pod}: as it should be\n`
  return [
    ...problems.map((problem) => `${pod}: ${problem}\n`),
    ...differences.map((each) => `${pod}: ${printDifference(each)}`),
  ].join('')
}

function printOvn({ differences, problems }: OvnAuditResult): string {
  if (differences.length + problems.length === 0) return 'OVN: as it should be\n'
  return [
    ...problems.map((problem) => `OVN: ${problem}\n`),
    ...differences.map((each) => `OVN: ${printDifference(each)}`),
  ].join('')
}

function printDifference({ between: [from, to], lines }: Difference): string {
  return `only in ${from} (-) or in ${to} (+)\n${lines.map((line) => `  ${line}\n`).join('')}`
}

function printCounters({ counters }: PodAudit): string {
  const rows = counters.map(({ rule, chain, packets, bytes }) => [
    `  ${rule}`,
    chain,
    String(packets),
    String(bytes),
  ])
  return rows.length === 0 ? '' : `${table([['  rule', 'chain', 'packets', 'bytes'], ...rows])}\n`
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}
