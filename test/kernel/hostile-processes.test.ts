/**
 * What the daemon starts: a fixed vocabulary of programs and arguments, whatever tenants write. Their text goes to standard
 * input as data, and nowhere else. Programs are stood in for by scripts that note their arguments and then become the real one.
 */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { execa } from 'execa'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DaemonProcess } from '../daemon.ts'
import { Lab } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'
import { type KubeObject, Manifests, podObject } from '../manifests.ts'
import { seed } from '../seed.ts'
import { hostileCluster } from '../unit/hostile/objects.ts'
import { rulesOf } from './no-gap/backends.ts'

const PROGRAMS = ['nsenter', 'unshare', 'nft', 'sh', 'ip', 'conntrack', 'ss', 'ipset']

/** Every argument is one of these. */
const VOCABULARY: readonly RegExp[] = [
  /^--net=\/proc\/\d+\/fd\/\d+$/,
  /^\/proc\/\d+\/fd\/\d+$/,
  /^(?:nsenter|nft|ip|ss|conntrack|ipset|ip6?tables(?:-nft|-legacy)?(?:-save|-restore)?)$/,
  /^-(?:j|f|c|t|u|a|n|H|O|)$/,
  /^(?:--net|-details|echo ready; exec cat)$/,
  /^(?:list|tables?|chains|inet|ip6?|filter|nat|save|restore|destroy|-exist|link|address|show|sh|-json)$/,
  /^(?:--version|--noflush|--wait=\d+|--load-file|multi_networkpolicy)$/,
  /^\{"nftables":\[\{"list":\{"table":\{"family":"inet","name":"multi_networkpolicy"\}\}\}\]\}$/,
  /^echo 1000 2>&- >\/proc\/self\/oom_score_adj; ulimit -d \d+; ulimit -t \d+; exec "\$@"$/,
  /^for path; do nsenter --net="\$path" ip -json address show \|\| echo; done$/,
]

let lab: Lab
let pod: Pod
let directory: string

beforeAll(async () => {
  lab = await Lab.create('argv')
  await lab.segment('red')
  const names = ['x"; flush', '$(id)`id`', "';id;'", '@x', '-f', '--help'].filter((name) => !/\s/.test(name))
  const attach = (each: string, n: number) => ({
    segment: 'red',
    interface: each,
    addresses: [`10.1.0.${n + 1}/24`],
  })
  pod = await lab.pod('pod1', names.map(attach))
  directory = await mkdtemp(join(tmpdir(), 'mnpd-argv-'))
  for (const program of PROGRAMS) {
    const { stdout: real } = await execa('which', [program])
    const note = `for each; do printf '%s\\0' "$each"; done >>'${directory}/noted'`
    await writeFile(join(directory, program), `#!/bin/dash\n${note}\nexec ${real} "$@"\n`)
    await chmod(join(directory, program), 0o755)
  }
})
afterAll(async () => {
  await lab?.[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

describe.each(['nftables', 'iptables'] as const)('%s', (backend) => {
  test('no argument holds what a tenant wrote', { timeout: 180_000 }, async () => {
    await using manifests = await Manifests.create()
    const own = podObject(pod, { namespace: 'x', networks: { red: 'x/red' } })
    await writeFile(join(directory, 'noted'), '')
    const flags = [`--manifests=${manifests.directory}`, '--hostname-override=n1', '--log-level=debug']
    const env = { PATH: `${directory}${delimiter}${process.env['PATH']}` }
    await using daemon = await DaemonProcess.start([...flags, `--backend=${backend}`, '--sync-period=1'], env)
    for (const [n, { objects }] of fc.sample(hostileCluster(), { seed, numRuns: 11 }).entries()) {
      const seen = daemon.log.length
      await manifests.save('cluster', [...(n % 2 === 0 ? [own] : []), ...(objects as KubeObject[])])
      await daemon.settled(seen, 60_000)
    }
    const words = (await readFile(join(directory, 'noted'), 'utf8')).split('\0').slice(0, -1)
    expect(words.length).toBeGreaterThan(20)
    const unknown = words.filter((word) => !VOCABULARY.some((known) => known.test(word)))
    expect([...new Set(unknown)]).toEqual([])
    expect(await rulesOf(pod, backend)).toContain('no policy allows it')
    await pod.run(['sh', '-c', 'nft flush ruleset'])
  })
})
