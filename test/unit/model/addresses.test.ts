/** The model's own reading of addresses against Node's, which shares no line with it. */
import { BlockList, isIP } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isAddressIn, parseAddress, parseBlock } from '../../model/address.ts'

const family = (text: string) => (isIP(text) === 4 ? 'ipv4' : 'ipv6')

/** Node compares IPv4-mapped addresses with IPv4 ones; the model refuses them, so they are left out. */
const address = fc.oneof(fc.ipV4(), fc.ipV6()).filter((text) => parseAddress(text) !== undefined)

test('P5: an address is in a block when Node says so', () => {
  fc.assert(
    fc.property(address, address, fc.nat(128), (base, other, length) => {
      const bits = Math.min(length, isIP(base) === 4 ? 32 : 128)
      const list = new BlockList()
      list.addSubnet(base, bits, family(base))
      const block = parseBlock(`${base}/${bits}`)
      for (const text of [base, other]) {
        const parsed = parseAddress(text)
        const inside = block !== undefined && parsed !== undefined && isAddressIn(parsed, block)
        expect(inside).toBe(isIP(base) === isIP(text) && list.check(text, family(text)))
      }
    }),
  )
})

test('P3: every spelling of an address has the same bits', () => {
  const bits = (text: string) => parseAddress(text)?.bits
  expect(bits('fd00::a00:1')).toHaveLength(128)
  for (const spelling of ['FD00:0:0:0:0:0:a00:1', 'fd00::10.0.0.1', 'fd00:0::0a00:0001']) {
    expect(bits(spelling)).toBe(bits('fd00::a00:1'))
  }
  expect(bits('::')).toBe('0'.repeat(128))
  expect(bits('1::')).toBe(`${'0'.repeat(15)}1${'0'.repeat(112)}`)
  expect(bits('10.0.0.1')).toBe('00001010000000000000000000000001')
})
