import { describe, expect, test } from 'vitest'
import { Transaction } from '../../src/index.ts'
import { listTable, type ProcessResult, type RunProcess, run } from '../../src/run.ts'

const EXAMPLE = { family: 'inet', name: 'example' } as const
const transaction = new Transaction()
transaction.deleteTable(EXAMPLE)

/** A runner that ends so, and what it was asked to run. */
function ending(result: ProcessResult): { readonly runProcess: RunProcess; readonly asked: unknown[] } {
  const asked: unknown[] = []
  const runProcess: RunProcess = async (...all) => {
    asked.push(all)
    return result
  }
  return { runProcess, asked }
}

const exited = (code: number, stderr: string, stdout = ''): ProcessResult => ({
  kind: 'exited',
  code,
  stdout,
  stderr,
})

describe('run', () => {
  test('gives nft the transaction on its standard input', async () => {
    const { runProcess, asked } = ending(exited(0, ''))
    expect(await run(transaction, { runProcess })).toEqual({ kind: 'done' })
    const input = JSON.stringify({ nftables: [{ add: { table: EXAMPLE } }, { delete: { table: EXAMPLE } }] })
    expect(asked).toEqual([['nft', ['-j', '-f', '-'], { input, timeoutMs: 30_000 }]])
  })

  test('enters the netns, checks, and waits as long as it is told', async () => {
    const { runProcess, asked } = ending(exited(0, ''))
    const { signal } = new AbortController()
    await run(transaction, { runProcess, netns: '/n', check: true, nft: '/x/nft', timeoutMs: 5, signal })
    expect(asked).toEqual([
      [
        'nsenter',
        ['--net=/n', '/x/nft', '--check', '-j', '-f', '-'],
        expect.objectContaining({ timeoutMs: 5, signal }),
      ],
    ])
  })

  test.each<[string, ProcessResult, object]>([
    [
      'refused when nft says no',
      exited(1, '\ninternal:0:0-0: Error: No such file\n\nmore\n'),
      { kind: 'refused', reason: 'nsenter --net=/n nft -j -f -: internal:0:0-0: Error: No such file' },
    ],
    [
      'failed when nft breaks',
      exited(2, ''),
      { kind: 'failed', reason: 'nsenter --net=/n nft -j -f -: exit code 2' },
    ],
    [
      'failed when nsenter may not',
      exited(1, "nsenter: reassociate to namespace 'ns/net' failed: Operation not permitted"),
      { kind: 'failed' },
    ],
    [
      'failed when nsenter finds no nft',
      exited(127, 'nsenter: failed to execute nft: No such file or directory'),
      { kind: 'failed' },
    ],
    [
      'failed when busybox finds no nft',
      exited(127, "nsenter: can't execute 'nft': No such file or directory"),
      { kind: 'failed' },
    ],
    ['netns-gone', exited(1, 'nsenter: cannot open /n: No such file or directory'), { kind: 'netns-gone' }],
    [
      'netns-gone by busybox',
      exited(1, "nsenter: can't open '/n': No such file or directory"),
      { kind: 'netns-gone' },
    ],
    [
      'netns-gone when it is none',
      exited(1, "nsenter: reassociate to namespace 'ns/net' failed: Invalid argument"),
      { kind: 'netns-gone' },
    ],
    [
      'failed when it was not run to its end',
      { kind: 'failed', reason: 'ran longer than 5 ms' },
      { kind: 'failed', reason: 'nsenter --net=/n nft -j -f -: ran longer than 5 ms' },
    ],
  ])('is %s', async (_, ended, expected) => {
    expect(await run(transaction, { netns: '/n', runProcess: ending(ended).runProcess })).toMatchObject(
      expected,
    )
  })
})

describe('listTable', () => {
  test('asks for the table as data', async () => {
    const { runProcess, asked } = ending(exited(0, '', '{"nftables":[]}'))
    expect(await listTable(EXAMPLE, { runProcess })).toEqual({
      kind: 'listed',
      listing: { tables: [], unknown: [] },
    })
    const command = '{"nftables":[{"list":{"table":{"family":"inet","name":"example"}}}]}'
    expect(asked).toEqual([['nft', ['-j', command], { timeoutMs: 30_000 }]])
  })

  test.each<[string, ProcessResult, object]>([
    ['absent', exited(1, 'internal:0:0-0: Error: No such file or directory\n\n'), { kind: 'absent' }],
    ['failed when nft says something else', exited(1, 'Error: Operation not permitted'), { kind: 'failed' }],
    [
      'failed when nft prints nothing',
      exited(0, '', ''),
      { kind: 'failed', reason: expect.stringContaining('no listing') },
    ],
    ['netns-gone', exited(1, 'nsenter: cannot open /n: No such file or directory'), { kind: 'netns-gone' }],
  ])('is %s', async (_, ended, expected) => {
    expect(await listTable(EXAMPLE, { netns: '/n', runProcess: ending(ended).runProcess })).toMatchObject(
      expected,
    )
  })
})
