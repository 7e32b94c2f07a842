/**
 * What root in a pod, or a tool on the node, can do to our table without deleting it: it is seen at the next look, by the
 * generation, and undone. What it does beside our table cannot let in what ours drops.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DaemonProcess } from '../daemon.ts'
import { until } from '../lab/clock.ts'
import { Lab } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'
import { Manifests, networkObject, podObject, policyObject } from '../manifests.ts'
import { withoutCounters } from './no-gap/backends.ts'

let lab: Lab
let manifests: Manifests
let daemon: DaemonProcess
let [governed, client]: Pod[] = []

const pod = (): Pod => governed as Pod

beforeAll(async () => {
  lab = await Lab.create('drift')
  const pods = await lab.segmentWith('red', ['governed', 'client'])
  ;[governed, client] = pods
  manifests = await Manifests.create()
  const from = Array.from({ length: 12 }, (_, n) => ({ ipBlock: { cidr: `198.51.${n * 2}.0/24` } }))
  await manifests.save('cluster', [
    networkObject('x', 'red'),
    ...pods.map((each) => podObject(each, { namespace: each.name, networks: { red: 'x/red' } })),
    policyObject('governed', 'deny', 'x/red', { podSelector: {}, ingress: [{ from }] }),
  ])
})
afterAll(async () => {
  await manifests?.[Symbol.asyncDispose]()
  await lab?.[Symbol.asyncDispose]()
})

beforeEach(async () => {
  daemon = await DaemonProcess.start([
    `--manifests=${manifests.directory}`,
    '--hostname-override=n1',
    '--log-level=debug',
    '--sync-period=1',
  ])
  await daemon.ready()
})
afterEach(async () => {
  await daemon?.[Symbol.asyncDispose]()
  await pod().run(['nft', 'flush', 'ruleset'])
})

/** What nft lists, but for counts and for the order of chains and sets, which are other ones when they are put back. */
const table = async (): Promise<string> => {
  const listed = withoutCounters(await pod().run(['nft', 'list', 'table', 'inet', 'multi_networkpolicy']))
  const [head = '', ...parts] = listed.replace(/\n\}\s*$/, '').split(/\n\n?(?=\t(?:chain|set|flags) )/)
  return [head, ...parts.sort()].join('\n\n')
}

const nft = async (script: string): Promise<unknown> => await pod().run(['nft', '-f', '-'], script)

const OURS = 'inet multi_networkpolicy'
const chainOf = (listing: string, name: string): string =>
  new RegExp(`\\n\\tchain ${name} \\{\\n([^]*?)\\n\\t\\}`).exec(listing)?.[1] ?? ''

describe('is seen at the next look, and undone', () => {
  test.each<readonly [string, (listing: string) => string]>([
    ['the table is put to sleep', () => `add table ${OURS} { flags dormant; }`],
    ['all of its rules are gone', () => `flush table ${OURS}`],
    ['one of its hooks is gone', () => `delete chain ${OURS} input`],
    [
      'its hooks are gone while all else stands',
      () => `delete chain ${OURS} input\ndelete chain ${OURS} forward-ingress`,
    ],
    [
      'a hook’s policy is another',
      () => `add chain ${OURS} input { type filter hook input priority 0; policy drop; }`,
    ],
    [
      'a hook’s priority is another',
      (listing) => {
        const rules = chainOf(listing, 'input').replace('priority filter', 'priority 300')
        return `delete chain ${OURS} input\ntable ${OURS} {\nchain input {\n${rules}\n}\n}`
      },
    ],
    [
      'a hook is at another place in a packet’s path',
      (listing) => {
        const rules = chainOf(listing, 'input').replace('hook input', 'hook forward')
        return `delete chain ${OURS} input\ntable ${OURS} {\nchain input {\n${rules}\n}\n}`
      },
    ],
    ['a hook accepts before all else', () => `insert rule ${OURS} input accept`],
    ['an interface’s chain accepts', () => `insert rule ${OURS} interface-net1-ingress accept`],
    ['a chain of its own is added', () => `add chain ${OURS} own { type filter hook input priority -5; }`],
    [
      'a set has one element more',
      (listing) => `add element ${OURS} ${/set (\S+) \{/.exec(listing)?.[1]} { 10.1.0.0/24 }`,
    ],
    ['a set is added', () => `add set ${OURS} own { type ipv4_addr; }`],
  ])('%s', async (_, change) => {
    const before = await table()
    await nft(change(before))
    expect(await table()).not.toBe(before)
    await until('all is as before', 20_000, async () => (await table()) === before || undefined)
    await daemon.logged(/governed\/governed: rules were changed by somebody else; they are put back/)
  })
})

test.each(['input', 'prerouting'])(
  'a hook of the pod’s own, %s, that accepts before ours lets in nothing',
  async (hook) => {
    const knock = async (): Promise<string> =>
      (await lab.probe({ from: client as Pod, to: '10.1.0.1', protocol: 'udp', port: 53 })).verdict
    await nft(
      `table inet own { chain c { type filter hook ${hook} priority -300; policy accept; accept; }; }`,
    )
    expect(await knock()).toBe('blocked')
    await nft('delete table inet own')
    await nft(`table inet own { chain c { type filter hook ${hook} priority 300; policy accept; accept; }; }`)
    expect(await knock()).toBe('blocked')
  },
)
