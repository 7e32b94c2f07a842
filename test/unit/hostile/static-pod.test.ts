/**
 * The annotation `kubernetes.io/config.hash` tells the UID of a static pod's mirror. Whoever may edit a pod can write it, so
 * it must lead nobody away from the sandbox that the runtime has for the pod itself, nor keep another pod from being found.
 */
import { expect, test } from 'vitest'
import type { ContainerRuntime, PodIdentity } from '../../../src/apply/netns/cri.ts'
import { hostView } from '../../../src/apply/netns/cri-host.ts'
import { netnsSearch } from '../../../src/apply/netns/search.ts'
import { searchingLocator } from '../../../src/apply/netns/search-locator.ts'
import type { Pod } from '../../../src/compile/model.ts'
import { isUnreadable } from '../../../src/watch/parse/metadata.ts'
import { parsePod } from '../../../src/watch/parse/pod.ts'

const UID = '8b3c6f1e-0000-4000-8000-000000000001'

function pod(annotations: object): Pod {
  const parsed = parsePod({ metadata: { name: 'a', namespace: 'x', uid: UID, annotations } })
  if (isUnreadable(parsed)) throw new Error(parsed.issue.reason)
  return parsed
}

/** Which UIDs a runtime that knows none of them is asked for. */
async function asked(about: Pod): Promise<readonly string[]> {
  const uids: string[] = []
  const runtime: ContainerRuntime = {
    async sandboxOf({ uid }: PodIdentity) {
      uids.push(uid)
      return { kind: 'no-sandbox' }
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
  const view = hostView('')
  const ownerOf = async () => 'none' as const
  const search = netnsSearch({ view, localPods: () => [about], ownerOf, directories: [] })
  await searchingLocator({ runtime, view, search }).locate(about, new AbortController().signal)
  return uids
}

test('the runtime is asked for the pod itself first', async () => {
  expect(await asked(pod({}))).toEqual([UID])
  expect((await asked(pod({ 'kubernetes.io/config.hash': 'no-such-pod' })))[0]).toBe(UID)
})

test('and, of a mirror, for the static pod then', async () => {
  expect(await asked(pod({ 'kubernetes.io/config.hash': 'the-static-pod' }))).toContain('the-static-pod')
})
