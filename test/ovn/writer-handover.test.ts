/** Two daemons and one database: who writes, and how soon the other does when the first is killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Server, Testbed } from '../../packages/ovsdb/test/ovn/servers.ts'
import { type NorthboundClient, openNorthbound } from '../../src/apply/ovn/northbound.ts'
import { topologyRows } from './trace-topology.ts'
import { PORTS } from './writer-cluster.ts'
import { until } from './writer-mode.ts'
import { Watcher } from './writer-watcher.ts'

let testbed: Testbed
let server: Server
beforeAll(async () => {
  testbed = await Testbed.make()
  server = await testbed.standalone('nb')
})
afterAll(() => testbed[Symbol.asyncDispose]())

/** A network in the database, somebody who changes it, and somebody who looks. */
async function networkIn({ endpoint }: Server): Promise<Network> {
  await using stack = new AsyncDisposableStack()
  const client = stack.use(openNorthbound({ endpoints: endpoint, tls: undefined }))
  await client.ready()
  await client.transact(topologyRows('layer2', PORTS))
  const watcher = stack.use(await Watcher.of(endpoint))
  const owned = stack.move()
  return { client, watcher, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

interface Network extends AsyncDisposable {
  readonly client: NorthboundClient
  readonly watcher: Watcher
}

class Daemon implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #gone: Promise<void>
  /** Each status in turn. */
  readonly told: string[] = []

  constructor(endpoint: string) {
    const script = join(import.meta.dirname, 'writer-process.ts')
    this.#process = spawn(process.execPath, [script, endpoint], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#gone = new Promise((resolve) => this.#process.once('exit', () => resolve()))
    if (this.#process.stdout !== null)
      createInterface({ input: this.#process.stdout }).on('line', (line) => this.told.push(line))
  }

  get status(): string | undefined {
    return this.told.at(-1)
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process.kill(name)
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#gone
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}

test('the other takes over within seconds of a kill, and the third then waits', async () => {
  await using network = await networkIn(server)
  const { client, watcher } = network
  await using first = new Daemon(server.endpoint)
  await until(() => first.status === 'as-wanted')
  await using second = new Daemon(server.endpoint)
  await until(() => second.status === 'standby')
  await using third = new Daemon(server.endpoint)
  await until(() => third.status === 'standby')
  await watcher.now()
  const before = watcher.text()
  expect(before).toContain('mnpd_isolation')

  await first.kill()
  const killed = performance.now()
  // What nobody is there to undo yet, the next writer must.
  await client.transact([{ op: 'update', table: 'Port_Group', where: [], row: { ports: [] } }])
  await watcher.now()
  expect(watcher.ports('web').length, 'undone already, or not yet').toBeLessThanOrEqual(2)
  await until(() => watcher.text() === before && second.status === 'as-wanted')
  const took = performance.now() - killed
  process.stdout.write(`handover: ${Math.round(took)} ms\n`)
  expect(took).toBeLessThan(5_000)
  expect(third.told, 'it never came into it').not.toContain('as-wanted')
  expect(
    second.told.filter((each) => each === 'as-wanted'),
    'once',
  ).toHaveLength(1)
}, 120_000)

test('when the database is started anew there is one writer again, and no more', async () => {
  const own = await testbed.standalone('frozen')
  await using network = await networkIn(own)
  const { client, watcher } = network
  await using first = new Daemon(own.endpoint)
  await until(() => first.status === 'as-wanted')
  await using second = new Daemon(own.endpoint)
  await until(() => second.status === 'standby')
  await own.restart()
  await until(() => [first, second].filter(({ status }) => status === 'as-wanted').length === 1)
  await until(() => [first, second].filter(({ status }) => status === 'standby').length === 1)
  await client.ready()
  await watcher.now()
  expect(watcher.text()).toContain('mnpd_isolation')
}, 120_000)

test('a writer that stands still loses the lock within seconds, and writes nothing when it runs again', async () => {
  const own = await testbed.standalone('stopped')
  await using network = await networkIn(own)
  const { client, watcher } = network
  await using first = new Daemon(own.endpoint)
  await until(() => first.status === 'as-wanted')
  await using second = new Daemon(own.endpoint)
  await using third = new Daemon(own.endpoint)
  await until(() => second.status === 'standby' && third.status === 'standby')
  await watcher.now()
  const before = watcher.text()
  // More than a term of theirs.
  await delay(12_000)
  expect([first.status, second.status, third.status], 'nobody took it').toEqual([
    'as-wanted',
    'standby',
    'standby',
  ])

  first.signal('SIGSTOP')
  const stopped = performance.now()
  await client.transact([{ op: 'update', table: 'Port_Group', where: [], row: { ports: [] } }])
  await until(() => [second, third].some(({ status }) => status === 'as-wanted'))
  await until(async () => {
    await watcher.now()
    return watcher.text() === before
  })
  const took = performance.now() - stopped
  process.stdout.write(`handover from a writer that stands still: ${Math.round(took)} ms\n`)
  expect(took).toBeLessThan(5_000)
  await watcher.transactions()

  first.signal('SIGCONT')
  await until(() => first.status === 'standby')
  expect(await watcher.transactions()).toEqual([])
  const [writers, others] = [
    [second, third].filter(({ status }) => status === 'as-wanted'),
    [second, third].filter(({ status }) => status === 'standby'),
  ]
  expect([writers.length, others.length]).toEqual([1, 1])
}, 120_000)

test('one who stands by and stands still costs nobody the lock', async () => {
  const own = await testbed.standalone('stopped-standby')
  await using client = openNorthbound({ endpoints: own.endpoint, tls: undefined })
  await client.ready()
  await client.transact(topologyRows('layer2', PORTS))
  await using first = new Daemon(own.endpoint)
  await until(() => first.status === 'as-wanted')
  await using second = new Daemon(own.endpoint)
  await until(() => second.status === 'standby')
  await using third = new Daemon(own.endpoint)
  await until(() => third.status === 'standby')
  await delay(1_000)
  second.signal('SIGSTOP')
  await delay(15_000)
  expect([first.status, third.status]).toEqual(['as-wanted', 'standby'])
  expect(first.told.filter((each) => each === 'as-wanted')).toHaveLength(1)
  // The third is the deputy by now.
  first.signal('SIGSTOP')
  await until(() => third.status === 'as-wanted')
  second.signal('SIGCONT')
  first.signal('SIGCONT')
  await until(() => first.status === 'standby')
  expect([second.status, third.status]).toEqual(['standby', 'as-wanted'])
}, 120_000)
