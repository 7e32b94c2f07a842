/** What the rules in a pod do not meet, from what the kernel's tool prints of its links. */
import { expect, test } from 'vitest'
import { abilitiesOf } from '../../../src/apply/kernel-abilities.ts'
import { parseKernelLinks } from '../../../src/apply/netns/links.ts'
import { unmet } from '../../../src/apply/unmet.ts'
import { NO_CUSTOM_RULES } from '../../../src/compile/custom/rules.ts'
import { printNftables } from '../../../src/compile/nftables/printer.ts'
import { NO_EXEMPTIONS, type Ruleset } from '../../../src/compile/ruleset.ts'

/** As `ip -json -details link show` of iproute2 6.1 prints them, shortened. */
const PRINTED = JSON.stringify([
  { ifname: 'lo', address: '00:00:00:00:00:00' },
  {
    ifname: 'net1',
    address: '0A:CE:D1:90:C3:02',
    linkinfo: { info_kind: 'ipvlan', info_data: { mode: 'l3s' } },
  },
  {
    ifname: 'net2',
    address: '0a:ce:d1:90:c3:02',
    linkinfo: { info_kind: 'ipvlan', info_data: { mode: 'l2' } },
  },
  {
    ifname: 'net3',
    address: '3a:cb:9f:50:9f:26',
    master: 'blue',
    linkinfo: { info_kind: 'veth', info_slave_kind: 'vrf', info_slave_data: { table: 10 } },
  },
  {
    ifname: 'net4',
    address: '3a:cb:9f:50:9f:27',
    master: 'bond0',
    linkinfo: { info_kind: 'veth', info_slave_kind: 'bond' },
  },
  { ifname: 'net5', address: '3a:cb:9f:50:9f:28' },
])

function governing(direction: 'ingress' | 'egress'): Ruleset {
  const places = { ingress: [], egress: [], [direction]: [0] }
  return {
    pod: 'shop/a',
    exemptions: NO_EXEMPTIONS,
    custom: NO_CUSTOM_RULES,
    logDrops: false,
    policies: [{ policy: 'shop/p', allows: { ingress: [], egress: [] } }],
    interfaces: [1, 2, 3, 4, 5].map((n) => ({
      name: `net${n}`,
      networks: ['shop/red'],
      isolatedBy: places,
      allowedBy: places,
    })),
    ungoverned: [],
  }
}

test('ipvlan of mode l3s is told by both backends, a VRF where iptables cannot tell it apart', () => {
  const links = parseKernelLinks(PRINTED)
  const l3s = /^ingress by net1 is not enforced because it is an ipvlan of mode l3s/
  const able = { slaves: true }
  expect(unmet(governing('ingress'), links, 'nftables', able)).toEqual([expect.stringMatching(l3s)])
  expect(unmet(governing('ingress'), links, 'iptables')).toEqual([
    expect.stringMatching(l3s),
    expect.stringMatching(/^ingress by net3 is not enforced because it is within the VRF blue/),
  ])
})

test('what goes out meets the rules on every kind of link', () => {
  expect(unmet(governing('egress'), parseKernelLinks(PRINTED), 'iptables')).toEqual([])
})

test('before Linux 5.6 nftables has no rule for it either, and the Issue', () => {
  expect(
    ['4.18.0-553.el8', '5.5.19', '5.6.0-rc1', '5.10.0', '6.1.0-56-amd64', '10.0'].map(abilitiesOf),
  ).toEqual([false, false, true, true, true, true].map((slaves) => ({ slaves })))
  const kernel = abilitiesOf('4.18.0-553.el8')
  expect(unmet(governing('ingress'), parseKernelLinks(PRINTED), 'nftables', kernel)).toContainEqual(
    expect.stringMatching(/^ingress by net3 is not enforced .*Linux 5.6/),
  )
  expect(JSON.stringify(printNftables(governing('ingress'), kernel).transaction)).not.toContain('sdif')
  expect(JSON.stringify(printNftables(governing('ingress'), { slaves: true }).transaction)).toContain('sdif')
})
