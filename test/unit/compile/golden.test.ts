/**
 * Each `golden/NAME.yaml` is a cluster, `golden/NAME.nft` the rules of its pods and the Issues, to be read by people.
 * A missing golden fails. UPDATE_GOLDEN=1 writes them anew: read the difference before you commit it.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { toText } from 'nftables-json'
import { describe, expect, test } from 'vitest'
import { Cluster } from '../../../src/compile/cluster.ts'
import { compile } from '../../../src/compile/compile.ts'
import { NO_CUSTOM_RULES } from '../../../src/compile/custom/rules.ts'
import { printNftables } from '../../../src/compile/nftables/printer.ts'
import { NO_EXEMPTIONS } from '../../../src/compile/ruleset.ts'
import { describeIssue } from '../../../src/issue-log.ts'
import { parseManifest } from '../../../src/watch/manifests/file.ts'

const FOLDER = join(import.meta.dirname, 'golden')

describe('a cluster becomes these rules', () => {
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'))) {
    test(file, async () => {
      const golden = join(FOLDER, file.replace('.yaml', '.nft'))
      const printed = await print(file)
      if (process.env['UPDATE_GOLDEN']) writeFileSync(golden, printed)
      expect(existsSync(golden), `${golden} is missing`).toBe(true)
      expect(printed).toBe(readFileSync(golden, 'utf8'))
    })
  }
})

async function print(file: string): Promise<string> {
  const content = await parseManifest(file, readFileSync(join(FOLDER, file), 'utf8'), 'n1')
  if (content.kind !== 'parsed') throw new Error(`${file}: ${content.kind}`)
  const cluster = new Cluster()
  for (const object of content.objects) cluster.apply({ kind: 'changed', object })
  const options = {
    node: undefined,
    networkPlugins: new Set(['macvlan']),
    exemptions: NO_EXEMPTIONS,
    custom: NO_CUSTOM_RULES,
    logDrops: false,
  }
  const { targets, issues } = compile(cluster, options)
  const pods = [...targets].map(([pod, { ruleset }]) =>
    ruleset === undefined
      ? `# ${pod}: no policy governs it\n`
      : `# ${pod}\n${toText(printNftables(ruleset).transaction.commands)}`,
  )
  const all = [...content.issues, ...issues].map((issue) => `# ! ${describeIssue(issue)}\n`)
  return [...pods, all.join('')].join('\n')
}
