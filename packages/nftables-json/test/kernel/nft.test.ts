/** What this package holds of nft, asked of nft itself: where a newer one differs, a test here says so. */
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { accept, counter, match, nameProblem, payload, Transaction, toText } from '../../src/index.ts'
import { RESERVED_WORDS } from '../../src/reserved.ts'
import { TABLE } from '../constructs.ts'
import { committed, scratchNetns } from './scratch.ts'

const scratch = scratchNetns('nft')
const FRESH = [{ add: { table: TABLE } }, { delete: { table: TABLE } }, { add: { table: TABLE } }]
const IN = { family: 'inet', table: TABLE.name }

/** What nft says to the commands as JSON, in a table of its own. */
async function load(...commands: object[]): Promise<string> {
  const json = JSON.stringify({ nftables: [...FRESH, ...commands] })
  const { stderr } = await execa('nsenter', [`--net=${scratch.path}`, 'nft', '-j', json], { reject: false })
  return stderr.trim()
}

const chain = (name: string, more = {}): object => ({ add: { chain: { ...IN, name, ...more } } })
const rule = (expr: object[], more = {}): object => ({ add: { rule: { ...IN, chain: 'c', expr, ...more } } })
const NO_SUCH_FILE = 'internal:0:0-0: Error: Could not process rule: No such file or directory'

describe('the order of references', () => {
  test('a chain must be there before what jumps to it', async () => {
    expect(await load(chain('c'), rule([{ jump: { target: 'd' } }]), chain('d'))).toBe(NO_SUCH_FILE)
  })

  test('a set must be there before the rule that names it', async () => {
    const names = { op: '==', left: { payload: { protocol: 'ip', field: 'saddr' } }, right: '@s' }
    const set = { add: { set: { ...IN, name: 's', type: 'ipv4_addr' } } }
    expect(await load(chain('c'), rule([{ match: names }]), set)).toContain('No such file or directory')
    expect(await load(chain('c'), set, rule([{ match: names }]))).toBe('')
  })

  test('a chain must be there before the element that leads to it', async () => {
    const map = { name: 'm', type: 'ifname', map: 'verdict', elem: [['x', { jump: { target: 'c' } }]] }
    expect(await load({ add: { map: { ...IN, ...map } } }, chain('c'))).toBe(NO_SUCH_FILE)
  })

  test('a base chain cannot be jumped to', async () => {
    const base = chain('base', { type: 'filter', hook: 'input', prio: 0 })
    expect(await load(chain('c'), base, rule([{ jump: { target: 'base' } }]))).toContain('not supported')
  })
})

describe('names', () => {
  test('have at most 255 bytes', async () => {
    expect(await load(chain('x'.repeat(255)))).toBe('')
    expect(await load(chain('x'.repeat(256)))).toContain('Numerical result out of range')
  })

  test('can be anything in JSON, which text could not load again', async () => {
    expect(await load(chain(''))).toBe('')
    expect(await load(chain('a b'))).toBe('')
    expect([nameProblem(''), nameProblem('a b')]).not.toContain(undefined)
  })

  test('cannot be words of nft in text', async () => {
    const asNames = [...RESERVED_WORDS].map((word) => `add chain inet t ${word}`)
    for (const command of asNames) {
      await expect(scratch.nft(['--check', '-f', '-'], `add table inet t; ${command}`)).rejects.toThrow(
        'syntax error',
      )
    }
  })

  test('that are taken are good in text', async () => {
    const transaction = new Transaction()
    const table = transaction.replaceTable(TABLE)
    for (const name of ['a/b', 'a.b', 'a-b', 'a_b', 'input', 'A1', 'x'.repeat(255)]) table.addChain({ name })
    await scratch.nft(['-f', '-'], toText(transaction.commands))
  })
})

describe('comments', () => {
  test('have at most 128 bytes in text, and JSON does not look before the kernel does', async () => {
    const text = (length: number): string => `add table inet t { comment "${'x'.repeat(length)}"; }`
    await scratch.nft(['--check', '-f', '-'], text(128))
    await expect(scratch.nft(['--check', '-f', '-'], text(129))).rejects.toThrow('128 characters maximum')
    expect(await load(chain('c'), rule([{ accept: null }], { comment: 'x'.repeat(253) }))).toBe('')
    expect(await load(chain('c'), rule([{ accept: null }], { comment: 'x'.repeat(254) }))).toContain('Memory')
  })

  test('of rules, elements and counters are kept by JSON; those of tables, chains and sets are not', async () => {
    const comment = 'kept'
    const elem = [{ elem: { val: '10.0.0.1', comment } }]
    await load(
      { add: { table: { ...TABLE, comment } } },
      chain('c', { comment }),
      rule([{ accept: null }], { comment }),
      { add: { set: { ...IN, name: 's', type: 'ipv4_addr', comment, elem } } },
      { add: { counter: { ...IN, name: 'k', comment } } },
    )
    const [table] = (await scratch.list()).tables
    const kept = [table?.chains[0]?.rules[0]?.comment, table?.sets[0]?.elem?.[0], table?.counters[0]?.comment]
    expect(kept).toEqual([comment, elem[0], comment])
    expect([table?.comment, table?.chains[0]?.comment, table?.sets[0]?.comment]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })
})

describe('interval sets', () => {
  test('take no overlap by JSON, even with auto-merge, which 1.0.6 ignores', async () => {
    const elem = [{ prefix: { addr: '10.0.0.0', len: 8 } }, { prefix: { addr: '10.1.0.0', len: 16 } }]
    const set = { name: 's', type: 'ipv4_addr', flags: ['interval'], 'auto-merge': true, elem }
    expect(await load({ add: { set: { ...IN, ...set } } })).toContain('conflicting intervals specified')
  })
})

describe('matches on neighbouring fields', () => {
  const sport = payload('tcp', 'sport')
  const dport = payload('tcp', 'dport')

  /** The instructions that the kernel is given for a rule. */
  async function compiled(text: string): Promise<string> {
    return await scratch.nft(['--check', '--debug=netlink', '-f', '-'], text)
  }

  async function compiledRule(...expr: Parameters<typeof match>[]): Promise<string> {
    const transaction = new Transaction()
    const table = transaction.replaceTable(TABLE)
    table.addChain({ name: 'c' })
    table.addRule('c', [...expr.map((parts) => match(...parts)), accept])
    return await compiled(toText(transaction.commands))
  }

  test('are joined by nft, which makes "neither" into "not both"', async () => {
    const text = 'table inet t { chain c { tcp sport != 5 tcp dport != 7 accept; }; }'
    expect(await compiled(text)).toContain('payload load 4b @ transport header + 0')
  })

  test('are kept apart here where it matters, and joined where it is right', async () => {
    const joined = 'payload load 4b @ transport header + 0'
    expect(await compiledRule([sport, 5, '!='], [dport, 7, '!='])).not.toContain(joined)
    expect(await compiledRule([sport, 5], [dport, 7])).toContain(joined)
  })

  test('stay on their side of a counter', async () => {
    const transaction = new Transaction()
    const table = transaction.replaceTable(TABLE)
    table.addChain({ name: 'c' })
    table.addRule('c', [match(dport, 5), counter(), match(sport, 7), accept])
    await committed(scratch, transaction)
    expect(await scratch.nft(['list', 'chain', 'inet', TABLE.name, 'c'])).toContain(
      'tcp dport 5-5 counter packets 0 bytes 0 tcp sport 7-7 accept',
    )
  })
})
