/** `mnpd explain`: allow or deny, and which rule of which policy decides in each direction. */
import { systemClock } from '../clock.ts'
import type { Family } from '../compile/address.ts'
import type { Cluster } from '../compile/cluster.ts'
import { type Compilation, compile } from '../compile/compile.ts'
import { describeEnd, type End, type Ends, findEnds, sharedFamilies } from '../compile/ends.ts'
import {
  combine,
  type EndAnswer,
  type Explanation,
  explain,
  networksOf,
  type Service,
} from '../compile/explain.ts'
import { DIRECTIONS, type Direction, type Issue, type NamespacedName, nameOf } from '../compile/model.ts'
import { isProtocol } from '../compile/port.ts'
import { describeIssue } from '../issue-log.ts'
import { UsageError } from '../usage-error.ts'
import { compileOptions, type Environment, nodeName, openSources } from './cluster-options.ts'
import { badValue, CLUSTER_FLAGS, describeFlags, type FlagSpec, FlagValues } from './flags.ts'
import { loadCluster } from './load-cluster.ts'

const FLAGS: readonly FlagSpec[] = [
  ...CLUSTER_FLAGS,
  { name: 'from', value: 'text', help: 'NAMESPACE/POD, NAMESPACE/POD/INTERFACE or an IP address' },
  { name: 'to', value: 'text', help: 'the same' },
  { name: 'port', value: 'text', help: 'NUMBER/PROTOCOL such as 80/TCP, or icmp' },
  { name: 'family', value: 'text', help: '4 or 6 (default: both)' },
  { name: 'output', value: 'text', help: 'text or json (default: text)' },
]

export const EXPLAIN_HELP: string = `mnpd explain --from A --to B --port 80/TCP: may A reach B, and which rule decides at each end.
Ends with 0 for allow, 1 for deny or where the families differ.

${describeFlags(FLAGS)}
`

export async function explainCommand(args: readonly string[], env: Environment): Promise<number> {
  const flags = new FlagValues(FLAGS, args, env)
  const output = flags.oneOf('output', ['text', 'json'], 'text')
  const service = parseService(flags.text('port') ?? missing('port', '80/TCP or icmp'))
  const [from, to] = [
    flags.text('from') ?? missing('from', 'NAMESPACE/POD'),
    flags.text('to') ?? missing('to', 'NAMESPACE/POD'),
  ]
  const family = flags.oneOf('family', ['4', '6', 'both'], 'both')
  const { cluster, compilation, issues } = await loadAndCompile(flags, env)
  const found = findEnds(cluster, from, to)
  if (found.kind === 'unclear') throw new UsageError(found.what, found.expected)
  const families = sharedFamilies(found.ends).filter(
    (each) => family === 'both' || each === (Number(family) as Family),
  )
  if (families.length === 0)
    throw new UsageError(
      `${from} and ${to} have no address in common of family ${family}`,
      'two ends that could exchange packets',
    )
  const explanation = explain(compilation, found.ends, service, families)
  const concerning = issuesOf(found.ends, [...issues, ...compilation.issues])
  process.stdout.write(
    output === 'json'
      ? printJson(cluster, found.ends, explanation, concerning)
      : printText(cluster, found.ends, service, explanation, concerning),
  )
  return explanation.verdict === 'allow' ? 0 : 1
}

/** The cluster and the rulesets of all its pods, whatever their node. */
export async function loadAndCompile(
  flags: FlagValues,
  env: Environment,
): Promise<{
  readonly cluster: Cluster
  readonly compilation: Compilation
  readonly issues: readonly Issue[]
}> {
  const stop = new AbortController()
  const { sources } = await openSources(flags, {
    node: nodeName(flags, env),
    clock: systemClock,
    signal: stop.signal,
  })
  const { cluster, issues } = await loadCluster(sources, stop)
  return { cluster, issues, compilation: compile(cluster, compileOptions(flags, undefined)) }
}

export function parseService(text: string): Service {
  if (text.toLowerCase() === 'icmp') return { protocol: 'ICMP', port: 0 }
  const [number = '', protocol = ''] = text.split('/')
  const upper = protocol.toUpperCase()
  if (!/^[0-9]{1,5}$/.test(number) || Number(number) > 65535 || !isProtocol(upper)) {
    throw badValue('port', text, 'NUMBER/PROTOCOL such as 80/TCP, or icmp')
  }
  return { protocol: upper, port: Number(number) }
}

function missing(flag: string, expected: string): never {
  throw new UsageError(`--${flag} is missing`, `--${flag}=${expected}`)
}

/** What is not as written in the pods at the ends, in policies of their namespaces and in their networks. */
function issuesOf(ends: Ends, issues: readonly Issue[]): readonly Issue[] {
  const interfaces = [ends.from, ends.to].filter((end) => end.kind === 'interface')
  const pods = interfaces.map(({ pod }) => nameOf(pod))
  return issues.filter(({ object: { kind, namespace, name }, pod }) => {
    if (pod !== undefined) return pods.includes(pod)
    if (kind === 'MultiNetworkPolicy') return interfaces.some((end) => end.pod.namespace === namespace)
    const named: NamespacedName = `${namespace}/${name}`
    return kind === 'Pod'
      ? pods.includes(named)
      : interfaces.some(({ attachment }) => attachment.network === named)
  })
}

function printJson(
  cluster: Cluster,
  ends: Ends,
  { verdict, answers }: Explanation,
  issues: readonly Issue[],
): string {
  const side = (direction: Direction): unknown => {
    const own = answers.map((answer) => answer[direction])
    const combined = combine(own.map((answer) => answer.verdict))
    const [first] = combined === 'mixed' ? own.filter((answer) => answer.verdict === 'deny') : own
    return {
      ...jsonOf(cluster, first),
      verdict: combined,
      end: describeEnd(direction === 'egress' ? ends.from : ends.to),
    }
  }
  const families = answers.map((answer) => ({
    family: answer.family,
    verdict: answer.verdict,
    egress: jsonOf(cluster, answer.egress),
    ingress: jsonOf(cluster, answer.ingress),
  }))
  return `${JSON.stringify({ verdict, egress: side('egress'), ingress: side('ingress'), families, issues }, undefined, 2)}\n`
}

function jsonOf(cluster: Cluster, answer: EndAnswer | undefined): Record<string, unknown> {
  const decision = answer?.decision
  const policies = decision === undefined ? [] : policiesOf(decision)
  return {
    verdict: answer?.verdict,
    reason: decision?.kind,
    policy: decision?.kind === 'allowed' ? decision.policy : null,
    rule: decision?.kind === 'allowed' ? decision.rule : null,
    ...(decision?.kind === 'denied' ? { isolatedBy: decision.isolatedBy, nearest: decision.nearest } : {}),
    ...(decision?.kind === 'exempt' ? { flag: decision.flag } : {}),
    networks: Object.fromEntries(policies.map((policy) => [policy, networksOf(cluster, policy)])),
  }
}

function policiesOf(decision: EndAnswer['decision']): readonly NamespacedName[] {
  if (decision.kind === 'allowed') return [decision.policy]
  return decision.kind === 'denied' ? decision.isolatedBy : []
}

function printText(
  cluster: Cluster,
  ends: Ends,
  { protocol, port }: Service,
  { verdict, answers }: Explanation,
  issues: readonly Issue[],
): string {
  const service = protocol === 'ICMP' ? 'icmp' : `${port}/${protocol}`
  const lines = [`${verdict}: ${describeEnd(ends.from)} to ${describeEnd(ends.to)} port ${service}`]
  const seen = new Set<string>()
  for (const answer of answers) {
    for (const direction of [...DIRECTIONS].reverse()) {
      const end = direction === 'egress' ? ends.from : ends.to
      const text = describeAnswer(cluster, direction, end, answer[direction]).join('\n')
      const same = answers.every(
        (other) => describeAnswer(cluster, direction, end, other[direction]).join('\n') === text,
      )
      const line = `  ${same ? '' : `IPv${answer.family} `}${text}`
      if (!seen.has(line)) lines.push(line)
      seen.add(line)
    }
  }
  for (const issue of issues) lines.push(`  ! ${describeIssue(issue)}`)
  return `${lines.join('\n')}\n`
}

function describeAnswer(
  cluster: Cluster,
  direction: Direction,
  end: End,
  { verdict, decision }: EndAnswer,
): readonly string[] {
  const head = `${direction} ${verdict === 'allow' ? 'allowed' : 'denied'} at ${describeEnd(end)}`
  const policy = (name: NamespacedName): string => `${name} (for ${networksOf(cluster, name).join(', ')})`
  switch (decision.kind) {
    case 'no-pod':
      return [`${head}: it is an address of no pod, so nothing of ours judges there`]
    case 'own-address':
      return [`${head}: a pod reaches its own addresses`]
    case 'not-isolated':
      return [`${head}: no policy isolates it`]
    case 'exempt':
      return [`${head}: ${decision.flag}`]
    case 'allowed':
      return [`${head}: policy ${policy(decision.policy)}, ${direction}[${decision.rule}]`]
    case 'denied':
      return [
        `${head}: isolated by ${decision.isolatedBy.map(policy).join(', ')}, and no rule allows it`,
        ...decision.nearest
          .slice(0, 3)
          .map(
            (near) =>
              `    nearest: ${near.policy} ${direction}[${near.rule}], which lacks the ${near.lacks.join(' and the ')}`,
          ),
      ]
    default:
      return decision satisfies never
  }
}
