/**
 * A thousand edits of every kind under traffic, or half as many where each is two commits: no forbidden packet passes and
 * no allowed one is lost. The control counts the same traffic without edits, and the last test makes a gap by hand, which
 * the same count must see.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BACKENDS, RulesMonitor, rulesOf } from './backends.ts'
import { AT_ONCE, EDIT_KINDS, type Files, manyAtOnce } from './edits.ts'
import type { Marks } from './traffic.ts'
import { ALLOW_OK, World } from './world.ts'

const PACKETS_PER_SECOND = 5000
/** iptables' two families commit apart, so half the edits are as many commits. */
const EDITS_OF_A_KIND = { nftables: 90, iptables: 45 } as const
const COMMITS_OF_AN_EDIT = { nftables: 1, iptables: 2 } as const
const BURSTS = 10

describe.each(BACKENDS)('edits under traffic, %s', (backend) => {
  const [ofAKind, commitsOfAnEdit] = [EDITS_OF_A_KIND[backend], COMMITS_OF_AN_EDIT[backend]]
  let world: World
  let edits = 0
  let begin: Marks

  beforeAll(async () => {
    world = await World.create('edits', backend)
    await world.manifests.save('policies', [ALLOW_OK])
    await world.startDaemon()
    await world.startTraffic(PACKETS_PER_SECOND)
    begin = await world.traffic.mark()
  })
  afterAll(async () => await world?.[Symbol.asyncDispose]())

  /** Each file of the state that is not as it is, one after the other: in between, too, `ok` is allowed and `bad` is not. */
  async function enter(files: Files): Promise<void> {
    for (const [name, objects] of Object.entries(files)) await world.save(name, objects)
  }

  test('the control: without an edit nothing is lost and nothing passes', async () => {
    const marks = await world.traffic.mark()
    await pass(3000)
    const counts = await world.traffic.expectNoGap('no edits', marks)
    for (const { overflowed, unsent } of Object.values(counts))
      expect({ overflowed, unsent }).toEqual({ overflowed: 0, unsent: 0 })
  })

  test.each(EDIT_KINDS)(`$name: ${ofAKind} edits leave no gap`, async ({ name, files }) => {
    await enter(files(ofAKind - 1, world))
    await using monitor = await RulesMonitor.start(world.pods.a)
    const marks = await world.traffic.mark()
    for (let number = 0; number < ofAKind; number++) {
      const before = files(number + ofAKind - 1, world)
      const after = files(number + ofAKind, world)
      const changed = Object.entries(after).filter(
        ([file]) => JSON.stringify(before[file]) !== JSON.stringify(after[file]),
      )
      expect(changed, 'an edit is of one file').toHaveLength(1)
      const { commits } = monitor
      for (const [file, objects] of changed) await world.manifests.save(file, objects)
      await monitor.committed(commits + commitsOfAnEdit - 1)
      edits++
    }
    await world.traffic.expectNoGap(`${name}, ${ofAKind} edits, ${monitor.commits} commits`, marks)
    expect(monitor.commits).toBeGreaterThanOrEqual(ofAKind * commitsOfAnEdit)
    if (backend === 'nftables') expect(monitor.versions).toBeGreaterThanOrEqual(ofAKind)
  })

  test(`many at once: ${BURSTS} times ${AT_ONCE} edits in one moment leave no gap`, async () => {
    await using monitor = await RulesMonitor.start(world.pods.a)
    const marks = await world.traffic.mark()
    for (let number = 0; number < BURSTS; number++) {
      const before = await rulesOf(world.pods.a, backend)
      const seen = world.daemon.log.length
      const files = Object.entries(manyAtOnce(number, world))
      await Promise.all(files.map(([name, objects]) => world.manifests.save(name, objects)))
      edits += files.length
      await world.daemon.settled(seen)
      expect(await rulesOf(world.pods.a, backend)).not.toBe(before)
    }
    await world.traffic.expectNoGap(
      `many at once, ${BURSTS * AT_ONCE} edits, ${monitor.commits} commits`,
      marks,
    )
    expect(monitor.commits).toBeGreaterThanOrEqual(BURSTS)
  })

  test('over all of them', async () => {
    await world.traffic.expectNoGap(`all ${edits} edits`, begin)
    expect(edits).toBe(EDIT_KINDS.length * ofAKind + BURSTS * AT_ONCE)
  })

  if (backend === 'nftables')
    test('the proof can fail: a table replaced in two steps is seen both ways', async () => {
      const { a } = world.pods
      const table = await a.run(['nft', 'list', 'table', 'inet', 'multi_networkpolicy'])
      const closed =
        'table inet multi_networkpolicy { chain input { type filter hook input priority 0; policy drop; }; chain output { type filter hook output priority 0; policy drop; }; }'
      const remove = 'delete table inet multi_networkpolicy'
      const open = await world.traffic.mark()
      await a.run(['nft', remove])
      await a.run(['nft', '-f', '-'], table)
      const passed = await world.traffic.count(open)
      const shut = await world.traffic.mark()
      await a.run(['nft', '-f', '-'], `${remove}; ${closed}`)
      await a.run(['nft', '-f', '-'], `${remove}; ${table}`)
      const lost = await world.traffic.count(shut)
      console.log(
        `gaps by hand: ${passed['bad → a'].passed} and ${passed['a → bad'].passed} passed, ${lost['ok → a'].lost} and ${lost['a → ok'].lost} lost`,
      )
      for (const name of ['bad → a', 'a → bad'] as const) expect(passed[name].passed).toBeGreaterThan(0)
      for (const name of ['ok → a', 'a → ok'] as const) expect(lost[name].lost).toBeGreaterThan(0)
    })
})

/** Time for packets to be sent in: there is nothing to wait for. */
async function pass(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}
