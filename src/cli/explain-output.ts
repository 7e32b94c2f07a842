/** An explanation in words and as JSON. */
import type { Cluster } from '../compile/cluster.ts'
import { contestedInterfaces, namesOf } from '../compile/contested.ts'
import { describeEnd, type End, type Ends } from '../compile/ends.ts'
import { combine, type EndAnswer, type Explanation, networksOf, type Service } from '../compile/explain.ts'
import { DIRECTIONS, type Direction, type Issue, type NamespacedName } from '../compile/model.ts'
import { describeIssue } from '../issue-log.ts'

export function printJson(
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
      ...jsonOf(cluster, direction === 'egress' ? ends.from : ends.to, first),
      verdict: combined,
      end: describeEnd(direction === 'egress' ? ends.from : ends.to),
    }
  }
  const families = answers.map((answer) => ({
    family: answer.family,
    verdict: answer.verdict,
    egress: jsonOf(cluster, ends.from, answer.egress),
    ingress: jsonOf(cluster, ends.to, answer.ingress),
  }))
  return `${JSON.stringify({ verdict, egress: side('egress'), ingress: side('ingress'), families, issues }, undefined, 2)}\n`
}

function jsonOf(cluster: Cluster, end: End, answer: EndAnswer | undefined): Record<string, unknown> {
  const decision = answer?.decision
  const policies = decision === undefined ? [] : policiesOf(decision)
  return {
    verdict: answer?.verdict,
    reason: decision?.kind,
    policy: decision?.kind === 'allowed' ? decision.policy : null,
    rule: decision?.kind === 'allowed' ? decision.rule : null,
    ...(decision?.kind === 'denied'
      ? { isolatedBy: decision.isolatedBy, nearest: decision.nearest, toldToBeOn: severalNetworks(end) }
      : {}),
    ...(decision?.kind === 'exempt' ? { flag: decision.flag } : {}),
    networks: Object.fromEntries(policies.map((policy) => [policy, networksOf(cluster, policy)])),
  }
}

function policiesOf(decision: EndAnswer['decision']): readonly NamespacedName[] {
  if (decision.kind === 'allowed') return [decision.policy]
  return decision.kind === 'denied' ? decision.isolatedBy : []
}

export function printText(
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
        ...contestedText(end),
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

/** Where the interface is told to be on several; undefined where it is not. */
function severalNetworks(end: End): readonly NamespacedName[] | undefined {
  if (end.kind === 'address') return undefined
  const networks = contestedInterfaces(end.pod).get(end.attachment.interface ?? '')
  return networks && [...networks].sort()
}

function contestedText(end: End): readonly string[] {
  const networks = severalNetworks(end)
  return networks === undefined
    ? []
    : [`    it is told to be on ${namesOf(networks)}: only policies for all of these allow anything on it`]
}
