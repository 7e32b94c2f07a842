/**
 * The first start in a pod where another table stands, which means the same: it is taken over in one step, and no packet
 * notices. Where no policy governs the pod any more, it goes.
 */
import { describe, expect, test } from 'vitest'
import { BACKENDS, RulesMonitor, rulesOf } from './backends.ts'
import { STANDING_TABLES } from './standing-tables.ts'
import { ALLOW_OK, World } from './world.ts'

const PACKETS_PER_SECOND = 5000

describe.each(BACKENDS.filter((backend) => backend === 'nftables'))(
  'what stands in a pod at the start, %s',
  (backend) => {
    test.each(STANDING_TABLES)('$name is taken over without a gap', async ({ name, ruleset, names }) => {
      await using world = await World.create('takeover', backend)
      const { a } = world.pods
      await world.manifests.save('policies', [ALLOW_OK])
      await a.run(['nft', '-f', '-'], ruleset)
      for (const own of names) expect(await rulesOf(a, backend)).toContain(own)
      const traffic = await world.startTraffic(PACKETS_PER_SECOND)
      await using monitor = await RulesMonitor.start(a)
      const marks = await traffic.mark()
      await world.startDaemon()
      const after = await rulesOf(a, backend)
      for (const own of names) expect(after).not.toContain(own)
      expect(after).toMatch(/comment "mnpd [0-9a-f]{32}"/)
      await traffic.expectNoGap(`${name}, ${monitor.commits} commits`, marks)
      expect(monitor.commits).toBeGreaterThanOrEqual(1)
    })

    test.each(STANDING_TABLES)('$name goes where no policy governs the pod', async ({ ruleset }) => {
      await using world = await World.create('takeover', backend)
      await world.pods.a.run(['nft', '-f', '-'], ruleset)
      await world.startDaemon()
      expect(await rulesOf(world.pods.a, backend)).toBe('')
    })
  },
)
