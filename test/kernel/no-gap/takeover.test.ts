/**
 * The first start in a pod where other rules stand, which mean the same: they are taken over, whichever backend they are
 * of, and no packet notices. Where no policy governs the pod any more, they go.
 */
import { describe, expect, test } from 'vitest'
import type { Pod } from '../../lab/pod.ts'
import { BACKENDS, RulesMonitor, rulesOf } from './backends.ts'
import { STANDING_RULES } from './standing-rules.ts'
import { ALLOW_OK, World } from './world.ts'

const PACKETS_PER_SECOND = 5000

describe.each(BACKENDS)('what stands in a pod at the start, %s', (backend) => {
  const standing = STANDING_RULES.filter(({ by }) => by.includes(backend))

  test.each(standing)('$name: taken over without a gap', async ({ name, load, words }) => {
    await using world = await World.create('takeover', backend)
    const { a } = world.pods
    await world.manifests.save('policies', [ALLOW_OK])
    await load(a)
    const before = await allRules(a)
    for (const word of words) expect(before).toContain(word)
    const traffic = await world.startTraffic(PACKETS_PER_SECOND)
    await using monitor = await RulesMonitor.start(a)
    const marks = await traffic.mark()
    await world.startDaemon()
    const after = await allRules(a)
    for (const word of words) expect(after).not.toContain(word)
    for (const each of BACKENDS) {
      const rules = await rulesOf(a, each)
      if (each === backend) expect(rules).toMatch(/comment "mnpd [0-9a-f]{32}"/)
      else expect(rules).toBe('')
    }
    await traffic.expectNoGap(`${name}, ${monitor.commits} commits`, marks)
    expect(monitor.commits).toBeGreaterThanOrEqual(1)
  })

  test.each(standing)('$name: gone where no policy governs the pod', async ({ load, words }) => {
    await using world = await World.create('takeover', backend)
    const { a } = world.pods
    await load(a)
    await world.startDaemon()
    const after = await allRules(a)
    for (const word of words) expect(after).not.toContain(word)
    for (const each of BACKENDS) expect(await rulesOf(a, each)).toBe('')
  })
})

async function allRules(pod: Pod): Promise<string> {
  const saved = ['iptables-save', 'ip6tables-save'].map((command) => pod.run([command]))
  const all = await Promise.all([...saved, pod.run(['ipset', 'save']), rulesOf(pod, 'nftables')])
  return all.join('\n')
}
