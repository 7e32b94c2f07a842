import fc from 'fast-check'
import { expect, test } from 'vitest'
import { all, any, masked, ports } from '../../../src/compile/ovn/match.ts'
import { aclName, hashedName } from '../../../src/compile/ovn/names.ts'

test('ports and protocols of a rule are one condition', () => {
  expect(
    ports({
      kind: 'only',
      ports: [
        {
          protocol: 'TCP',
          ranges: [
            { first: 80, last: 80 },
            { first: 8080, last: 8095 },
          ],
        },
        { protocol: 'UDP', ranges: [{ first: 53, last: 53 }] },
        { protocol: 'SCTP', ranges: [{ first: 0, last: 65535 }] },
      ],
    }),
  ).toBe('(tcp.dst == {80, 0x1f90/0xfff0} || udp.dst == 53 || sctp)')
  expect(ports({ kind: 'any' })).toBeUndefined()
  expect(all('a', undefined, any(['b'])), 'what is not asked is left out').toBe('a && b')
})

test('a range of ports as numbers with masks is that range, and never many numbers', {
  timeout: 60_000,
}, () => {
  const range = fc
    .tuple(fc.nat(65_535), fc.nat(65_535))
    .map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }))
  fc.assert(
    fc.property(range, fc.nat(65_535), ({ first, last }, port) => {
      const numbers = masked({ first, last })
      expect(numbers.length).toBeLessThanOrEqual(30)
      expect(numbers.some((each) => meets(each, port))).toBe(first <= port && port <= last)
      for (const edge of [first, last]) expect(numbers.some((each) => meets(each, edge))).toBe(true)
    }),
  )
})

function meets(number: string, port: number): boolean {
  const [value = 0, mask = 65_535] = number.split('/').map(Number)
  return (port & mask) === value
}

test('names are what OVN takes, however long and odd what they are made from is', { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(hashedName('policy', text)).toMatch(/^mnpd_policy_[0-9a-f]{32}$/)
      expect(aclName(text, 'ingress[17]').length).toBeLessThanOrEqual(63)
    }),
  )
  expect(aclName('shop/web', 'ingress[0]')).toBe('shop/web ingress[0]')
  expect(aclName(`shop/${'w'.repeat(253)}`, 'egress[3] named')).toMatch(/^shop\/w+~ egress\[3\] named$/)
})
