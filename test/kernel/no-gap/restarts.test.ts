/**
 * The daemon ends, is killed and starts again under traffic: the rules stay meanwhile, are taken over as they stand where
 * nothing changed, and what was deleted while it was away is gone after the start.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KubeObject } from '../../manifests.ts'
import { BACKENDS, countedPackets, RulesMonitor, rulesOf, withoutCounters } from './backends.ts'
import { ALLOW_OK, governA, OK, World } from './world.ts'

const PACKETS_PER_SECOND = 3000
const KILLS = 10
const LONGEST_LIFE_MS = 500
/** Two starts a kill, each of which takes seconds on a busy machine. */
const KILLS_TIMEOUT_MS = 180_000

describe.each(BACKENDS)('ends and starts under traffic, %s', (backend) => {
  let world: World

  beforeAll(async () => {
    world = await World.create('restarts', backend)
    await world.manifests.save('policies', [ALLOW_OK])
    await world.startDaemon()
    await world.startTraffic(PACKETS_PER_SECOND)
  })
  afterAll(async () => await world?.[Symbol.asyncDispose]())

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    '%s: the rules stay, and are taken over as they are',
    async (signal) => {
      const { a } = world.pods
      await using monitor = await RulesMonitor.start(a)
      const marks = await world.traffic.mark()
      const before = await rulesOf(a, backend)
      await world.daemon.stop(signal)
      expect(withoutCounters(await rulesOf(a, backend))).toBe(withoutCounters(before))
      await world.startDaemon()
      const after = await rulesOf(a, backend)
      expect(withoutCounters(after)).toBe(withoutCounters(before))
      expect(countedPackets(before)).toBeGreaterThan(0)
      expect(countedPackets(after)).toBeGreaterThan(countedPackets(before))
      await world.traffic.expectNoGap(`${signal} and start, ${monitor.commits} commits`, marks)
      expect(monitor.commits).toBe(0)
    },
  )

  test(
    `killed ${KILLS} times in the midst of edits, and ${KILLS} times in the midst of its start`,
    async () => {
      const { a } = world.pods
      await using monitor = await RulesMonitor.start(a)
      const marks = await world.traffic.mark()
      let edit = 0
      const lives: number[] = []
      for (let kill = 0; kill < KILLS; kill++) {
        const life = Math.round(Math.random() * LONGEST_LIFE_MS)
        lives.push(life)
        const end = performance.now() + life
        do await world.manifests.save('policies', [numbered(++edit)])
        while (await stillBefore(end))
        await world.daemon.stop('SIGKILL')
        await world.launchDaemon()
        await stillBefore(performance.now() + life, life)
        await world.daemon.stop('SIGKILL')
        await world.startDaemon()
        expect(await rulesOf(a, backend), `after kill ${kill}`).toContain(`x/p-${edit}`)
      }
      const what = `${2 * KILLS} kills after ${lives.join(', ')} ms, ${edit} edits, ${monitor.commits} commits`
      await world.traffic.expectNoGap(what, marks)
      expect(monitor.commits).toBeGreaterThanOrEqual(KILLS)
    },
    KILLS_TIMEOUT_MS,
  )

  test('what was deleted while it was away is gone after the start, and no more than that', async () => {
    const { a, ok } = world.pods
    const third = { podSelector: { matchLabels: { app: 'third' } } }
    const ofOk = governA('of-ok', { app: 'ok', rules: [{ peers: [] }] })
    const permit = governA('p', { rules: [{ peers: [OK, third] }] })
    await world.save('cluster', world.cluster({ ghosts: { 0: 'third', 1: 'third' } }))
    await world.save('policies', [
      permit,
      governA('also', { rules: [{ peers: [{ podSelector: { matchLabels: { app: 'g2' } } }] }] }),
      ofOk,
    ])
    const before = await rulesOf(a, backend)
    for (const there of ['10.1.0.100', '10.1.0.101', '10.1.0.102', 'x/also']) expect(before).toContain(there)
    expect(await rulesOf(ok, backend)).not.toBe('')
    const marks = await world.traffic.mark()
    await world.daemon.stop()
    await world.manifests.save('policies', [permit])
    await world.manifests.save('cluster', world.cluster({ ghosts: { 1: 'third' } }))
    expect(withoutCounters(await rulesOf(a, backend))).toBe(withoutCounters(before))
    await world.startDaemon()
    const after = await rulesOf(a, backend)
    for (const gone of ['10.1.0.100', '10.1.0.102', 'x/also']) expect(after).not.toContain(gone)
    expect(after).toContain('10.1.0.101')
    expect(await rulesOf(ok, backend)).toBe('')
    await world.traffic.expectNoGap('deleted while away', marks)
  })
})

function numbered(edit: number): KubeObject {
  const ghost = { podSelector: { matchLabels: { app: `g${edit % 10}` } } }
  return governA(`p-${edit}`, { rules: [{ peers: [OK, ghost] }] })
}

/** Lets a moment pass. @returns whether the instant is still to come */
async function stillBefore(end: number, ms = 5): Promise<boolean> {
  await new Promise((resolve) => setTimeout(resolve, ms))
  return performance.now() < end
}
