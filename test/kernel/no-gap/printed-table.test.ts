/**
 * The rules as the product prints them, replaced by another version of them as fast as the backend's program can, for some
 * seconds: what takes thousands of edits to show, shows here. Packets are on their way through the old rules when the new
 * ones are committed.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MNPD } from '../../daemon.ts'
import type { Pod } from '../../lab/pod.ts'
import { BACKENDS, type Backend, RulesMonitor } from './backends.ts'
import { governA, OK, World } from './world.ts'

const PACKETS_PER_SECOND = 6000
const REPLACED_FOR_MS = 6000
const LEAST_TIMES = 150
/** How many transactions the programs are told of before they have done the first. */
const AHEAD = 20

type Command = readonly [string, ...string[]]

/** What loads the printed text where nothing stands; and what replaces it, for as long as it is told to, by one of some inputs. */
interface Replacing {
  readonly load: readonly Command[]
  readonly replace: readonly Command[]
  readonly inputs: readonly string[]
}

describe.each(BACKENDS)('the printed rules, %s', (backend) => {
  let directory: string

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mnpd-printed-'))
  })
  afterAll(async () => await rm(directory, { recursive: true }))

  test('replaced as fast as can be, let nothing pass and lose nothing', async () => {
    await using world = await World.create('printed', backend)
    const texts = [await printed(world, 0), await printed(world, 1)] as const
    const replacing = await replacingBy(backend, texts, directory)
    for (const command of replacing.load) await world.pods.a.run(command, texts[0])
    const traffic = await world.startTraffic(PACKETS_PER_SECOND)
    const marks = await traffic.mark()
    const times = await replaceInTurn(world.pods.a, replacing)
    expect(times).toBeGreaterThan(LEAST_TIMES)
    await traffic.expectNoGap(`replaced ${times} times`, marks)
  })
})

/** What `mnpd compile` prints for `a`, of policies that differ by version. */
async function printed({ manifests, backend }: World, version: number): Promise<string> {
  const ghost = { podSelector: { matchLabels: { app: `g${version}` } } }
  await manifests.save('policies', [governA('p', { rules: [{ peers: [OK, ghost] }] })])
  const flags = [`--manifests=${manifests.directory}`, '--hostname-override=n1', '--pod=x/a']
  return (await execa(MNPD, ['compile', `--backend=${backend}`, ...flags])).stdout
}

/** @param directory for files of the text */
async function replacingBy(
  backend: Backend,
  texts: readonly string[],
  directory: string,
): Promise<Replacing> {
  switch (backend) {
    case 'nftables': {
      const files = texts.map((_, index) => join(directory, `${index}.nft`))
      await Promise.all(texts.map((text, index) => writeFile(files[index] ?? '', text)))
      const inputs = files.map((file) => `include "${file}"\n`)
      return { load: [['nft', '-f', '-']], replace: [['nft', '-i']], inputs }
    }
    case 'iptables': {
      const restores: readonly Command[] = (['iptables', 'ip6tables'] as const).map((command) => [
        `${command}-restore`,
        '--noflush',
      ])
      // The jumps stand from the first time; the chains are emptied and filled again.
      return {
        load: restores,
        replace: restores,
        inputs: texts.map((text) => `${text.replaceAll(/^-I .*\n/gm, '')}\n`),
      }
    }
    default:
      return backend satisfies never
  }
}

/** By one process of each command, which commits each input as one transaction. @returns how often they did */
async function replaceInTurn(pod: Pod, { replace, inputs }: Replacing): Promise<number> {
  const processes = replace.map((command) =>
    spawn('nsenter', [`--net=${pod.netns}`, ...command], { stdio: ['pipe', 'ignore', 'inherit'] }),
  )
  const exits = processes.map((process) => once(process, 'exit'))
  await using monitor = await RulesMonitor.start(pod)
  const end = performance.now() + REPLACED_FOR_MS
  for (let told = 0; performance.now() < end; told += inputs.length * processes.length) {
    for (const { stdin } of processes) stdin.write(inputs.join(''))
    await monitor.committed(told - AHEAD)
  }
  for (const { stdin } of processes) stdin.end()
  for (const [code] of await Promise.all(exits)) expect(code).toBe(0)
  return monitor.commits
}
