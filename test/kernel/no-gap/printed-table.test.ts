/**
 * The table as the product prints it, replaced by another version of it as fast as nft can, for some seconds: what takes
 * thousands of edits to show, shows here. Packets are on their way through the old table when the new one
 * is committed.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { MNPD } from '../../daemon.ts'
import type { Pod } from '../../lab/pod.ts'
import { BACKENDS, RulesMonitor } from './backends.ts'
import { governA, OK, World } from './world.ts'

const PACKETS_PER_SECOND = 6000
const REPLACED_FOR_MS = 8000
/** How many transactions nft is told of before it has done the first. */
const AHEAD = 20

describe.each(BACKENDS.filter((backend) => backend === 'nftables'))('the printed table, %s', (backend) => {
  test('replaced as fast as nft can, lets nothing pass and loses nothing', async () => {
    await using world = await World.create('printed', backend)
    const texts = [await printed(world, 0), await printed(world, 1)]
    await world.pods.a.run(['nft', '-f', '-'], texts[0])
    const traffic = await world.startTraffic(PACKETS_PER_SECOND)
    const marks = await traffic.mark()
    const times = await replaceInTurn(world.pods.a, texts)
    expect(times).toBeGreaterThan(300)
    await traffic.expectNoGap(`replaced ${times} times`, marks)
  })
})

/** What `mnpd compile` prints for `a`, of policies that differ by version. */
async function printed({ manifests }: World, version: number): Promise<string> {
  const ghost = { podSelector: { matchLabels: { app: `g${version}` } } }
  await manifests.save('policies', [governA('p', { rules: [{ peers: [OK, ghost] }] })])
  const flags = [`--manifests=${manifests.directory}`, '--hostname-override=n1', '--pod=x/a']
  return (await execa(MNPD, ['compile', ...flags])).stdout
}

/** One nft, which commits each file as one transaction. @returns how often it did */
async function replaceInTurn(pod: Pod, texts: readonly string[]): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'mnpd-printed-'))
  const files = texts.map((_, index) => join(directory, `${index}.nft`))
  await Promise.all(texts.map((text, index) => writeFile(files[index] ?? '', text)))
  const nft = spawn('nsenter', [`--net=${pod.netns}`, 'nft', '-i'], { stdio: ['pipe', 'ignore', 'inherit'] })
  const exit = once(nft, 'exit')
  await using monitor = await RulesMonitor.start(pod)
  const end = performance.now() + REPLACED_FOR_MS
  for (let told = 0; performance.now() < end; told += files.length) {
    nft.stdin.write(files.map((file) => `include "${file}"\n`).join(''))
    await monitor.committed(told - AHEAD)
  }
  nft.stdin.end()
  await exit
  await rm(directory, { recursive: true })
  return monitor.commits
}
