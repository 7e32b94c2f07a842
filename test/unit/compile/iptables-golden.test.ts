/**
 * For each `golden/NAME.yaml`, `NAME.iptables` and `NAME.ip6tables` are the rules of its pods by iptables, to be read by people.
 * A missing golden fails. UPDATE_GOLDEN=1 writes them anew: read the difference before you commit it.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Family } from '../../../src/compile/address.ts'
import { Cluster } from '../../../src/compile/cluster.ts'
import { compile } from '../../../src/compile/compile.ts'
import { NO_CUSTOM_RULES } from '../../../src/compile/custom/rules.ts'
import { printIptables } from '../../../src/compile/iptables/printer.ts'
import { familyText } from '../../../src/compile/iptables/text.ts'
import { NO_EXEMPTIONS } from '../../../src/compile/ruleset.ts'
import { parseManifest } from '../../../src/watch/manifests/file.ts'

const FOLDER = join(import.meta.dirname, 'golden')
const ENDINGS = [
  ['iptables', 4],
  ['ip6tables', 6],
] as const

describe('a cluster becomes these rules of iptables', () => {
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'))) {
    test.each(ENDINGS)(`${file}: %s`, async (ending, family) => {
      const golden = join(FOLDER, file.replace('.yaml', `.${ending}`))
      const printed = await print(file, family)
      if (process.env['UPDATE_GOLDEN']) writeFileSync(golden, printed)
      expect(existsSync(golden), `${golden} is missing`).toBe(true)
      expect(printed).toBe(readFileSync(golden, 'utf8'))
    })
  }
})

async function print(file: string, family: Family): Promise<string> {
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
  return [...compile(cluster, options).targets]
    .map(([pod, { ruleset }]) =>
      ruleset === undefined
        ? `# ${pod}: no policy governs it\n`
        : `# ${pod}\n${familyText(printIptables(ruleset), family)}`,
    )
    .join('\n')
}
