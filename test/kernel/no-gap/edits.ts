/**
 * Kinds of edit. Each is a row of states of the cluster, each unlike the one before it: in every one `ok` is allowed and
 * `bad` is not, but by other rules, so that whoever takes away the old before the new is there is seen to do it.
 */
import type { KubeObject } from '../../manifests.ts'
import { ECHO_PORT, GHOSTS, governA, OK, type PolicySpec, STREAM_PORT, type World } from './world.ts'

/** The content of files, by name; what a state leaves out stays as it is. */
export type Files = Readonly<Record<string, readonly KubeObject[]>>

export interface EditKind {
  readonly name: string
  /** The files of the edit of that number; its first one also sets the stage. */
  readonly files: (number: number, world: World) => Files
}

const TCP_ECHO = { protocol: 'TCP', port: ECHO_PORT }
const STREAMED = { protocol: 'UDP', port: STREAM_PORT, endPort: STREAM_PORT + 99 }

/** A peer that `bad` is not. */
const ghost = (number: number) => ({ podSelector: { matchLabels: { app: `g${number % GHOSTS}` } } })
const policies = (...specs: readonly PolicySpec[]): Files => ({
  policies: specs.map((spec, index) => governA(`p${index}`, spec)),
})
const inValues = (key: string, ...values: readonly string[]) => ({
  matchExpressions: [{ key, operator: 'In', values }],
})
const block = (cidr: string, ...except: readonly string[]) => ({
  ipBlock: { cidr, ...(except.length > 0 && { except }) },
})

export const EDIT_KINDS: readonly EditKind[] = [
  {
    name: 'peers: podSelector',
    files: (number) =>
      policies({ rules: [{ peers: [{ podSelector: inValues('app', 'ok', `g${number % GHOSTS}`) }] }] }),
  },
  {
    name: 'peers: ipBlock',
    files: (number) =>
      policies({
        rules: [
          {
            peers:
              number % 2 === 0
                ? [block('10.1.0.2/32'), block('fd00:1::2/128'), block(`10.9.${number % 256}.0/24`)]
                : [
                    block('10.1.0.0/24', '10.1.0.3/32', `10.1.0.${160 + (number % 64)}/32`),
                    block('fd00:1::/64', 'fd00:1::3/128'),
                  ],
          },
        ],
      }),
  },
  {
    name: 'peers: namespaceSelector',
    files: (number) =>
      policies({ rules: [{ peers: [{ namespaceSelector: inValues('team', 'x', `m${number % GHOSTS}`) }] }] }),
  },
  {
    name: 'ports',
    files: (number) => {
      const single = Array.from({ length: 20 }, (_, index) => ({
        protocol: 'UDP',
        port: STREAM_PORT + index,
      }))
      const ports = [
        undefined,
        [TCP_ECHO, { ...STREAMED, endPort: STREAM_PORT + 50 + number }],
        [TCP_ECHO, ...single, { protocol: 'TCP', port: 1000 + number }],
        [{ protocol: 'TCP' }, { protocol: 'UDP' }, { protocol: 'SCTP', port: 1 + number }],
        [
          TCP_ECHO,
          STREAMED,
          { protocol: 'UDP', port: 6000, endPort: 6001 + number },
          { protocol: 'UDP', port: 9 },
        ],
      ][number % 5]
      return policies({ rules: [{ peers: [OK], ...(ports !== undefined && { ports }) }] })
    },
  },
  {
    name: 'rules',
    files: (number) => {
      const decoy = (_: unknown, index: number): PolicySpec['rules'][number] => ({
        peers: [ghost(index)],
        ports: [{ protocol: 'TCP', port: 100 + number }],
      })
      const rules = Array.from({ length: 1 + (number % 5) }, decoy)
      return policies({ rules: rules.toSpliced(number % (rules.length + 1), 0, { peers: [OK] }) })
    },
  },
  {
    name: 'policyTypes',
    files: (number) => {
      const [first, second] = [
        [['Ingress'], ['Egress']],
        [['Egress'], ['Ingress']],
        [['Ingress', 'Egress'], ['Egress']],
        [['Ingress'], ['Ingress', 'Egress']],
      ][number % 4] as unknown as readonly [PolicySpec['types'], PolicySpec['types']]
      const rules = [{ peers: [OK] }]
      return policies({ ...(first && { types: first }), rules }, { ...(second && { types: second }), rules })
    },
  },
  {
    name: 'a policy added or removed',
    files: (number) => {
      const policy = (place: number) => governA(`p${place % 5}`, { rules: [{ peers: [OK, ghost(place)] }] })
      const place = number >> 1
      return { policies: number % 2 === 0 ? [policy(place)] : [policy(place), policy(place + 1)] }
    },
  },
  {
    name: 'policy-for',
    files: (number) => {
      const [first, second] = [
        ['red', 'blue'],
        ['x/red, x/blue', 'red'],
        ['blue', ' red '],
        ['x/none', 'red,x/blue'],
      ][number % 4] as unknown as readonly [string, string]
      const rules = [{ peers: [OK] }]
      return policies({ policyFor: first, rules }, { policyFor: second, rules })
    },
  },
  {
    name: 'the label of a third pod',
    files: (number, world) => ({
      ...policies({ rules: [{ peers: [OK, { podSelector: { matchLabels: { app: 'third' } } }] }] }),
      cluster: world.cluster({ ghosts: { [number % GHOSTS]: 'third' } }),
    }),
  },
  {
    name: 'the label of a namespace',
    files: (number, world) => ({
      ...policies({ rules: [{ peers: [{ namespaceSelector: inValues('team', 'x', 'y') }] }] }),
      cluster: world.cluster({ teams: { [number % GHOSTS]: 'y' } }),
    }),
  },
  {
    name: 'a NAD comes, changes its type and goes',
    files: (number, world) => ({
      ...policies(
        { policyFor: 'red', rules: [{ peers: [OK] }] },
        { policyFor: 'blue, red', rules: [{ peers: [OK, ghost(0)] }] },
      ),
      // What is not there counts, and so does a type that is among --network-plugins.
      cluster: world.cluster({ blue: ['macvlan', 'vlan', undefined, 'host-device'][number % 4] }),
    }),
  },
]

/** So many files are put in place at the same moment. */
export const AT_ONCE = 10

/** The files of a burst: policies that come to other peers, ports and types, and labels that change with them. */
export function manyAtOnce(number: number, world: World): Files {
  const files = Array.from({ length: AT_ONCE - 1 }, (_, index): [string, KubeObject[]] => [
    `many-${index}`,
    [
      governA(`many-${index}`, {
        types: ['Ingress', 'Egress'],
        policyFor: (number + index) % 3 === 0 ? 'blue' : 'red',
        rules: [
          {
            peers: [OK, ghost(number + index)],
            ports: [TCP_ECHO, { ...STREAMED, endPort: STREAM_PORT + 50 + number }],
          },
        ],
      }),
    ],
  ])
  return { ...Object.fromEntries(files), cluster: world.cluster({ ghosts: { [number % GHOSTS]: 'third' } }) }
}
