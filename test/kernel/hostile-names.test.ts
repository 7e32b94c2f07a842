/**
 * Every name that a link can have is governed: real links with hostile names, and packets that are dropped on them. Names
 * with bytes that are no UTF-8 are left out, since no JSON can tell of them.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Backend } from '../../src/apply/backend.ts'
import { iptablesBackend } from '../../src/apply/iptables-backend.ts'
import { hostView } from '../../src/apply/netns/cri-host.ts'
import { readLinks } from '../../src/apply/netns/links.ts'
import { type OpenNetns, openNetns } from '../../src/apply/netns/open-netns.ts'
import { listLinks } from '../../src/apply/netns/search-links.ts'
import { nftablesBackend } from '../../src/apply/nftables-backend.ts'
import type { NamespacedName } from '../../src/compile/model.ts'
import { Lab } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'
import { networkObject, podObject, policyObject } from '../manifests.ts'
import { clusterOf, compileAll } from '../product.ts'
import { seed } from '../seed.ts'
import { kernelName } from '../unit/hostile/objects.ts'

const { signal } = new AbortController()
const POLICIES = [
  policyObject('x', 'deny', 'strict', { podSelector: {}, policyTypes: ['Ingress'] }),
  policyObject('x', 'open', 'lax', { podSelector: {}, ingress: [{}] }),
]
/** What iproute2 lists with a control character in it is no JSON, which is what the lab reads. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
const isMakeable = (name: string): boolean => !/[\x00-\x1f]/.test(name)

let lab: Lab
let client: Pod

beforeAll(async () => {
  lab = await Lab.create('names')
  await Promise.all(['strict', 'lax'].map((name) => lab.segment(name)))
  client = await lab.pod('client', [
    { segment: 'strict', interface: 'net1', addresses: ['10.1.255.1/16'] },
    { segment: 'lax', interface: 'net2', addresses: ['10.2.255.1/16'] },
  ])
})
afterAll(async () => await lab?.[Symbol.asyncDispose]())

/** To be disposed of, since the next pod has its addresses. */
async function makePod(
  name: string,
  strict: readonly string[],
  lax: readonly string[],
): Promise<{ readonly pod: Pod } & AsyncDisposable> {
  const attach = (names: readonly string[], segment: string, net: number) =>
    names.map((each, n) => ({ segment, interface: each, addresses: [`10.${net}.0.${n + 1}/16`] }))
  const pod = await lab.pod(name, [...attach(strict, 'strict', 1), ...attach(lax, 'lax', 2)])
  return { pod, [Symbol.asyncDispose]: () => lab.removePod(pod) }
}

/** What the pod's addresses answer. */
async function verdicts(pod: Pod): Promise<Readonly<Record<string, string>>> {
  const answers = pod.interfaces.map(async ({ name, addresses }) => {
    const to = addresses.find(({ scope }) => scope === 'global')?.address ?? ''
    const { verdict } = await lab.probe({ from: client, to, protocol: 'icmp', timeoutMs: 1_500 })
    return [name, verdict] as const
  })
  return Object.fromEntries(await Promise.all(answers))
}

async function write(pod: Pod, backend: Backend<unknown>): Promise<void> {
  const networks = { strict: 'x/strict', lax: 'x/lax' }
  const raw = podObject(pod, { namespace: 'x', networks })
  const objects = [networkObject('x', 'strict'), networkObject('x', 'lax'), raw, ...POLICIES]
  const { targets } = compileAll(clusterOf(objects), ['macvlan'])
  const printed = backend.print(targets.get(`x/${pod.name}` as NamespacedName)?.ruleset)
  await using netns = await open(pod)
  expect(await printed.write(netns, signal)).toMatchObject({ kind: 'done' })
  expect(printed.isThere(await backend.read(netns, signal))).toBe(true)
}

test('links are listed whatever they are called', async () => {
  const pod = await lab.pod('listed', [{ segment: 'strict', interface: 'net1' }])
  const names = ['a\x01"\\', '\x1b[31m', '\ufeff', 'net2']
  for (const [n, name] of names.entries())
    await pod.run(['ip', 'link', 'add', 'name', name, 'type', 'veth', 'peer', 'name', `peer${n}`])
  await using netns = await open(pod)
  expect([...(await readLinks(netns, signal)).keys()]).toEqual(expect.arrayContaining(names))
  const [links] = await listLinks([netns.path], signal)
  expect([...(links?.keys() ?? [])]).toEqual(expect.arrayContaining(names))
  for (const n of names.keys()) await pod.run(['ip', 'link', 'delete', `peer${n}`])
  await lab.removePod(pod)
})

async function open(pod: Pod): Promise<OpenNetns> {
  const located = await openNetns(pod.netns, hostView(''))
  if (located.kind !== 'found') throw new Error(located.reason)
  return located.netns
}

describe.each<Backend<unknown>>([nftablesBackend, iptablesBackend()])('$name', (backend) => {
  test('nothing passes on links of any name', { timeout: 120_000 }, async () => {
    const names = fc.sample(kernelName().filter(isMakeable), { seed, numRuns: 150 })
    const strict = [...new Set(names)].slice(0, 60)
    await using made = await makePod(`any-${backend.name}`, strict, [])
    const { pod } = made
    expect(new Set(Object.values(await verdicts(pod)))).toEqual(new Set(['open']))
    await write(pod, backend)
    expect(await verdicts(pod)).toEqual(Object.fromEntries(strict.map((name) => [name, 'blocked'])))
  })

  test.each([
    { strict: 'x"2', lax: 'x"1' },
    { strict: 'tcp', lax: '@a' },
    { strict: 'a+b+', lax: 'a+' },
    { strict: 'b*', lax: 'b\\' },
    { strict: '\ufeffnet1', lax: 'net1' },
    { strict: 'a\u2003', lax: 'a' },
  ])('what is allowed on $lax is not on $strict', async ({ strict, lax }) => {
    const name = `two-${Buffer.from(strict).toString('hex')}-${backend.name}`
    await using made = await makePod(name, [strict], [lax])
    const { pod } = made
    await write(pod, backend)
    expect((await verdicts(pod))[strict]).toBe('blocked')
  })
})
