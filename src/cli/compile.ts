/** `mnpd compile`: what would be enforced, touching nothing. */
import { toText } from 'nftables-json'
import { type AddressRange, formatAddress } from '../compile/address.ts'
import type { Cluster } from '../compile/cluster.ts'
import type { PodTarget } from '../compile/compilation.ts'
import { printIptables } from '../compile/iptables/printer.ts'
import { bothFamiliesText, printedJson } from '../compile/iptables/text.ts'
import type { Issue } from '../compile/model.ts'
import { printNftables } from '../compile/nftables/printer.ts'
import type { Ruleset } from '../compile/ruleset.ts'
import { describeIssue } from '../issue-log.ts'
import { UsageError } from '../usage-error.ts'
import { compileOptions, type Environment, nodeName } from './cluster-options.ts'
import { CLUSTER_FLAGS, describeFlags, type FlagSpec, FlagValues, PRINTED_NAMES } from './flags.ts'
import { loadAndCompile } from './load-cluster.ts'
import { compileRows } from './ovn-options.ts'

const FLAGS: readonly FlagSpec[] = [
  ...CLUSTER_FLAGS,
  {
    name: 'pod',
    value: 'text',
    help: 'NAMESPACE/NAME of the one pod to print (default: all of the node, or of every node)',
  },
  { name: 'output', value: 'text', help: 'text or json (default: text)' },
]

export const COMPILE_HELP: string = `mnpd compile: prints the rules that would stand in each pod, touching nothing.
The text for one pod loads as it is with nft -f -, or, of the iptables backend, with iptables-restore --noflush and
ip6tables-restore --noflush. With --backend ovn: the rows of all pods' ports. Issues go to standard error.

${describeFlags(FLAGS)}
`

export async function compileCommand(args: readonly string[], env: Environment): Promise<number> {
  const flags = new FlagValues(FLAGS, args, env)
  const output = flags.oneOf('output', ['text', 'json'], 'text')
  const backend = flags.oneOf('backend', PRINTED_NAMES, 'nftables')
  const wanted = flags.text('pod')
  const node =
    wanted === undefined && flags.text('hostname-override') !== undefined ? nodeName(flags, env) : undefined
  const { cluster, compilation, issues } = await loadAndCompile(flags, env, node, 'namespaces')
  if (backend === 'ovn')
    return await printRows(cluster, compileOptions(flags, node), { issues, output, pod: wanted, flags })
  const pods = [...compilation.targets]
    .filter(([name]) => wanted === undefined || name === wanted)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  if (wanted !== undefined && pods.length === 0) {
    throw new UsageError(
      `--pod: no pod ${JSON.stringify(wanted)} that could be governed`,
      'NAMESPACE/NAME of a pod that is not done and not on the host network',
    )
  }
  const all = [...issues, ...compilation.issues]
  process.stdout.write(output === 'json' ? printJson(pods, all, backend) : printText(pods, backend))
  if (output === 'text') for (const issue of all) process.stderr.write(`${describeIssue(issue)}\n`)
  return 0
}

/** All rows of one database, in which every node's ports are; a pod has none that are its own. */
async function printRows(
  cluster: Cluster,
  options: Parameters<typeof compileRows>[1],
  {
    issues,
    output,
    pod,
    flags,
  }: {
    readonly issues: readonly Issue[]
    readonly output: 'text' | 'json'
    readonly pod: string | undefined
    readonly flags: FlagValues
  },
): Promise<number> {
  const { rows, lines, issues: inOvn } = await compileRows(cluster, options, pod, flags)
  const all = [...issues, ...cluster.issues(), ...inOvn]
  const values = {
    portGroups: [...rows.portGroups.values()],
    addressSets: [...rows.addressSets.values()],
    issues: all,
  }
  process.stdout.write(
    output === 'json'
      ? `${JSON.stringify(values, collectionAsJson, 2)}\n`
      : lines.map((line) => `${line}\n`).join(''),
  )
  if (output === 'text') for (const issue of all) process.stderr.write(`${describeIssue(issue)}\n`)
  return 0
}

function collectionAsJson(_key: string, value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries(value)
  return value instanceof Set ? [...value] : value
}

type BackendName = Exclude<(typeof PRINTED_NAMES)[number], 'ovn'>

function printText(pods: readonly (readonly [string, PodTarget])[], backend: BackendName): string {
  const printed = pods.map(([name, { ruleset }]) => {
    const heading = ruleset === undefined ? `# ${name}: no policy governs it` : `# ${name}`
    return `${heading}\n${textOf(ruleset, backend)}`
  })
  return printed.join('\n')
}

function textOf(ruleset: Ruleset | undefined, backend: BackendName): string {
  return backend === 'nftables'
    ? toText(printNftables(ruleset).transaction.commands)
    : bothFamiliesText(ruleset)
}

function printJson(
  pods: readonly (readonly [string, PodTarget])[],
  issues: readonly Issue[],
  backend: BackendName,
): string {
  const printed = pods.map(([pod, { ruleset }]) => ({
    pod,
    ruleset: ruleset ?? null,
    ...(backend === 'nftables' ? nftablesJson(ruleset) : printedJson(printIptables(ruleset))),
  }))
  return `${JSON.stringify({ pods: printed, issues }, rangeAsText, 2)}\n`
}

function nftablesJson(ruleset: Ruleset | undefined): object {
  const { transaction, digest } = printNftables(ruleset)
  return { digest, ...transaction.toJSON() }
}

/** Ranges hold integers that JSON has no notation for. */
function rangeAsText(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('first' in value) || typeof value.first !== 'bigint')
    return value
  const { family, first, last } = value as AddressRange
  return `${formatAddress(family, first)}-${formatAddress(family, last)}`
}
