/**
 * A pod that no policy ever lets through to a peer, from its first instruction on. What the daemon does by watching is
 * a race that it wins by far and that no test can hold it to; what is held here is that a container that starts once
 * the pod is governed never gets a packet out, and that watching gets there.
 */
import { afterEach, expect, test } from 'vitest'
import { NewPods, tenPolicies } from './new-pods.ts'
import { apiStore, manifestStore, type PodStore } from './pod-store.ts'

let resources = new AsyncDisposableStack()

afterEach(async () => {
  await resources.disposeAsync()
  resources = new AsyncDisposableStack()
})

async function start(store: () => Promise<PodStore>): Promise<NewPods> {
  return resources.use(await NewPods.start({ store: resources.use(await store()), policies: tenPolicies() }))
}

test.each([
  ['a manifests directory', manifestStore],
  ['an API server', apiStore],
])('pods from %s', { timeout: 240_000 }, async (_, store) => {
  const pods = await start(store)

  // What is counted arrives where nothing is in its way.
  const free = await pods.launch('free', { app: 'free' })
  expect(await pods.arrived(free.pod)).toBeGreaterThan(100)

  const governed = await pods.sandbox('governed')
  await pods.enforced(governed)
  await pods.startIn(governed, 'init')
  await pods.startIn(governed, 'main')
  expect(await pods.arrived(governed)).toBe(0)

  const raced = await pods.launch('raced')
  const enforced = await pods.enforced(raced.pod)
  const before = await pods.arrived(raced.pod)
  console.log(
    `network-status taken after ${(raced.taken - raced.annotated).toFixed(1)} ms, enforced after ${(enforced - raced.annotated).toFixed(1)} ms, ` +
      `first instruction after ${(raced.running - raced.annotated).toFixed(1)} ms, ${before} packets escaped`,
  )
  await pods.startIn(raced.pod, 'again')
  expect(await pods.arrived(raced.pod)).toBe(before)
})
