/**
 * A namespace that is made anew under the number of the one before, as the target sees it: nothing that was known of that one
 * counts, on a kernel that tells its cookie, on an older one, and where nothing can be asked without a process.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Backend } from '../../src/apply/backend.ts'
import { iptablesBackend } from '../../src/apply/iptables-backend.ts'
import { hostView } from '../../src/apply/netns/cri-host.ts'
import { type KernelView, openKernelView } from '../../src/apply/netns/kernel.ts'
import { annotationLocator } from '../../src/apply/netns/locate.ts'
import { ownerBy } from '../../src/apply/netns/search-owner.ts'
import { netnsTarget } from '../../src/apply/netns-target.ts'
import { nftablesBackend } from '../../src/apply/nftables-backend.ts'
import type { Target } from '../../src/apply/reconciler.ts'
import type { Compilation, PodTarget } from '../../src/compile/compilation.ts'
import type { NamespacedName } from '../../src/compile/model.ts'
import { makeUnderNumber, netnsNumber } from '../lab/netns-number.ts'
import { OneNetns } from '../lab/one-netns.ts'
import { networkObject, policyObject } from '../manifests.ts'
import { clusterOf, compileAll } from '../product.ts'

const one = new OneNetns(`mnpd-identity-${process.pid}`)
const KEY = 'x/a' as NamespacedName
const { signal } = new AbortController()

beforeEach(() => one.make())
afterEach(async () => {
  await one.remove().catch(() => undefined)
})

/** One pod, governed by one policy. */
function compiled(): Compilation {
  const policy = policyObject('x', 'deny', 'red', { podSelector: {} })
  return compileAll(clusterOf([networkObject('x', 'red'), one.pod('a'), policy]), ['macvlan'])
}

interface Watched {
  readonly target: Target<PodTarget>
  /** What it said of the pod. */
  readonly said: string[]
}

function targetOf(
  backend: Backend<unknown>,
  kernel: KernelView | undefined,
  compilation: Compilation,
): Watched {
  const said: string[] = []
  const target = netnsTarget({
    locator: annotationLocator({ view: hostView(''), localPods: () => [], ownerOf: ownerBy([backend]) }),
    backend,
    others: [],
    compilation: () => compilation,
    kernel,
    changed: () => said.push('changed'),
    drifted: () => said.push('drifted'),
  })
  return { target, said }
}

const kernel = (await openKernelView()) ?? expect.fail('no view of the kernel')
const older: KernelView = { ...kernel, access: { ...kernel.access, cookie: () => undefined } }
const rules = { nftables: ['nft', 'list', 'ruleset'], iptables: ['iptables-save'] } as const

describe.each<Backend<unknown>>([nftablesBackend, iptablesBackend()])('$name', (backend) => {
  test.each([
    ['that tells cookies', kernel],
    ['from before 5.14', older],
    ['that cannot be asked', undefined],
  ])('made anew, on a kernel %s, it is a new one', { timeout: 180_000 }, async (_, view) => {
    const compilation = compiled()
    let { target, said } = targetOf(backend, view, compilation)
    const update = async (): Promise<void> => {
      const desired = compilation.targets.get(KEY) as PodTarget
      expect(await target.update(KEY, desired, signal)).toEqual({ kind: 'done' })
    }
    let generation: number | undefined
    const isMadeAnew = async (): Promise<boolean> => {
      await update()
      await update()
      const number = await netnsNumber(one.name)
      generation = kernel.access.generation(one.path)
      await one.remove()
      return await makeUnderNumber(one.name, number)
    }
    // Where somebody else got the number, from the beginning.
    while (!(await isMadeAnew())) {
      await one.make()
      ;({ target, said } = targetOf(backend, view, compilation))
    }
    await one.addLinks()
    // As init containers may: what is known would be as that of before.
    for (let n = 0; (kernel.access.generation(one.path) ?? 0) < (generation ?? 0); n += 1)
      await one.inside(['nft', 'add', 'table', 'ip', `x${n}`])
    await update()
    expect(await one.inside(rules[backend.name])).toContain('no policy allows it')
    expect(said).toEqual(['changed', 'changed'])
    await update()
    expect(said).toEqual(['changed', 'changed'])
  })
})
