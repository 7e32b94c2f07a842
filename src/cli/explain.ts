/** `mnpd explain`: allow or deny, and which rule of which policy decides in each direction. */
import type { Family } from '../compile/address.ts'
import { type Ends, findEnds, sharedFamilies } from '../compile/ends.ts'
import { explain, type Service } from '../compile/explain.ts'
import { type Issue, type NamespacedName, nameOf } from '../compile/model.ts'
import { isProtocol } from '../compile/port.ts'
import { UsageError } from '../usage-error.ts'
import type { Environment } from './cluster-options.ts'
import { printJson, printText } from './explain-output.ts'
import { badValue, CLUSTER_FLAGS, describeFlags, type FlagSpec, FlagValues } from './flags.ts'
import { loadAndCompile } from './load-cluster.ts'

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
  const { cluster, compilation, issues } = await loadAndCompile(flags, env, undefined)
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
