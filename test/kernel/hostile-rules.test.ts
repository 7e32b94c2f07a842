/**
 * Made-up hostile clusters, printed for both backends and loaded into a network namespace of their own: the kernel takes
 * them, lists what was printed, and holds nothing else afterwards. Many rulesets a process, since each is small.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { execa } from 'execa'
import fc from 'fast-check'
import { parseListing, sameTable } from 'nftables-json'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FAMILIES } from '../../src/compile/address.ts'
import { parseSaved } from '../../src/compile/iptables/listing.ts'
import { isOurChain } from '../../src/compile/iptables/names.ts'
import { printIptables } from '../../src/compile/iptables/printer.ts'
import { setsText } from '../../src/compile/iptables/set.ts'
import { standsAs } from '../../src/compile/iptables/standing.ts'
import { familyText } from '../../src/compile/iptables/text.ts'
import { printNftables } from '../../src/compile/nftables/printer.ts'
import type { Ruleset } from '../../src/compile/ruleset.ts'
import { clusterOf, compileAll } from '../product.ts'
import { seed } from '../seed.ts'
import { hostileCluster } from '../unit/hostile/objects.ts'

const CLUSTERS = 250

let directory: string
let rulesets: readonly Ruleset[]

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mnpd-hostile-'))
  rulesets = fc
    .sample(hostileCluster(), { seed, numRuns: CLUSTERS })
    .flatMap(({ objects }) => [...compileAll(clusterOf(objects), ['macvlan']).targets.values()])
    .flatMap(({ ruleset }) => ruleset ?? [])
})
afterAll(async () => await rm(directory, { recursive: true, force: true }))

/** The script is run with the files' directory as `$1`, in a namespace that is gone afterwards. */
async function inScratch(script: string, name: string, files: ReadonlyMap<string, string>): Promise<string> {
  const own = join(directory, name)
  await mkdir(own)
  for (const [file, text] of files) await writeFile(join(own, file), text)
  await execa('unshare', ['--net', 'sh', '-euc', script, 'sh', own], { stderr: 'inherit' })
  return own
}

test('there is something to load', () => {
  expect(rulesets.length).toBeGreaterThan(CLUSTERS)
})

test('nftables', { timeout: 300_000 }, async () => {
  const printed = rulesets.map((ruleset) => printNftables(ruleset))
  const files = printed.map(({ transaction }, n) => [`${n}.in`, JSON.stringify(transaction)] as const)
  const script = 'cd "$1"; for f in *.in; do nft -j -f "$f"; nft -j list ruleset >"${f%.in}.out"; done'
  const own = await inScratch(script, 'nftables', new Map(files))
  for (const [n, { table }] of printed.entries()) {
    const { tables } = parseListing(await readFile(join(own, `${n}.out`), 'utf8'))
    expect(tables.map(({ family, name }) => `${family} ${name}`)).toEqual(['inet multi_networkpolicy'])
    const [listed] = tables
    const same = listed !== undefined && table !== undefined && sameTable(listed, table)
    expect(same, inspect(rulesets[n], { depth: 9 })).toBe(true)
  }
})

describe.each(['nft', 'legacy'])('iptables-%s', (variant) => {
  test.each(FAMILIES)('of IPv%s', { timeout: 300_000 }, async (family) => {
    const [command, name] = [family === 4 ? 'iptables' : 'ip6tables', `${variant}${family}`]
    const printed = rulesets.map((ruleset) => printIptables(ruleset))
    const files = printed.flatMap((all, n) => [
      [
        `${n}.in`,
        familyText(all, family).replace(/^# ipset restore\n[\s\S]*# iptables-restore\n/, ''),
      ] as const,
      [`${n}.set`, setsText(all.filters[family].sets)] as const,
    ])
    const program = `${command}-${variant}`
    // Without --noflush the chains of before go; the sets that they named can go after them.
    const script = [
      'cd "$1"; for f in *.in; do n="${f%.in}"',
      `printf '*filter\\nCOMMIT\\n' | ${program}-restore; ipset destroy`,
      `ipset restore <"$n.set"; ${program}-restore <"$f"; ${program}-save >"$n.out"; done`,
    ].join('; ')
    const own = await inScratch(script, name, new Map(files))
    for (const [n, { filters }] of printed.entries()) {
      const saved = parseSaved(await readFile(join(own, `${n}.out`), 'utf8'))
      expect([...saved.tables.keys()]).toEqual(['filter'])
      const filter = saved.tables.get('filter') ?? new Map()
      const foreign = [...filter.keys()].filter((chain) => !isOurChain(chain))
      expect(foreign).toEqual(['INPUT', 'FORWARD', 'OUTPUT'])
      expect(standsAs(filter, filters[family]), inspect(rulesets[n], { depth: 9 })).toBe(true)
    }
  })
})
