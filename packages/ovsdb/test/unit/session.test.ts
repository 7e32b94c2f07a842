/** Sessions with peers that do what no good server does, on real sockets. */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Json } from '../../src/json.ts'
import { connect, type Session, type SessionOptions } from '../../src/session.ts'

/** A session and the other end of it. */
async function pair(
  options: Partial<SessionOptions> = {},
): Promise<{ readonly session: Session; readonly peer: Socket; readonly heard: () => string }> {
  const directory = await mkdtemp(join(tmpdir(), 'ovsdb-'))
  const accepted = Promise.withResolvers<Socket>()
  const server = createServer(accepted.resolve).listen(join(directory, 's'))
  const stop = new AbortController()
  onTestFinished(async () => {
    stop.abort()
    server.close()
    await rm(directory, { recursive: true })
  })
  const connected = await connect(
    { kind: 'unix', path: join(directory, 's') },
    { signal: stop.signal, onNotification: () => {}, ...options },
  )
  if (connected.kind === 'failed') throw new Error(connected.reason)
  const peer = await accepted.promise
  peer.on('error', () => {})
  let heard = ''
  peer.setEncoding('utf8').on('data', (text: string) => {
    heard += text
  })
  return { session: connected.session, peer, heard: () => heard }
}

const never = new AbortController().signal

test('a reply and what follows it in the same packet are seen in that order', async () => {
  const seen: string[] = []
  const { session, peer } = await pair({ onNotification: (method) => seen.push(method) })
  session.call('lock', ['l'], (reply) => seen.push(reply.kind))
  peer.write('{"id":0,"result":{"locked":false},"error":null}{"id":null,"method":"locked","params":["l"]}')
  await expect.poll(() => seen).toEqual(['result', 'locked'])
})

test("the server's echo is answered, whatever its id; other requests are refused", async () => {
  const { peer, heard } = await pair()
  peer.write('{"id":"echo","method":"echo","params":["x",1]}{"id":7,"method":"format_disk","params":[]}')
  await expect
    .poll(heard)
    .toBe('{"id":"echo","result":["x",1],"error":null}{"id":7,"result":null,"error":"unknown method"}')
})

test.each([
  ['garbage', 'HTTP/1.1 200 OK', /begins with byte/],
  ['a reply to nothing', '{"id":12,"result":{},"error":null}', /reply to nothing that was asked/],
  ['a reply without a result', '{"id":0,"error":null}', /without a result/],
  ['parameters that are none', '{"id":null,"method":"update","params":{}}', /neither a request nor a reply/],
])('%s ends the session, and what was asked is unanswered', async (_name, bytes, reason) => {
  const { session, peer } = await pair()
  const reply = session.request('list_dbs', [], never, 5_000)
  peer.write(bytes)
  expect(await session.closed).toMatch(reason)
  expect(await reply).toMatchObject({ kind: 'unanswered', reason: expect.stringMatching(reason) })
  expect(await session.request('list_dbs', [], never, 5_000)).toMatchObject({ kind: 'unsent' })
})

test('a peer that is silent is asked for an echo, and then given up', async () => {
  const { session, heard } = await pair({ probeIntervalMs: 50 })
  expect(await session.closed).toMatch(/^nothing heard for \d+ ms$/)
  expect(heard()).toBe('{"method":"echo","params":[],"id":0}')
})

test('a peer that answers echoes is kept', async () => {
  const { session, peer } = await pair({ probeIntervalMs: 20 })
  let echoes = 0
  peer.on('data', (text: string) => {
    for (const [, id] of text.matchAll(/"id":(\d+)/g)) {
      echoes += 1
      peer.write(`{"id":${id},"result":[],"error":null}`)
    }
  })
  await expect.poll(() => echoes).toBeGreaterThan(5)
  expect(session.reason).toBeUndefined()
})

test('a late reply is no error', async () => {
  const { session, peer } = await pair()
  expect(await session.request('transact', [], never, 20)).toEqual({
    kind: 'unanswered',
    reason: 'no reply to transact within 20 ms',
  })
  peer.write('{"id":0,"result":[],"error":null}')
  const next = session.request('echo', [], never, 5_000)
  peer.write('{"id":1,"result":["here"],"error":null}')
  const result: Json = ['here']
  expect(await next).toEqual({ kind: 'result', result })
})

test('nobody there, a port that nobody listens on, a file that is missing', async () => {
  const options = { signal: never, onNotification: () => {} }
  const unix = await connect({ kind: 'unix', path: '/nonexistent/db.sock' }, options)
  expect(unix).toMatchObject({ kind: 'failed', reason: expect.stringContaining('ENOENT') })
  const tcp = await connect({ kind: 'tcp', host: '127.0.0.1', port: 1 }, options)
  expect(tcp).toMatchObject({ kind: 'failed', reason: expect.stringContaining('ECONNREFUSED') })
  const tls = { privateKey: '/nonexistent/key', certificate: '/nonexistent/cert', ca: '/nonexistent/ca' }
  const ssl = await connect({ kind: 'ssl', host: '127.0.0.1', port: 1 }, { ...options, tls })
  expect(ssl).toMatchObject({ kind: 'failed', reason: expect.stringContaining('/nonexistent/') })
})
