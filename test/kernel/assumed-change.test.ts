/**
 * A change from what was written last, in a namespace at which nobody looks before: libnftables' process does, in the same
 * step. Whatever somebody else has done there meanwhile, the rules are those that should stand.
 */
import { execa } from 'execa'
import { sameTable } from 'nftables-json'
import { listTable } from 'nftables-json/run'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { hostView } from '../../src/apply/netns/cri-host.ts'
import { type KernelView, openKernelView } from '../../src/apply/netns/kernel.ts'
import { annotationLocator } from '../../src/apply/netns/locate.ts'
import { ownerBy } from '../../src/apply/netns/search-owner.ts'
import { netnsTarget } from '../../src/apply/netns-target.ts'
import { nftablesBackend, nftablesBackendBy } from '../../src/apply/nftables-backend.ts'
import { openLibrary } from '../../src/apply/nftables-library.ts'
import { type RunTransaction, runByProcess } from '../../src/apply/nftables-write.ts'
import type { Outcome, Target } from '../../src/apply/reconciler.ts'
import type { Compilation, PodTarget } from '../../src/compile/compilation.ts'
import type { NamespacedName } from '../../src/compile/model.ts'
import { printNftables } from '../../src/compile/nftables/printer.ts'
import { TABLE } from '../../src/compile/nftables/table.ts'
import { makeUnderNumber, netnsNumber } from '../lab/netns-number.ts'
import { OneNetns } from '../lab/one-netns.ts'
import { networkObject, policyObject } from '../manifests.ts'
import { clusterOf, compileAll } from '../product.ts'

const one = new OneNetns(`mnpd-assumed-${process.pid}`)
const KEY: NamespacedName = 'x/a'
const { signal } = new AbortController()

const failures: string[] = []
const library = openLibrary((reason) => failures.push(reason))
afterAll(async () => {
  await library[Symbol.asyncDispose]()
})

const nft = async (script: string): Promise<unknown> => await one.inside(['nft', '-f', '-'], script)

beforeEach(async () => {
  failures.splice(0)
  await one.make()
})
afterEach(async () => {
  await one.remove().catch(() => undefined)
})

/** One pod, or two that both say the namespace is theirs, and a policy that lets in so many blocks. */
function allowing(blocks: number, names: readonly string[] = ['a']): Compilation {
  const from = Array.from({ length: blocks }, (_, n) => ({ ipBlock: { cidr: `198.51.${n * 2}.0/24` } }))
  const policy = policyObject('x', 'some', 'red', { podSelector: {}, ingress: [{ from }] })
  return compileAll(clusterOf([networkObject('x', 'red'), ...names.map((name) => one.pod(name)), policy]), [
    'macvlan',
  ])
}

const kernel = (await openKernelView()) ?? expect.fail('no view of the kernel')

interface Watched {
  readonly target: Target<PodTarget>
  /** How often the kernel was looked at. */
  looks: number
  /** What the kernel is said to be in, whatever happens. */
  generation: number | undefined
  now: number
  compilation: Compilation
}

function watched(run: RunTransaction): Watched {
  const view: KernelView = {
    ...kernel,
    generation(netns) {
      all.looks += 1
      return all.generation ?? kernel.generation(netns)
    },
    access: {
      ...kernel.access,
      look(path) {
        all.looks += 1
        const looked = kernel.access.look(path)
        return { ...looked, generation: all.generation ?? looked.generation }
      },
    },
  }
  const all: Watched = {
    looks: 0,
    generation: undefined,
    now: 0,
    compilation: allowing(0),
    target: netnsTarget({
      locator: annotationLocator({
        view: hostView(''),
        localPods: () => [],
        ownerOf: ownerBy([nftablesBackend]),
      }),
      backend: nftablesBackendBy(run),
      others: [],
      compilation: () => all.compilation,
      kernel: view,
      now: () => all.now,
    }),
  }
  return all
}

async function update(all: Watched, compilation: Compilation, key = KEY): Promise<Outcome> {
  all.compilation = compilation
  return await all.target.update(key, compilation.targets.get(key) ?? expect.fail('no target'), signal)
}

/** Writes the rules of that compilation, and has them stand. */
async function enforce(all: Watched, compilation: Compilation, key = KEY): Promise<void> {
  expect(await update(all, compilation, key)).toMatchObject({ kind: 'done' })
  const target = compilation.targets.get(key) ?? expect.fail('no target')
  const listed = await listTable(TABLE, { netns: one.path })
  const { table } = printNftables(compilation.rulesetOf(target.pod))
  if (listed.kind !== 'listed' || table === undefined) throw new Error(`it is ${listed.kind}`)
  expect(sameTable(listed.listing.tables[0] ?? expect.fail('no table'), table)).toBe(true)
}

test.each([1, 12])('nobody looks where nothing happened, from the first of %i blocks on', async (first) => {
  const all = watched(library.run)
  for (const blocks of [first, 2, 12, 14, 3]) await enforce(all, allowing(blocks))
  expect(all.looks).toBe(0)
  expect(failures).toEqual([])
})

describe.each([2, 12])('where it is not untouched, with %i blocks', (blocks) => {
  test.each<readonly [string, () => Promise<unknown>]>([
    ['a table of somebody else’s', async () => await nft('add table ip other')],
    ['one that was deleted', async () => await nft('add table ip other; delete table ip other')],
    [
      'a table of iptables’',
      async () => await one.inside(['iptables-legacy', '-A', 'INPUT', '-j', 'ACCEPT']),
    ],
    ['what we wrote before a restart', async () => await enforce(watched(library.run), allowing(1))],
    ['just what is wanted', async () => await enforce(watched(library.run), allowing(blocks))],
    [
      'our table, and what should not be in it',
      async () => await nft(`add table ${OURS}; add chain ${OURS} input; add rule ${OURS} input accept`),
    ],
  ])('%s is seen', async (_, happened) => {
    await happened()
    const all = watched(library.run)
    await enforce(all, allowing(blocks))
    expect(all.looks).toBeGreaterThan(0)
    await enforce(all, allowing(blocks + 1))
    expect(failures).toEqual([])
  })
})

test('another pod’s rules stay where both say that the namespace is theirs', async () => {
  const both = allowing(2, ['a', 'b'])
  await enforce(watched(library.run), both, 'x/b')
  const outcome = await update(watched(library.run), both)
  expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringContaining('that of pod x/b') })
  expect(await one.inside(['nft', 'list', 'ruleset'])).toContain('pod x/b')
})

test('somebody writes between a new pod’s first two transactions, and the rules are right all the same', async () => {
  let ran = 0
  const all = watched(async (transaction, place) => {
    ran += 1
    if (ran === 2) await nft('add table ip other')
    return await library.run(transaction, place)
  })
  await enforce(all, allowing(12))
  expect(all.looks).toBeGreaterThan(0)
  await enforce(all, allowing(13))
})

const OURS = `${TABLE.family} ${TABLE.name}`

describe.each([2, 12])('to %i blocks', (blocks) => {
  test.each<readonly [string, () => Promise<unknown>]>([
    ['our table was deleted', async () => await nft(`delete table ${OURS}`)],
    ['our table was emptied', async () => await nft(`flush table ${OURS}`)],
    ['a rule was added', async () => await nft(`insert rule ${OURS} interface-net1-ingress accept`)],
    [
      'what is to be written was written',
      async () => await nft(`add chain ${OURS} policy-0-ingress; flush chain ${OURS} policy-0-ingress`),
    ],
    ['a table of somebody else’s came', async () => await nft('add table ip other')],
    [
      'the namespace was made anew under its number',
      async () => {
        const number = await netnsNumber(one.name)
        await one.remove()
        // Somebody else may have the number by now: it is another namespace all the same.
        if (!(await makeUnderNumber(one.name, number))) await execa('ip', ['netns', 'add', one.name])
        await one.addLinks()
      },
    ],
  ])('%s', async (_, happens) => {
    const all = watched(library.run)
    await enforce(all, allowing(1))
    await happens()
    await enforce(all, allowing(blocks))
    await enforce(all, allowing(blocks + 1))
    expect(failures).toEqual([])
  })
})

test('somebody writes between the two transactions of a change', async () => {
  let ran = 0
  const all = watched(async (transaction, place) => {
    ran += 1
    if (ran === 3) await nft(`insert rule ${OURS} interface-net1-ingress accept`)
    return await library.run(transaction, place)
  })
  await enforce(all, allowing(1))
  await enforce(all, allowing(12))
  expect(ran).toBeGreaterThanOrEqual(3)
  await enforce(all, allowing(2))
})

describe('the process fails', () => {
  let fails = false
  const failing: RunTransaction = async (transaction, place) => {
    if (!fails) return await library.run(transaction, place)
    fails = false
    return { kind: 'failed', reason: 'made up' }
  }

  test('at a new pod, and the rules are right all the same', async () => {
    const all = watched(failing)
    fails = true
    await enforce(all, allowing(12))
    expect(all.looks).toBeGreaterThan(0)
    await enforce(all, allowing(3))
  })

  test('and the rules are right all the same', async () => {
    const all = watched(failing)
    await enforce(all, allowing(1))
    fails = true
    await enforce(all, allowing(2))
    await enforce(all, allowing(3))
  })

  test('where the namespace is another pod’s by now, and that one’s rules stay', async () => {
    const all = watched(failing)
    await enforce(all, allowing(1, ['a', 'b']))
    await one.remove()
    await one.make()
    await enforce(watched(library.run), allowing(2, ['a', 'b']), 'x/b')
    fails = true
    const outcome = await update(all, allowing(3, ['a', 'b']))
    expect(fails).toBe(false)
    expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringContaining('that of pod x/b') })
    expect(await one.inside(['nft', 'list', 'ruleset'])).toContain('pod x/b')
  })
})

describe('a set that is called as the chain between two transactions is', () => {
  const set = `add set ${OURS} next { type ipv4_addr; }`

  test('before a pod’s first rules', async () => {
    await nft(`add table ${OURS}; add chain ${OURS} mnpd; ${set}`)
    await nft(`add rule ${OURS} mnpd return comment "mnpd ${'0'.repeat(32)}"`)
    await enforce(watched(library.run), allowing(12))
  })

  test('between one look and the next', async () => {
    const all = watched(library.run)
    await enforce(all, allowing(12))
    const sets = /set (\S+) \{[^}]*interval/s.exec(await one.inside(['nft', 'list', 'ruleset']))
    const found = sets?.[1] ?? expect.fail('no set of intervals')
    await nft(`flush set ${OURS} ${found}; insert rule ${OURS} interface-net1-ingress accept; ${set}`)
    await enforce(all, allowing(12))
  })
})

test('what was changed with no trace in the generation, which comes round, is mended within an hour', async () => {
  const all = watched(library.run)
  const compilation = allowing(2)
  await enforce(all, compilation)
  all.generation = kernel.access.generation(one.path)
  await nft(`insert rule ${OURS} interface-net1-ingress accept`)
  expect(await update(all, compilation)).toEqual({ kind: 'done' })
  expect(await one.inside(['nft', 'list', 'ruleset'])).toMatch(/interface-net1-ingress \{\s+accept/)
  all.now = 3_600_000
  await enforce(all, compilation)
})

test('without the library nothing is assumed', async () => {
  const all = watched(runByProcess)
  for (const blocks of [1, 2, 12]) await enforce(all, allowing(blocks))
})
