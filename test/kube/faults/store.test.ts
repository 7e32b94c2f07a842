/** What the API server stores goes back in time, as when etcd is restored from a backup. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { policyObject } from '../../manifests.ts'
import { Etcd } from './etcd.ts'
import { Ground } from './ground.ts'

/** Versions; the API server writes some when it starts. */
const OLDER_BY = 200

let ground: Ground
let etcd: Etcd

beforeAll(async () => {
  ground = await Ground.create()
  etcd = await Etcd.of(ground.cp)
})

afterAll(async () => {
  await etcd?.[Symbol.asyncDispose]()
  await ground?.[Symbol.asyncDispose]()
})

test('a store that is restored to an older state is what counts, at once: no ghosts of what came after', async () => {
  await using trial = await ground.trial()
  const { pod } = trial
  const policies = '/apis/k8s.cni.cncf.io/v1beta1/namespaces/shop/multi-networkpolicies'
  const allowing = (name: string, port: number): Promise<void> => {
    const spec = { podSelector: { matchLabels: { app: pod.name } }, ingress: [{ ports: [{ port }] }] }
    return ground.apply(policyObject('shop', name, 'red', spec))
  }
  await allowing('stays', 3_000)
  await trial.enforces(3_000)
  const saved = trial.port
  await etcd.save()
  // What the API server writes when it starts must not bring the versions up to those of before: then nobody could tell.
  for (let port = 4_000 - OLDER_BY; port <= 4_000; port += 1) await allowing('ghost', port)
  await ground.cp.api('DELETE', `${policies}/stays`)
  await trial.enforces(await trial.allow())
  await trial.until(
    'the last change stands',
    async () => portsIn(await trial.rules()) === `${trial.port} 4000`,
  )
  const asked = trial.proxy.requests.length
  await etcd.restore()
  for (const plural of [
    'multi-networkpolicies',
    'pods',
    'namespaces',
    'network-attachment-definitions',
  ] as const)
    await trial.rewatched(asked, plural)
  const since = performance.now()
  const end = `${saved} 3000`
  await trial.until(`the rules are those of the backup`, async () => portsIn(await trial.rules()) === end)
  console.log(`etcd restored | the rules follow in ${((performance.now() - since) / 1000).toFixed(1)} s`)
  await trial.enforces(await trial.allow())
  expect(portsIn(await trial.rules())).toBe(`${trial.port} 3000`)
}, 240_000)

/** The ports that some policy allows, in order. */
function portsIn(rules: string): string {
  return [...new Set([...rules.matchAll(/dport (\d+)/g)].map(([, port]) => port))].sort().join(' ')
}
