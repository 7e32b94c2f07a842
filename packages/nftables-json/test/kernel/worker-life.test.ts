/** What the process that holds libnftables costs and holds on to, and what becomes of one that hangs or dies. */
import { mkdtemp, readdir, readFile, readlink, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { execa } from 'execa'
import { rolldown } from 'rolldown'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { accept, Transaction } from '../../src/index.ts'
import { NftWorker } from '../../src/worker/index.ts'
import { TABLE } from '../constructs.ts'
import { scratchNetns } from './scratch.ts'

const scratch = scratchNetns('life')
const netns = scratch.path

const folders: string[] = []
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))))

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'njson-'))
  folders.push(made)
  return made
}

async function openNft(): Promise<NftWorker> {
  const opened = await NftWorker.open()
  if (opened.kind !== 'opened') throw new Error(opened.reason)
  return opened.nft
}

function holding(addresses: number): Transaction {
  const transaction = new Transaction()
  const elem = Array.from({ length: addresses }, (_, n) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`)
  transaction.replaceTable(TABLE).addSet({ name: 's', type: 'ipv4_addr', elem })
  return transaction
}

const openFiles = async (process: number | 'self' = 'self'): Promise<number> =>
  (await readdir(`/proc/${process}/fd`)).length

/** In KiB; what the process itself has, not what it has mapped. */
async function anonymousMemory(pid: number | undefined): Promise<number> {
  return Number(/^Anonymous:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1])
}

async function pipe(): Promise<string> {
  const path = join(await folder(), 'fifo')
  await execa('mkfifo', [path])
  return path
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('what is held', () => {
  test('does not grow with 500 replaces of 1,000 addresses and as many listings', async () => {
    await using nft = await openNft()
    // Until another thread has made room for more.
    await setTimeout(500)
    const files = await openFiles(nft.pid)
    const transaction = holding(1_000)
    const replace = async (times: number): Promise<void> => {
      for (let n = 0; n < times; n++) {
        expect(await nft.run(transaction, { netns })).toEqual({ kind: 'done' })
        await nft.listTable(TABLE, { netns })
      }
    }
    await replace(100)
    const before = await anonymousMemory(nft.pid)
    await replace(500)
    expect((await anonymousMemory(nft.pid)) - before).toBeLessThan(16 * 1024)
    await vi.waitFor(async () => expect(await openFiles(nft.pid)).toBe(files), 5_000)
  })

  test('is not the namespace: it ends with its last user', async () => {
    await using nft = await openNft()
    const pod = `njson-life-pod-${process.pid}`
    await execa('ip', ['netns', 'add', pod])
    const ends = ['link', 'add', 'pod', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pod]
    await execa('nsenter', [`--net=${netns}`, 'ip', ...ends])
    const path = `/run/netns/${pod}`
    expect(await nft.run(holding(10), { netns: path })).toEqual({ kind: 'done' })
    await execa('ip', ['netns', 'delete', pod])
    // A veth goes when the namespace of its peer does.
    const links = async (): Promise<string> =>
      (await execa('nsenter', [`--net=${netns}`, 'ip', '-o', 'link'])).stdout
    await vi.waitFor(async () => expect(await links()).not.toContain('pod@'), 10_000)
  })

  test('is not the namespace either by a thread that is started while another of the process is in it: all are there before', async () => {
    await using nft = await openNft()
    const { pid = 0 } = nft
    const namespaces = async (): Promise<readonly string[]> => {
      const tasks = await readdir(`/proc/${pid}/task`)
      return await Promise.all(tasks.map(async (task) => await readlink(`/proc/${pid}/task/${task}/ns/net`)))
    }
    const own = await readlink('/proc/self/ns/net')
    const threads = (await namespaces()).length
    // The first takes so long that its socket is to be closed by the second's time, which is what threads are there for.
    const both = [150_000, 10].map((addresses) => nft.run(holding(addresses), { netns }))
    expect(await Promise.all(both)).toEqual([{ kind: 'done' }, { kind: 'done' }])
    // By then all that is closed late has been closed.
    await setTimeout(500)
    expect(await namespaces()).toEqual(Array.from({ length: threads }, () => own))
  })

  test('is let go when it is closed, and can be opened again', async () => {
    const files = await openFiles()
    const nft = await openNft()
    const { pid = 0 } = nft
    for (let n = 0; n < 20; n++) await nft.run(holding(10), { netns })
    await nft[Symbol.asyncDispose]()
    expect(isAlive(pid)).toBe(false)
    expect(await nft.run(holding(10), { netns })).toMatchObject({ kind: 'failed' })
    await vi.waitFor(async () => expect(await openFiles()).toBeLessThanOrEqual(files), 5_000)
    await using again = await openNft()
    expect(await again.run(holding(10), { netns })).toEqual({ kind: 'done' })
  })
})

describe('a process that hangs', () => {
  test('costs its command, and another does those that waited', async () => {
    await using nft = await openNft()
    const { pid = 0 } = nft
    // nft opens what it includes, and a pipe without a writer makes it wait.
    const hanging = nft.run(`include "${await pipe()}"`, { netns, timeoutMs: 500 })
    const waiting = nft.run(holding(10), { netns })
    const last = nft.run(holding(20), { netns })
    expect(await hanging).toEqual({
      kind: 'failed',
      reason: `libnftables in ${netns}: ran longer than 500 ms`,
    })
    expect(await waiting).toEqual({ kind: 'done' })
    expect(await last).toEqual({ kind: 'done' })
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), 10_000)
  })

  test('is killed when all is closed', async () => {
    const nft = await openNft()
    const { pid = 0 } = nft
    const hanging = nft.run(`include "${await pipe()}"`, { netns })
    const waiting = nft.run(holding(10), { netns })
    await nft[Symbol.asyncDispose]()
    expect(await hanging).toMatchObject({ kind: 'failed', reason: expect.stringContaining('was closed') })
    expect(await waiting).toMatchObject({ kind: 'failed' })
    expect(isAlive(pid)).toBe(false)
  })
})

describe('a job that was sent', () => {
  test('is not over when it is cancelled, since its namespace has to be there', async () => {
    await using nft = await openNft()
    const aborted = new AbortController()
    const first = nft.run(holding(10_000), { netns })
    const next = nft.run(holding(10), { netns, signal: aborted.signal })
    aborted.abort()
    expect(await Promise.all([first, next])).toEqual([{ kind: 'done' }, { kind: 'done' }])
  })

  test('is done once where it was this process that stood still', async () => {
    await using nft = await openNft()
    await nft.run(holding(0), { netns })
    const adding = (): Transaction => {
      const transaction = new Transaction()
      const table = transaction.addTable(TABLE)
      table.addChain({ name: 'once' })
      table.addRule('once', [accept])
      return transaction
    }
    const all = [
      nft.run('list tables', { netns, timeoutMs: 200 }),
      nft.run(adding(), { netns, timeoutMs: 200 }),
    ]
    const end = performance.now() + 500
    while (performance.now() < end);
    expect(await Promise.all(all)).toEqual([{ kind: 'done' }, { kind: 'done' }])
    const listed = await nft.listTable(TABLE, { netns })
    const rules = listed.kind === 'listed' ? listed.listing.tables[0]?.chains[0]?.rules : undefined
    expect(rules).toHaveLength(1)
  })
})

test('a process that is killed costs its command, and the next has another', async () => {
  await using nft = await openNft()
  const { pid = 0 } = nft
  const hanging = nft.run(`include "${await pipe()}"`, { netns })
  const waiting = nft.run(holding(10), { netns })
  process.kill(pid, 'SIGABRT')
  expect(await hanging).toEqual({
    kind: 'failed',
    reason: `libnftables in ${netns}: its process ended with SIGABRT`,
  })
  expect(await waiting).toEqual({ kind: 'done' })
  const { pid: second = 0 } = nft
  expect(second).not.toBe(pid)
  process.kill(second, 'SIGKILL')
  await vi.waitFor(() => expect(nft.pid).toBeUndefined(), 10_000)
  expect(await nft.run(holding(10), { netns })).toEqual({ kind: 'done' })
})

test('it ends with the process that it works for, however that ends', async () => {
  const source = join(import.meta.dirname, '../../src/worker/index.ts')
  const script = `
    const { NftWorker } = await import(${JSON.stringify(source)})
    const opened = await NftWorker.open()
    console.log(opened.nft.pid)
    setInterval(() => {}, 1_000)`
  const user = execa(process.execPath, ['--input-type=module', '-e', script], { reject: false })
  const pid = Number(await new Promise((resolve) => user.stdout?.once('data', resolve)))
  expect(isAlive(pid)).toBe(true)
  user.kill('SIGKILL')
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false), 10_000)
})

test('a bundle finds its worker, and koffi', async () => {
  const outdir = await folder()
  await symlink(join(import.meta.dirname, '../../../../node_modules'), join(outdir, 'node_modules'))
  const source = join(import.meta.dirname, '../../src/worker')
  const contents = `
    const { NftWorker } = await import(${JSON.stringify(join(source, 'index.ts'))})
    const opened = await NftWorker.open()
    await using nft = opened.nft
    console.log((await nft.run('add table inet bundled', { netns: ${JSON.stringify(netns)} })).kind)`
  const bundle = await rolldown({
    input: { main: 'main', 'nft-worker': join(source, 'entry.ts') },
    external: ['koffi'],
    platform: 'node',
    plugins: [
      {
        name: 'main',
        resolveId: (id) => (id === 'main' ? id : undefined),
        load: (id) => (id === 'main' ? contents : undefined),
      },
    ],
  })
  await bundle.write({
    dir: outdir,
    format: 'esm',
    entryFileNames: '[name].mjs',
    chunkFileNames: '[name].mjs',
  })
  const { stdout } = await execa(process.execPath, [join(outdir, 'main.mjs')])
  expect(stdout).toBe('done')
  expect((await scratch.list()).tables.map((table) => table.name)).toContain('bundled')
})
