import fc from 'fast-check'
import { expect, test } from 'vitest'
import { describePacket } from '../../../src/apply/drop-log-packet.ts'
import { seed } from '../../seed.ts'

const bytes = (hex: string): Uint8Array => Buffer.from(hex.replaceAll(' ', ''), 'hex')

const V4 = '0a010002 0a010001'
const V6 = 'fd000001000000000000000000000002 fd000001000000000000000000000001'

test.each([
  ['TCP', `45000028 00004000 40060000 ${V4} 9c400051`, 'TCP 10.1.0.2:40000 → 10.1.0.1:81'],
  [
    'UDP with options',
    `46000028 00004000 40110000 ${V4} 01010101 9c400035`,
    'UDP 10.1.0.2:40000 → 10.1.0.1:53',
  ],
  ['a later fragment has no ports', `45000028 00000004 40110000 ${V4} 9c400035`, 'UDP 10.1.0.2 → 10.1.0.1'],
  ['ping', `45000028 00004000 40010000 ${V4} 08000000`, 'ICMP 10.1.0.2 → 10.1.0.1'],
  ['something else', `45000028 00004000 402f0000 ${V4} 00000000`, 'protocol 47 10.1.0.2 → 10.1.0.1'],
  ['SCTP over IPv6', `60000000 00088440 ${V6} 9c400051`, 'SCTP [fd00:1::2]:40000 → [fd00:1::1]:81'],
  [
    'behind an extension header',
    `60000000 00100040 ${V6} 0600000000000000 9c400051`,
    'TCP [fd00:1::2]:40000 → [fd00:1::1]:81',
  ],
  ['cut within the extension headers', `60000000 00100040 ${V6} 0600`, 'protocol 0 fd00:1::2 → fd00:1::1'],
  ['cut before the ports', `45000028 00004000 40060000 ${V4} 9c`, 'TCP 10.1.0.2 → 10.1.0.1'],
])('%s', (_, hex, text) => {
  expect(describePacket(bytes(hex))?.text).toBe(text)
})

test('what is no packet of IP, or has no whole header, is nothing', () => {
  for (const hex of ['', '00', '45', '4f00002800004000', '6000', 'ff'.repeat(60)])
    expect(describePacket(bytes(hex)), hex).toBeUndefined()
})

test('whatever a stranger sends, it is described or it is not', () => {
  const version = fc.constantFrom(0x45, 0x4f, 0x60, 0x6f)
  fc.assert(
    fc.property(version, fc.uint8Array({ maxLength: 96 }), (first, rest) => {
      expect(() => describePacket(Uint8Array.of(first, ...rest))).not.toThrow()
    }),
    { seed, numRuns: 2_000 },
  )
})
