/**
 * The printed table, replaced again and again on a stock kernel while packets are on their way: no gap, and nothing lost.
 * Fewer times and packets than in the kernel tier: what is held against each is the same.
 */
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { MNPD } from '../daemon.ts'
import { governA, OK, World } from '../kernel/no-gap/world.ts'

const PACKETS_PER_SECOND = 400
const REPLACED = 60

test('replaced one time after the other, lets nothing pass and loses nothing', async () => {
  await using world = await World.create('stock-printed', 'nftables')
  const { a } = world.pods
  const texts = [await printed(world, 0), await printed(world, 1)]
  await a.run(['nft', '-f', '-'], texts[0])
  const traffic = await world.startTraffic(PACKETS_PER_SECOND)
  const marks = await traffic.mark()
  // Each of them is one transaction, as each include of one nft is.
  for (let time = 0; time < REPLACED; time++) await a.run(['nft', '-f', '-'], texts[time % 2])
  const { 'ok → a': allowed } = await traffic.expectNoGap(`replaced ${REPLACED} times`, marks)
  expect(allowed.passed).toBeGreaterThan(REPLACED)
  await traffic.stop()
})

/** What `mnpd compile` prints for `a`, of policies that differ by version. */
async function printed({ manifests }: World, version: number): Promise<string> {
  const ghost = { podSelector: { matchLabels: { app: `g${version}` } } }
  await manifests.save('policies', [governA('p', { rules: [{ peers: [OK, ghost] }] })])
  const flags = [`--manifests=${manifests.directory}`, '--hostname-override=n1', '--pod=x/a']
  return (await execa(MNPD, ['compile', ...flags])).stdout
}
