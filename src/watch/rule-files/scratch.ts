/** Rules loaded for real where nothing else is: what the kernel takes here, it takes in a pod. */
import { jump, parseListing, type Statement, sameTable, Transaction } from 'nftables-json'
import type { Family } from '../../compile/address.ts'
import { restoreText } from '../../compile/custom/iptables.ts'
import { printCustomRules } from '../../compile/custom/print.ts'
import type { CustomRule, IptablesRule } from '../../compile/custom/rules.ts'
import { type Ended, runInScratchNetns } from './process.ts'

export type Loaded<T> =
  | { readonly kind: 'loaded'; readonly value: T }
  /** The tool or the kernel says no to one of them. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** The tool could not be used at all: it says nothing of the rules. */
  | { readonly kind: 'failed'; readonly reason: string }

/** @param rules in nft's text, made sure by `parseNftLine`. @returns each as nft lists it. */
export async function listBack(
  rules: readonly string[],
  signal: AbortSignal,
): Promise<Loaded<readonly (readonly Statement[])[]>> {
  const lines = rules.map((rule, index) => `add rule inet scratch c ${rule} comment "${index}"`)
  const script = ['add table inet scratch', 'add chain inet scratch c', ...lines, ''].join('\n')
  const ended = await runInScratchNetns('nft', ['-j', '-e', '-f', '-'], script, signal)
  const problem = problemOf(ended)
  return problem ?? readEcho(printedBy(ended), rules.length)
}

/**
 * The rules as a pod's table would have them. One that the kernel then lists as something else is refused too: whoever
 * compares the pod's table with what it should be would never be done.
 */
export async function loadPrinted(
  rules: readonly CustomRule[],
  signal: AbortSignal,
): Promise<Loaded<undefined>> {
  const transaction = new Transaction()
  const table = transaction.replaceTable({ family: 'inet', name: 'scratch' })
  table.addChain({ name: 'c' })
  printCustomRules(table, 'c', rules)
  const hooks = ['input', 'forward', 'output'] as const
  for (const hook of hooks)
    table.addChain({ name: hook, hook: { type: 'filter', hook, prio: 0, policy: 'accept' } })
  for (const hook of hooks) table.addRule(hook, [jump('c')])
  const ended = await runInScratchNetns('sh', ['-c', LOAD_AND_LIST], JSON.stringify(transaction), signal)
  const problem = problemOf(ended)
  if (problem !== undefined) return problem
  const [standing] = parseListing(printedBy(ended)).tables
  return standing !== undefined && sameTable(standing, table.contents)
    ? { kind: 'loaded', value: undefined }
    : { kind: 'refused', reason: 'is listed by the kernel as something else than was written' }
}

/** Both in one namespace. Nothing of a file is in the words that the shell sees. */
const LOAD_AND_LIST = 'nft -j -f - && exec nft -j list table inet scratch'

/** Committed, not only tested: `--test` takes rules that the kernel then refuses. */
export async function loadIptables(
  rules: readonly IptablesRule[],
  family: Family,
  signal: AbortSignal,
): Promise<Loaded<undefined>> {
  const lines = rules.map((rule) => `-A C ${restoreText(rule)}`)
  const script = ['*filter', ':C - [0:0]', ...lines, 'COMMIT', ''].join('\n')
  const program = family === 4 ? 'iptables-restore' : 'ip6tables-restore'
  const ended = await runInScratchNetns(program, [], script, signal)
  return problemOf(ended) ?? { kind: 'loaded', value: undefined }
}

const printedBy = (ended: Ended): string => (ended.kind === 'exited' ? ended.stdout : '')

function problemOf(ended: Ended): Exclude<Loaded<never>, { kind: 'loaded' }> | undefined {
  if (ended.kind === 'failed') return ended
  if (ended.code === 0) return undefined
  const line = ended.stderr.split('\n').find((each) => each.trim() !== '') ?? `exit code ${ended.code}`
  if (line.startsWith('unshare: ')) return { kind: 'failed', reason: line }
  const said = line.replace(/^\S+:[0-9:-]+ Error: |^Error: |^ip6?tables-restore v\S+ \(\w+\): /, '').trim()
  return { kind: 'refused', reason: said === '' ? `exit code ${ended.code}` : said }
}

/** With `-e` nft prints what the kernel took, each under `add`. */
function readEcho(printed: string, count: number): Loaded<readonly (readonly Statement[])[]> {
  if (!printed.startsWith('{')) return { kind: 'failed', reason: 'nft printed nothing of the rules' }
  const root: unknown = JSON.parse(printed)
  const objects: readonly unknown[] = Object(root)['nftables'] ?? []
  const listing = parseListing({ nftables: objects.map((object) => Object(object)['add'] ?? object) })
  const rules = listing.tables[0]?.chains[0]?.rules ?? []
  const inOrder = rules.every(({ comment }, index) => comment === String(index))
  return rules.length === count && inOrder
    ? { kind: 'loaded', value: rules.map(({ expr }) => expr) }
    : { kind: 'failed', reason: `nft listed ${rules.length} rules for ${count} lines` }
}
