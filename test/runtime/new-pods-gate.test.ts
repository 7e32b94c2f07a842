/**
 * With the gate a pod's first process starts when its rules stand, however slow the machine: here it is no race, so
 * that not one packet may arrive.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { NewPods, tenPolicies } from './new-pods.ts'
import { apiStore, type PodStore } from './pod-store.ts'

let store: PodStore
let pods: NewPods

beforeAll(async () => {
  store = await apiStore()
  pods = await NewPods.start({ store, policies: tenPolicies(), gate: true })
})

afterAll(async () => {
  await pods?.[Symbol.asyncDispose]()
  await store?.[Symbol.asyncDispose]()
})

test('a pod that no policy selects is let through, and what it sends arrives', async () => {
  const free = await pods.launch('free', { app: 'free' })
  expect(await pods.arrived(free.pod)).toBeGreaterThan(0)
})

test('no packet of pods that start all at once gets out, of an init container neither', async () => {
  const names = Array.from({ length: 10 }, (_, index) => `burst-${index}`)
  const burst = await Promise.all(
    names.map(async (name) => {
      const pod = await pods.sandbox(name)
      await pods.startIn(pod, 'init')
      await pods.startIn(pod, 'main')
      return pod
    }),
  )
  for (const pod of burst) expect(await pods.arrived(pod), pod.spec.name).toBe(0)
})

test('while the daemon is gone, a new pod waits so long as was said, and no longer', async () => {
  await pods.daemon.stop()
  const began = performance.now()
  await expect(pods.sandbox('late')).rejects.toThrow(/has not enforced the pod's policies within 20 s/)
  expect(performance.now() - began).toBeGreaterThan(19_000)
})
