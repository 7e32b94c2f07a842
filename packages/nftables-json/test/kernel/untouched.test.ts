/** What is run only where nobody has ever filtered packets, by a process that looks right before. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { execa } from 'execa'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { FIRST_GENERATION, openNetnsAccess } from '../../src/in-process/netns-access.ts'
import { accept, Transaction } from '../../src/index.ts'
import type { WorkerResult } from '../../src/worker/index.ts'
import { openWorker } from './open-worker.ts'

const TABLE = { family: 'inet', name: 'example' } as const
const name = `njson-untouched-${process.pid}`
const netns = `/run/netns/${name}`
const access = (await openNetnsAccess()) ?? expect.fail('no access')
const nft = await openWorker()

afterAll(async () => {
  await execa('ip', ['netns', 'delete', name])
})
beforeEach(async () => {
  await execa('ip', ['netns', 'delete', name], { reject: false })
  await execa('ip', ['netns', 'add', name])
  await inside('ip', 'link', 'set', 'lo', 'up')
})

async function inside(...command: readonly string[]): Promise<string> {
  return (await execa('nsenter', [`--net=${netns}`, ...command])).stdout
}

/** All of one kind. */
async function write(): Promise<WorkerResult> {
  const transaction = new Transaction()
  const table = transaction.replaceTable(TABLE)
  table.addChain({ name: 'c' })
  table.addRule('c', [accept], 'whose')
  return await nft.run(transaction.alike('untouched'), { netns, expected: 'untouched' })
}

test('it is, and where that was and is by now is told; but not twice', async () => {
  for (const replayed of [false, true]) {
    const cookie = access.cookie(netns)
    const result = await write()
    const at = { cookie, generation: FIRST_GENERATION + 1 }
    expect(result).toEqual({ kind: 'done', at, ...(replayed && { isReplayed: true }) })
    expect(access.look(netns)).toEqual(at)
    expect(await inside('nft', 'list', 'tables')).toBe('table inet example')
    expect(await write()).toMatchObject({ kind: 'moved', reason: expect.stringContaining('generation 2') })
    await execa('ip', ['netns', 'delete', name])
    await execa('ip', ['netns', 'add', name])
  }
})

test('a table that came and went is seen', async () => {
  await inside('nft', 'add', 'table', 'inet', 'other')
  await inside('nft', 'delete', 'table', 'inet', 'other')
  expect(await write()).toMatchObject({ kind: 'moved', reason: expect.stringContaining('generation 3') })
  expect(await inside('nft', 'list', 'tables')).toBe('')
})

test.each(['iptables-legacy', 'ip6tables-legacy'])('so is a table of %s', async (program) => {
  await inside(program, '-A', 'INPUT', '-j', 'ACCEPT')
  expect(await write()).toMatchObject({ kind: 'moved', reason: expect.stringContaining('iptables') })
  expect(await inside('nft', 'list', 'tables')).toBe('')
})

const LISTEN = `
const server = require('node:net').createServer().listen({ host: HOST, port: 0 }, () => {
  const { port } = server.address()
  if (!CONNECTED) return console.log('ready')
  require('node:net').connect({ host: HOST, port }, () => console.log('ready'))
})`

test.each([
  ['a listener is no connection', '127.0.0.1', false, 'done'],
  ['a connection', '127.0.0.1', true, 'moved'],
  ['one of IPv6', '::1', true, 'moved'],
])('%s', async (_, host, connected, kind) => {
  const script = LISTEN.replaceAll('HOST', `'${host}'`).replace('CONNECTED', String(connected))
  const server = spawn('nsenter', [`--net=${netns}`, process.execPath, '-e', script])
  const exit = once(server, 'exit')
  try {
    expect(String(await once(server.stdout, 'data'))).toBe('ready\n')
    expect(await write()).toMatchObject({ kind })
  } finally {
    server.kill('SIGKILL')
    await exit
  }
})

test('one that is gone is gone', async () => {
  const result = await nft.run(new Transaction().alike('none'), {
    netns: '/run/netns/njson-none',
    expected: 'untouched',
  })
  expect(result).toMatchObject({ kind: 'netns-gone' })
})
