/** What rules say of the interfaces they govern is read back whole, whatever those and their networks are called. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NO_CUSTOM_RULES } from '../../../src/compile/custom/rules.ts'
import { parseNetworks, parseRecords, recordTexts } from '../../../src/compile/governed-record.ts'
import { printIptables } from '../../../src/compile/iptables/printer.ts'
import { governedBy as governedByIptables } from '../../../src/compile/iptables/standing.ts'
import type { NamespacedName } from '../../../src/compile/model.ts'
import { printNftables } from '../../../src/compile/nftables/printer.ts'
import { governedBy as governedByNftables } from '../../../src/compile/nftables/standing.ts'
import { type GovernedInterface, NO_EXEMPTIONS, type Ruleset } from '../../../src/compile/ruleset.ts'
import { seed } from '../../seed.ts'
import { kernelName } from '../hostile/objects.ts'

const word = (most: number) => fc.stringMatching(new RegExp(`^[a-z0-9]([-a-z0-9]{0,${most - 2}}[a-z0-9])?$`))
const network = fc.tuple(word(63), word(253)).map((parts) => parts.join('/') as NamespacedName)
const isolatedBy = { ingress: [0], egress: [] }
const governed: fc.Arbitrary<GovernedInterface> = fc
  .tuple(kernelName(), fc.uniqueArray(network, { minLength: 1, maxLength: 4 }))
  .map(([name, networks]) => ({ name, networks, isolatedBy, allowedBy: isolatedBy }))

function rulesetOf(interfaces: readonly GovernedInterface[]): Ruleset {
  return {
    pod: 'x/a',
    exemptions: NO_EXEMPTIONS,
    custom: NO_CUSTOM_RULES,
    logDrops: false,
    policies: [{ policy: 'x/deny', allows: { ingress: [], egress: undefined } }],
    interfaces,
    ungoverned: [],
  }
}

test('by both printers, in comments that both hold', () => {
  const some = fc.uniqueArray(governed, { minLength: 1, maxLength: 3, selector: ({ name }) => name })
  fc.assert(
    fc.property(some, (interfaces) => {
      const texts = interfaces.flatMap(recordTexts)
      expect(texts.filter((text) => Buffer.byteLength(text) > 127)).toEqual([])
      const expected = new Map(interfaces.map(({ name, networks }) => [name, networks]))
      expect(parseRecords(texts)).toEqual(expected)
      const ruleset = rulesetOf(interfaces)
      expect(governedByNftables(printNftables(ruleset).table)).toEqual(expected)
      for (const { chains } of Object.values(printIptables(ruleset).filters))
        expect(governedByIptables(chains)).toEqual(expected)
    }),
    { seed, numRuns: 300 },
  )
})

test('what is none of ours is unknown', () => {
  for (const text of [undefined, '', 'blue', 'x/red,', 'x/re~0123456789ab', 'x/red y'])
    expect(parseNetworks(text)).toBe('unknown')
  expect(parseRecords(['pod x/a', 'mnpd 00', 'interface net1', 'interface net2 on x/r+'])).toEqual(
    new Map([['net2', 'unknown']]),
  )
})
