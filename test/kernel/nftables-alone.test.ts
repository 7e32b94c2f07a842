/** Where libnftables, which is one process for all pods, may write: where nothing of others is to be met, see `Known`. */

import { execa } from 'execa'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { openKernelView } from '../../src/apply/netns/kernel.ts'
import { netnsTarget } from '../../src/apply/netns-target.ts'
import { nftablesBackendBy } from '../../src/apply/nftables-backend.ts'
import { runByProcess } from '../../src/apply/nftables-write.ts'
import type { Target } from '../../src/apply/reconciler.ts'
import type { Compilation, PodTarget } from '../../src/compile/compilation.ts'
import { nameOf, type Pod } from '../../src/compile/model.ts'
import type { Ruleset } from '../../src/compile/ruleset.ts'
import { parse } from '../product.ts'
import { seed } from '../seed.ts'
import { arbitraryRuleset } from '../unit/compile/nftables-change-rulesets.ts'

const NAME = `mnpd-alone-${process.pid}`
const path = `/run/netns/${NAME}`
const { signal } = new AbortController()
const pod = parse({ kind: 'Pod', apiVersion: 'v1', metadata: { name: 'a', namespace: 'x' } }) as Pod
const [one, two] = fc.sample(
  arbitraryRuleset.map((ruleset) => ({ ...ruleset, pod: nameOf(pod) })),
  { seed, numRuns: 2 },
) as [Ruleset, Ruleset]

let ruleset = one
/** For each transaction since, whether libnftables was allowed to. */
let writes: boolean[] = []

beforeAll(async () => {
  await execa('ip', ['netns', 'add', NAME])
})
afterAll(async () => {
  await execa('ip', ['netns', 'delete', NAME])
})
beforeEach(async () => {
  await execa('ip', ['netns', 'delete', NAME])
  await execa('ip', ['netns', 'add', NAME])
  writes = []
})

/** As it is in a daemon that has just started. */
async function started(): Promise<Target<PodTarget>> {
  const compilation = (): Compilation => ({
    targets: new Map([[nameOf(pod), { pod, ruleset }]]),
    issues: [],
    rulesetOf: () => ruleset,
    versionOf: () => undefined,
  })
  return netnsTarget({
    locator: {
      locate: async () => ({
        kind: 'found',
        netns: { path, id: NAME, [Symbol.asyncDispose]: async () => {} },
      }),
    },
    backend: nftablesBackendBy(async (transaction, place) => {
      const result = await runByProcess(transaction, place)
      // What is only assumed it writes nowhere.
      if (result.kind !== 'moved') writes.push(place.alone)
      return result
    }),
    others: [],
    compilation,
    kernel: await openKernelView(),
  })
}

/** Has that stand. @returns whether libnftables was allowed to write; undefined where nothing was written */
async function look(target: Target<PodTarget>, wanted: Ruleset): Promise<boolean | undefined> {
  ruleset = wanted
  writes = []
  expect((await target.update(nameOf(pod), { pod, ruleset }, signal)).kind).toBe('done')
  return writes.length === 0 ? undefined : writes.every((each) => each)
}

async function nft(...command: readonly string[]): Promise<void> {
  await execa('nsenter', [`--net=${path}`, 'nft', ...command])
}

test('in a new namespace, and for as long as nobody else changes anything', async () => {
  const target = await started()
  expect(await look(target, one)).toBe(true)
  expect(await look(target, two)).toBe(true)
  expect(await look(target, two)).toBeUndefined()
  expect(await look(target, one)).toBe(true)
})

test('after a restart, if all of ours stood and nothing else', async () => {
  await look(await started(), one)
  const again = await started()
  expect(await look(again, one)).toBeUndefined()
  expect(await look(again, two)).toBe(true)
})

test('not where something else than we print stands as ours, until it was seen to be right', async () => {
  await look(await started(), one)
  await nft('add', 'quota', 'inet', 'multi_networkpolicy', 'q', '{ over 1 mbytes ; }')
  const again = await started()
  expect(await look(again, two)).toBe(false)
  expect(await look(again, two)).toBeUndefined()
  expect(await look(again, two)).toBeUndefined()
  expect(await look(again, one)).toBe(true)
})

test('not beside a table of others, and again when that is gone', async () => {
  const target = await started()
  await look(target, one)
  await nft('add', 'table', 'inet', 'app')
  expect(await look(target, two)).toBe(false)
  expect(await look(await started(), one)).toBe(false)
  for (let time = 0; time < 3; time += 1) expect(await look(target, one)).not.toBe(true)
  expect(await look(target, two)).toBe(false)
  await nft('delete', 'table', 'inet', 'app')
  for (let time = 0; time < 3; time += 1) await look(target, two)
  expect(await look(target, one)).toBe(true)
})
