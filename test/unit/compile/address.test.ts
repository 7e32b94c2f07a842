import { BlockList, isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Address,
  type AddressRange,
  addressValue,
  formatAddress,
  formatPrefix,
  mergeRanges,
  parseAddress,
  parseCidr,
  prefixesOfRange,
  rangeOfPrefix,
  rangesInclude,
  sortAddresses,
  subtractRanges,
} from '../../../src/compile/address.ts'

describe('an address has one spelling', () => {
  const spellings: readonly (readonly [string, string | undefined])[] = [
    ['10.0.0.1', '10.0.0.1'],
    ['FD00:0:0:0:0:0:0:1', 'fd00::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::', '::'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['10.0.0.01', undefined],
    ['10.0.0', undefined],
    ['10.0.0.256', undefined],
    ['::ffff:10.0.0.1', undefined],
    ['fe80::1%eth0', undefined],
    ['1:2:3:4:5:6:7', undefined],
    ['1::2::3', undefined],
    [':::', undefined],
    ['1:2:3:4:5:6:7:8::', undefined],
    ['10.0.0.1 ', undefined],
    ['', undefined],
  ]
  for (const [text, expected] of spellings) {
    test(`${JSON.stringify(text)} is ${expected ?? 'refused'}`, () =>
      expect(parseAddress(text)).toBe(expected))
  }

  test('every IPv6 address survives a round trip, in the spelling that node knows too', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const parsed = parseAddress(text)
        if (parsed === undefined) return text.toLowerCase().includes('ffff')
        const canonical = new URL(`http://[${text}]`).hostname.slice(1, -1)
        return parsed === canonical && formatAddress(6, addressValue(parsed)) === parsed && isIP(parsed) === 6
      }),
    )
  })
})

describe('a CIDR', () => {
  const spellings: readonly (readonly [string, string | undefined])[] = [
    ['10.0.0.5/24', '10.0.0.0/24'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['fd00::5/64', 'fd00::/64'],
    ['::/0', '::/0'],
    ['10.0.0.0/33', undefined],
    ['10.0.0.0', undefined],
    ['10.0.0.0/08', undefined],
    ['10.0.0.0/-1', undefined],
    ['::ffff:10.0.0.0/104', undefined],
    ['fd00::/129', undefined],
    ['10.0.0.0/24/8', undefined],
  ]
  for (const [text, expected] of spellings) {
    test(`${text} is ${expected ?? 'refused'}`, () => {
      const prefix = parseCidr(text)
      expect(prefix && formatPrefix(prefix)).toBe(expected)
    })
  }
})

/** Small numbers in one /24, so that ranges meet, overlap and nest. */
const byte = fc.integer({ min: 0, max: 255 })
const range: fc.Arbitrary<AddressRange> = fc.tuple(byte, byte).map(([a, b]) => ({
  family: 4,
  first: 0x0a000000n + BigInt(Math.min(a, b)),
  last: 0x0a000000n + BigInt(Math.max(a, b)),
}))
const host = (value: number): Address => formatAddress(4, 0x0a000000n + BigInt(value))
const has = (ranges: readonly AddressRange[], value: number): boolean => rangesInclude(ranges, host(value))

describe('ranges are sets of addresses', () => {
  test('what is left after subtracting is in the range and in no hole', () => {
    fc.assert(
      fc.property(range, fc.array(range, { maxLength: 6 }), byte, (whole, holes, value) => {
        expect(has(subtractRanges(whole, holes), value)).toBe(has([whole], value) && !has(holes, value))
      }),
    )
  })

  test('merging keeps the addresses and leaves no two ranges that touch', () => {
    fc.assert(
      fc.property(fc.array(range, { maxLength: 8 }), byte, (ranges, value) => {
        const merged = mergeRanges(ranges)
        expect(has(merged, value)).toBe(has(ranges, value))
        for (const [index, each] of merged.slice(1).entries()) {
          expect(each.first).toBeGreaterThan((merged[index]?.last ?? 0n) + 1n)
        }
      }),
    )
  })

  test('the prefixes of a range hold just its addresses, as node has it', () => {
    fc.assert(
      fc.property(range, byte, (whole, value) => {
        const list = new BlockList()
        for (const prefix of prefixesOfRange(whole)) {
          list.addSubnet(formatAddress(4, prefix.first), prefix.length)
        }
        expect(list.check(host(value))).toBe(has([whole], value))
      }),
    )
  })

  test('a whole family is one prefix', () => {
    for (const cidr of ['0.0.0.0/0', '::/0']) {
      const prefix = parseCidr(cidr)
      expect(prefix && prefixesOfRange(rangeOfPrefix(prefix)).map(formatPrefix)).toEqual([cidr])
    }
  })

  test('a hole at either end, and one that takes everything', () => {
    const block = (text: string): AddressRange => rangeOfPrefix(parseCidr(text) ?? expect.fail(text))
    const left = (cidr: string, ...holes: readonly string[]): readonly string[] =>
      subtractRanges(block(cidr), holes.map(block)).flatMap(prefixesOfRange).map(formatPrefix)
    expect(left('10.0.0.0/24', '10.0.0.0/25')).toEqual(['10.0.0.128/25'])
    expect(left('10.0.0.0/24', '10.0.0.128/25', '10.0.0.0/26')).toEqual(['10.0.0.64/26'])
    expect(left('10.0.0.0/24', '10.0.0.0/24')).toEqual([])
    expect(left('10.0.0.0/30', 'fd00::/8')).toEqual(['10.0.0.0/30'])
  })
})

test('addresses are sorted by value, IPv4 first, without duplicates', () => {
  const texts = ['fd00::10', '10.0.0.10', '10.0.0.9', 'fd00::9', '10.0.0.9'] as Address[]
  expect(sortAddresses(texts)).toEqual(['10.0.0.9', '10.0.0.10', 'fd00::9', 'fd00::10'])
})
