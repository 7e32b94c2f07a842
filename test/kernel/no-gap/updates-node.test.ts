/**
 * What the operator of a node edits, under traffic: the files of custom rules, live, and the flags, by a restart. No
 * forbidden packet passes and no allowed one is lost.
 */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../../lab/clock.ts'
import { BACKENDS, RulesMonitor, rulesOf, withoutCounters } from './backends.ts'
import { ALLOW_OK, World } from './world.ts'

const PACKETS_PER_SECOND = 5000
const EDITS = { nftables: 60, iptables: 30 } as const
const FILES = ['v4-ingress', 'v4-egress', 'v6-ingress', 'v6-egress'] as const
/** A start takes seconds on a busy machine. */
const RESTARTS_TIMEOUT_MS = 180_000

describe.each(BACKENDS)('edits on the node under traffic, %s', (backend) => {
  let world: World
  let directory: string
  const path = (file: string): string => join(directory, `${file}.rules`)
  const ruleFiles = (): readonly string[] => FILES.map((file) => `--custom-${file}-rule-file=${path(file)}`)

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rule-files-'))
    for (const file of FILES) await save(file, rules(file, 0))
    world = await World.create('node-edits', backend)
    await world.manifests.save('policies', [ALLOW_OK])
    await world.startDaemon(ruleFiles())
    await world.startTraffic(PACKETS_PER_SECOND)
  })
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  })

  async function save(file: string, text: string): Promise<void> {
    await writeFile(`${path(file)}.new`, text)
    await rename(`${path(file)}.new`, path(file))
  }

  test(`${EDITS[backend]} edits of the rule files leave no gap`, async () => {
    const { a } = world.pods
    await using monitor = await RulesMonitor.start(a)
    const marks = await world.traffic.mark()
    for (let number = 1; number <= EDITS[backend]; number++) {
      const file = FILES[number % FILES.length] ?? 'v4-ingress'
      await save(file, rules(file, number))
      const isThere = async (): Promise<true | undefined> =>
        (await rulesOf(a, backend)).includes(hostOf(number)) || undefined
      await until(`edit ${number} stands`, 20_000, isThere, 5)
    }
    await world.traffic.expectNoGap(`rule files, ${EDITS[backend]} edits, ${monitor.commits} commits`, marks)
    expect(monitor.commits).toBeGreaterThanOrEqual(EDITS[backend])
  })

  test('a restart with other flags leaves no gap', { timeout: RESTARTS_TIMEOUT_MS }, async () => {
    const { a } = world.pods
    const marks = await world.traffic.mark()
    const flags: readonly (readonly string[])[] = [
      [],
      ['--accept-icmp', '--accept-icmpv6'],
      ['--allow-ipv6-src-prefix=fe80::/10', '--allow-ipv6-dst-prefix=fe80::/10,ff00::/8'],
      [...ruleFiles(), '--log-drops'],
      ['--network-plugins=macvlan,ipvlan', '--accept-icmp'],
      ruleFiles(),
    ]
    for (const set of flags) {
      const before = withoutCounters(await rulesOf(a, backend))
      await world.daemon.stop('SIGTERM')
      await world.startDaemon(set)
      expect(withoutCounters(await rulesOf(a, backend))).not.toBe(before)
    }
    await world.traffic.expectNoGap(`${flags.length} restarts with other flags`, marks)
  })
})

/** Lets in, or out, whom nobody is; each third time in the words of nft. */
function rules(file: (typeof FILES)[number], number: number): string {
  const [family, direction] = file.split('-')
  const host = family === 'v4' ? `192.0.2.${number}/32` : `2001:db8::${number}/128`
  const [end, words] = direction === 'ingress' ? ['-s', 'saddr'] : ['-d', 'daddr']
  const nft = [`tcp dport ${1000 + number} ${family === 'v4' ? 'ip' : 'ip6'} ${words} ${host} accept`]
  return number % 3 === 0 ? `${nft.join('\n')}\n` : `# edit ${number}\n${end} ${host} -j ACCEPT\n`
}

/** As the rules of the edit of that number show it. */
function hostOf(number: number): string {
  return (FILES[number % FILES.length] ?? '').startsWith('v4') ? `192.0.2.${number}` : `2001:db8::${number}`
}
