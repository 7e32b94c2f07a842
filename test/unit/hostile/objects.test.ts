/** Hostile objects, parsed, compiled and printed: nothing throws, and what was to be isolated is. */
import fc from 'fast-check'
import { toText } from 'nftables-json'
import { expect, test } from 'vitest'
import { bothFamiliesText } from '../../../src/compile/iptables/text.ts'
import { type NamespacedName, nameOf } from '../../../src/compile/model.ts'
import { printNftables } from '../../../src/compile/nftables/printer.ts'
import { describeIssue } from '../../../src/issue-log.ts'
import { isUnreadable } from '../../../src/watch/parse/metadata.ts'
import { kindOf, parsers } from '../../../src/watch/parse/object.ts'
import { clusterOf, compileAll } from '../../product.ts'
import { seed } from '../../seed.ts'
import { hostileCluster, hostileText } from './objects.ts'

test('nothing throws, and the interfaces of the governed network are isolated in both backends', {
  timeout: 120_000,
}, () => {
  fc.assert(
    fc.property(hostileCluster(), ({ objects, interfaces }) => {
      const { targets, issues } = compileAll(clusterOf(objects), ['macvlan'])
      for (const issue of issues) expect(describeIssue(issue)).not.toMatch(/[\n\0]/)
      for (const [name, expected] of interfaces) {
        const ruleset = targets.get(name as NamespacedName)?.ruleset
        const isolated = ruleset?.interfaces.filter(({ isolatedBy }) => isolatedBy.ingress.length > 0)
        expect(isolated?.map((each) => each.name)).toEqual(expect.arrayContaining([...expected]))
        expect(toText(printNftables(ruleset).transaction.commands)).not.toMatch(/[\0]/)
        for (const line of bothFamiliesText(ruleset).split('\n'))
          expect(line).toMatch(/^(?:\*filter|COMMIT|:MULTI-\S+ - \[0:0\]|(?:-[46] )?-[AI] \S+ .*|)$/)
      }
    }),
    { seed, numRuns: 600 },
  )
})

test('each object is parsed by itself, whatever it is', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom('Pod', 'Namespace', 'x'), (raw, kind) => {
      for (const parse of Object.values(parsers('n1')))
        for (const each of [raw, { kind, metadata: raw }, { kind, metadata: { name: 'a' }, spec: raw }])
          parse(each)
    }),
    { seed, numRuns: 2_000 },
  )
})

test('a hostile name, CIDR, port or network is an Issue that names its place', () => {
  const tried: readonly (readonly [string, RegExp, (text: string) => object])[] = [
    ['cidr', /ipBlock\.cidr$/, (cidr) => ({ spec: { ingress: [{ from: [{ ipBlock: { cidr } }] }] } })],
    ['except', /except\[0\]$/, (text) => blockWithout(text)],
    ['policyTypes', /policyTypes\[0\]$/, (text) => ({ spec: { policyTypes: [text] } })],
  ]
  fc.assert(
    fc.property(hostileText(), (text) => {
      for (const [what, field, body] of tried) {
        const issues = issuesOf({ kind: 'MultiNetworkPolicy', metadata: { name: 'a' }, ...body(text) })
        expect(
          issues.some((issue) => field.test(issue)),
          `${what} ${JSON.stringify(text)}`,
        ).toBe(true)
      }
    }),
    { seed, numRuns: 500 },
  )
})

function blockWithout(text: string): object {
  return { spec: { ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: [text] } }] }] } }
}

function issuesOf(raw: object): readonly string[] {
  const kind = kindOf(raw)
  if (kind === undefined) throw new Error('no kind')
  const parsed = parsers()[kind](raw)
  if (isUnreadable(parsed)) return [parsed.issue.field]
  if (parsed.kind !== 'Namespace') expect(nameOf(parsed)).toBe('default/a')
  return parsed.issues.map(({ field }) => field)
}
