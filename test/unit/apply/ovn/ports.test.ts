import { asUuid } from 'ovsdb'
import { expect, test } from 'vitest'
import type { NorthboundRows, SignRows } from '../../../../src/apply/ovn/northbound.ts'
import { enforcedByOvnKubernetes, portsOf } from '../../../../src/apply/ovn/ports.ts'

const uuid = (n: number) => asUuid(`00000000-0000-4000-8000-${String(n).padStart(12, '0')}`)

const PORT = {
  name: 'kube.system.l2.network_default_nginx1-l2',
  type: '',
  addresses: new Set(['0a:58:0a:16:00:01 10.22.0.1 fd22::1']),
  options: new Map([['iface-id-ver', 'f4bb6a91-019b-4612-b6aa-88fc663dd515']]),
  external_ids: new Map([
    ['k8s.ovn.org/nad', 'kube-system/l2-network'],
    ['k8s.ovn.org/network', 'l2-network'],
    ['namespace', 'default'],
    ['pod', 'true'],
  ]),
}

/** Ports with these differences, all on one switch. */
function rows(ports: readonly Partial<typeof PORT>[], role?: string): NorthboundRows {
  const all = ports.map((port, n) => ({ ...PORT, ...port, _uuid: uuid(n) }))
  const external_ids = new Map(role === undefined ? [] : [['k8s.ovn.org/role', role]])
  const own = { _uuid: uuid(99), ports: new Set(all.map(({ _uuid }) => _uuid)), external_ids }
  return {
    Logical_Switch: new Map([[own._uuid, own]]),
    Logical_Switch_Port: new Map(all.map((row) => [row._uuid, row])),
    Port_Group: new Map(),
    Address_Set: new Map(),
    ACL: new Map(),
  }
}

const ids = (...pairs: readonly (readonly [string, string])[]): { external_ids: Map<string, string> } => ({
  external_ids: new Map([...PORT.external_ids, ...pairs]),
})

test('a port says whose it is, on which network, and with which addresses', () => {
  expect(portsOf(rows([{}]))).toEqual([
    {
      id: uuid(0),
      name: PORT.name,
      namespace: 'default',
      network: 'kube-system/l2-network',
      ovnNetwork: 'l2-network',
      podUid: 'f4bb6a91-019b-4612-b6aa-88fc663dd515',
      addresses: ['10.22.0.1', 'fd22::1'],
    },
  ])
})

test.each([
  ['a MAC address alone', ['0a:58:0a:16:00:01'], []],
  ['a word', ['unknown'], []],
  [
    'several, and nonsense',
    ['0a:58:0a:16:00:01 10.0.0.1', '0a:58:0a:16:00:02 dynamic 10.0.0.2'],
    ['10.0.0.1', '10.0.0.2'],
  ],
])('addresses: %s', (_, addresses, expected) => {
  expect(portsOf(rows([{ addresses: new Set(addresses) }])).map((port) => port.addresses)).toEqual([expected])
})

test('the second attachment to a network is one to that network', () => {
  const [port] = portsOf(rows([ids(['k8s.ovn.org/nad', 'kube-system/l2-network/1'])]))
  expect(port?.network).toBe('kube-system/l2-network')
})

test.each([
  ['of another zone', rows([{ type: 'remote' }])],
  ['on a primary network', rows([{}], 'primary')],
  ['of the default network, which has no NAD', rows([ids(['k8s.ovn.org/nad', 'default'])])],
])('a port %s is not ours to govern', (_, tables) => {
  expect(portsOf(tables)).toEqual([])
})

test('networks on which ovn-kubernetes enforces these policies', () => {
  const row = (n: number, controller: string) => ({
    _uuid: uuid(n),
    external_ids: new Map([['k8s.ovn.org/owner-controller', controller]]),
  })
  const signs: SignRows = {
    Address_Set: new Map([1, 2].map((n) => [uuid(n), row(n, 'l2-network-network-controller')])),
    Port_Group: new Map([[uuid(3), row(3, 'a-network-controller')]]),
  }
  expect([...enforcedByOvnKubernetes(signs)]).toEqual(['l2-network', 'a'])
})
