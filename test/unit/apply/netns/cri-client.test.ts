import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { expect, test } from 'vitest'
import {
  type ContainerRuntime,
  type CriOptions,
  connectCri,
  type SandboxLookup,
} from '../../../../src/apply/netns/cri.ts'
import { type FakeCri, fakeCri, sandbox } from './fake-cri.ts'
import { someNetns } from './some-netns.ts'

const web = { namespace: 'default', name: 'web', uid: 'web-uid' }
const never = new AbortController().signal

function connect(cri: FakeCri, but: Partial<CriOptions> = {}): ContainerRuntime {
  return connectCri({ endpoint: cri.socket, hostPrefix: '', ...but })
}

async function until(
  lookUp: () => Promise<SandboxLookup>,
  kind: SandboxLookup['kind'],
): Promise<SandboxLookup> {
  return expect.poll(lookUp, { timeout: 10_000, interval: 20 }).toMatchObject({ kind }).then(lookUp)
}

test('a runtime that does not answer in time is unavailable, and later found', async () => {
  await using netns = await someNetns()
  const { promise, resolve } = Promise.withResolvers<void>()
  const sandboxes = [sandbox({ info: JSON.stringify({ pid: netns.pid }) })]
  await using cri = await fakeCri({ sandboxes, until: promise })
  await using runtime = connect(cri, { deadlineMs: 50 })
  expect(await runtime.sandboxOf(web, never)).toEqual({
    kind: 'unavailable',
    reason: expect.stringContaining(`ListPodSandbox at ${cri.socket}: DEADLINE_EXCEEDED`),
  })
  resolve()
  await until(() => runtime.sandboxOf(web, never), 'found')
})

test('more lookups than allowed are turned away, not queued', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  await using cri = await fakeCri({ sandboxes: [], until: promise })
  await using runtime = connect(cri, { mostLookups: 2 })
  const [first, second] = [runtime.sandboxOf(web, never), runtime.sandboxOf(web, never)]
  expect(await runtime.sandboxOf(web, never)).toEqual({
    kind: 'unavailable',
    reason: '2 lookups are under way already',
  })
  resolve()
  expect(await Promise.all([first, second])).toEqual([{ kind: 'no-sandbox' }, { kind: 'no-sandbox' }])
})

test('a lookup ends when it is given up, and when the client is closed', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  await using cri = await fakeCri({ sandboxes: [], until: promise })
  const runtime = connect(cri)
  const givingUp = new AbortController()
  const first = runtime.sandboxOf(web, givingUp.signal)
  await expect.poll(() => cri.calls).toHaveLength(1)
  givingUp.abort()
  expect(await first).toMatchObject({ kind: 'unavailable', reason: expect.stringContaining('CANCELLED') })
  expect(await runtime.sandboxOf(web, AbortSignal.abort())).toMatchObject({ kind: 'unavailable' })

  const second = runtime.sandboxOf(web, never)
  await expect.poll(() => cri.calls.length).toBeGreaterThan(1)
  await runtime[Symbol.asyncDispose]()
  expect(await second).toMatchObject({ kind: 'unavailable' })
  expect(await runtime.sandboxOf(web, never)).toEqual({
    kind: 'unavailable',
    reason: 'the connection to the container runtime was closed here',
  })
  resolve()
})

test('a runtime that starts late, and one that restarts, is found without connecting anew', async () => {
  await using netns = await someNetns()
  const sandboxes = [sandbox({ info: JSON.stringify({ pid: netns.pid }) })]
  await using cri = await fakeCri({ sandboxes }, { start: false })
  await using runtime = connect(cri)
  for (let start = 0; start < 3; start++) {
    expect(await runtime.sandboxOf(web, never)).toEqual({
      kind: 'unavailable',
      reason: expect.stringContaining(`ListPodSandbox at ${cri.socket}: UNAVAILABLE: `),
    })
    await cri.start()
    await until(() => runtime.sandboxOf(web, never), 'found')
    cri.kill()
  }
})

test('something else at the socket is said to be no CRI', async () => {
  await using cri = await fakeCri({ sandboxes: [], servesNothing: true })
  await using runtime = connect(cri)
  expect(await runtime.sandboxOf(web, never)).toEqual({
    kind: 'unavailable',
    reason: expect.stringMatching(/UNIMPLEMENTED: .*; nothing speaks CRI v1 there/),
  })
})

test('bytes that are no message are unavailable, not a crash', async () => {
  await using cri = await fakeCri({ sandboxes: [], rawAnswer: Uint8Array.of(0x0a, 0x7f) })
  await using runtime = connect(cri)
  expect(await runtime.sandboxOf(web, never)).toEqual({
    kind: 'unavailable',
    reason: expect.stringContaining('the message ends before the 127 bytes it announces'),
  })
})

test('the bundled client works: gRPC is CommonJS, whose names a chunk of a bundle does not have', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'mnpd-bundle-'))
  const bundled = await rolldown({
    input: join(import.meta.dirname, '../../../../src/apply/netns/cri.ts'),
    platform: 'node',
  })
  await bundled.write({ dir: directory.path, format: 'esm', entryFileNames: '[name].mjs' })
  const bundle: { connectCri: typeof connectCri } = await import(join(directory.path, 'cri.mjs'))
  await using cri = await fakeCri({ sandboxes: [] })
  await using runtime = bundle.connectCri({ endpoint: cri.socket, hostPrefix: '' })
  expect(await runtime.sandboxOf(web, never)).toEqual({ kind: 'no-sandbox' })
})
