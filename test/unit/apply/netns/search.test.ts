import { expect, test } from 'vitest'
import {
  isAttached,
  isRealMac,
  type LinkTable,
  tellsOfAny,
} from '../../../../src/apply/netns/search-links.ts'
import { podOf } from '../../../../src/apply/netns/search-processes.ts'
import { type Address, parseAddress } from '../../../../src/compile/address.ts'
import type { Attachment } from '../../../../src/compile/model.ts'

const uid = '8b3c9a52-0b1e-4c6f-9d5e-1f2a3b4c5d6e'

test.each([
  ['cgroupfs, version 1', `11:memory:/kubepods/burstable/pod${uid}/3f0a\n1:name=systemd:/kubepods/x`],
  ['cgroupfs, version 2', `0::/kubepods/pod${uid}/3f0a`],
  ['systemd', `0::/kubepods.slice/kubepods-pod${uid.replaceAll('-', '_')}.slice/cri-containerd-3f0a.scope`],
  [
    'seen from a group of its own',
    `0::/../../kubepods-burstable-pod${uid.replaceAll('-', '_')}.slice/a.scope`,
  ],
  ['a group that the pod made, named like another pod', `0::/kubepods/pod${uid}/3f0a/podother/x`],
])('a control group tells the pod: %s', (_, cgroup) => {
  expect(podOf(cgroup)).toBe(uid)
})

test.each(['0::/', '0::/system.slice/podman.service', '0::/user.slice/tripod/x', ''])(
  '%s is no pod',
  (cgroup) => {
    expect(podOf(cgroup)).toBeUndefined()
  },
)

function address(text: string): Address {
  const parsed = parseAddress(text)
  if (parsed === undefined) throw new Error(text)
  return parsed
}

const links: LinkTable = new Map([
  ['lo', { mac: '00:00:00:00:00:00', addresses: new Set([address('127.0.0.1')]) }],
  ['net1', { mac: '02:00:00:00:00:01', addresses: new Set(['10.1.0.2', 'fd00::2'].map(address)) }],
])

function attachment(but: Partial<Attachment>): Attachment {
  const net1 = { network: 'shop/red', interface: 'net1', addresses: [], mac: undefined, userspace: undefined }
  return { ...net1, ...but } as Attachment
}

test.each([
  ['the MAC address', { mac: '02:00:00:00:00:01' }, true],
  ['another MAC address', { mac: '02:00:00:00:00:02' }, false],
  [
    'the addresses, where it tells no MAC address',
    { addresses: [address('10.1.0.2'), address('fd00::2')] },
    true,
  ],
  ['one address that is not there', { mac: '02:00:00:00:00:01', addresses: [address('10.1.0.3')] }, false],
  ['neither', {}, false],
  ['another name', { interface: 'net2', mac: '02:00:00:00:00:01' }, false],
])('network-status tells of %s', (_, but, attached) => {
  expect(isAttached(attachment(but), links)).toBe(attached)
})

test('a MAC address is a claim under any name; that of every loopback is none', () => {
  expect(tellsOfAny([attachment({ interface: 'x', mac: '02:00:00:00:00:01' })], links)).toBe(true)
  expect(tellsOfAny([attachment({ mac: '00:00:00:00:00:00' })], links)).toBe(false)
  expect(['02:00:00:00:00:01', '00:00:00:00:00:00', 'none', ''].map(isRealMac)).toEqual([
    true,
    false,
    false,
    false,
  ])
})
