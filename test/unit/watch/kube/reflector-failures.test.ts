/** All that a server, or what answers in its place, does wrong: said once, tried again, and nothing lost. */
import { describe, expect, test } from 'vitest'
import { fromKubeconfig } from '../../../../src/watch/kube/connection.ts'
import { event, gone, pod, podList, type Scene, scene } from './scene.ts'
import { ScriptedServer } from './scripted-server.ts'

type Request = Awaited<ReturnType<ScriptedServer['next']>>

const path = '/api/v1/pods'

/** A scene in which the first list is over and `watch` is waited for. */
async function listed(s: Scene): Promise<void> {
  const replaced = s.next()
  ;(await s.server.next()).answer(200, podList('7', [pod('a', '1')]))
  await replaced
}

function failing(phase: 'list' | 'watch', why: string, retryInMs = 0): object {
  const at = `${phase} ${path}: ${why}`
  return { kind: 'failing', phase, reason: at, retryInMs }
}

const forbidden = {
  kind: 'Status',
  code: 403,
  reason: 'Forbidden',
  message: 'pods is forbidden: User "x" cannot list',
}

describe('a list that fails', () => {
  test.each<[string, (list: Request) => void, string]>([
    ['is not allowed', (r) => r.answer(403, forbidden), `403 Forbidden: ${forbidden.message}`],
    [
      'is not authenticated',
      (r) => r.answer(401, { message: 'Unauthorized' }),
      '401 Unauthorized: Unauthorized',
    ],
    [
      'is of a kind that is not installed',
      (r) => r.answer(404, '404 page not found\n'),
      '404 Not Found: 404 page not found',
    ],
    ['is too much now', (r) => r.answer(429, ''), '429 Too Many Requests'],
    [
      'meets a server in trouble',
      (r) => r.answer(500, { message: 'etcd is gone' }),
      '500 Internal Server Error: etcd is gone',
    ],
    [
      'meets a proxy’s error page',
      (r) => r.answer(502, '<html>\n <b>Bad</b>'),
      '502 Bad Gateway: <html> <b>Bad</b>',
    ],
    ['meets a login page', (r) => r.answer(200, '<html>Hi'), 'this is no list of objects: <html>Hi'],
    ['is redirected', (r) => r.answer(302, '', { location: '/login' }), '302 Found'],
    ['is empty', (r) => r.answer(200, ''), 'the list ends before it is whole'],
    [
      'is cut off',
      (r) => r.answer(200, '{"kind":"PodList","items":[{"a":1},{"b"'),
      'the list ends before it is whole',
    ],
    ['is two', (r) => r.answer(200, '{"items":[]}{'), 'this is no list of objects: {'],
    [
      'has no version',
      (r) => r.answer(200, { kind: 'PodList', items: [] }),
      'the list has no resourceVersion',
    ],
    ['is something else', (r) => r.answer(200, { kind: 'Status' }), 'a list was asked for, this is a Status'],
    ['has no objects in it', (r) => r.answer(200, '{"items":[1]}'), 'this is no list of objects: 1]}'],
    [
      'has garbage in it',
      (r) => r.answer(200, '{"items":[{"a":}]}'),
      'an object of the list is not JSON: {"a":}',
    ],
    [
      'is no UTF-8',
      (r) =>
        r
          .open()
          .write(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d))
          .end(),
      'a list without its items is not UTF-8',
    ],
  ])('because it %s', async (_, answer, why) => {
    await using s = await scene()
    const said = s.next()
    answer(await s.server.next())
    expect(await said).toEqual(failing('list', why))
    const next = s.next()
    answer(await s.server.next())
    ;(await s.server.next()).answer(200, podList('7', [pod('a', '1')]))
    expect(await next).toEqual({ kind: 'replaced', objects: ['a@1'] })
    expect(await s.next()).toEqual({ kind: 'recovered' })
  })

  test('because the connection breaks', async () => {
    await using s = await scene()
    const said = s.next()
    ;(await s.server.next()).open().write('{"kind":').reset()
    expect(await said).toMatchObject({
      kind: 'failing',
      phase: 'list',
      reason: expect.stringContaining(s.server.url),
    })
  })

  test('because it stops in the middle', async () => {
    await using s = await scene()
    const said = s.next()
    const list = (await s.server.next()).open().write('{"kind":')
    // The bytes that do come may come before or after the clock is first moved.
    const over = said.then(() => true)
    while (!(await Promise.race([over, s.clock.sleeping(60_000)]))) s.clock.advance(60_000)
    expect(await said).toEqual(failing('list', 'no byte within 60 s'))
    await list.closed()
  })

  test('because an object is larger than any', async () => {
    await using s = await scene({ maxObjectBytes: 1000 })
    const said = s.next()
    ;(await s.server.next()).answer(200, podList('7', [pod('a', '1', { big: 'x'.repeat(1000) })]))
    expect(await said).toEqual(failing('list', 'an object of the list is longer than 1000 bytes'))
  })

  test('says each new reason', async () => {
    await using s = await scene()
    const first = s.next()
    ;(await s.server.next()).answer(500, 'a')
    expect(await first).toEqual(failing('list', '500 Internal Server Error: a'))
    const second = s.next()
    ;(await s.server.next()).answer(500, 'a')
    ;(await s.server.next()).answer(500, 'b')
    expect(await second).toEqual(failing('list', '500 Internal Server Error: b'))
  })

  test('waits as long as the server asks, and some more', async () => {
    await using s = await scene({ random: () => 0.5 })
    const said = s.next()
    ;(await s.server.next()).answer(429, 'busy', { 'retry-after': '7' })
    expect(await said).toEqual(failing('list', '429 Too Many Requests: busy', 7125))
    const next = s.next()
    await s.clock.sleeping(7125)
    s.clock.advance(7124)
    expect(s.server.unanswered).toBe(0)
    s.clock.advance(1)
    ;(await s.server.next()).answer(200, podList('7', []))
    expect(await next).toMatchObject({ kind: 'replaced' })
  })

  test('waits less for a kind that is not installed than for anything else', async () => {
    await using s = await scene({ random: () => 0.999 })
    for (const [status, longest] of [
      [404, 9990],
      [503, 29_970],
    ] as const) {
      for (let attempt = 0; attempt < 10; attempt++) {
        const said = s.next()
        ;(await s.server.next()).answer(status, `attempt ${attempt}`)
        const { retryInMs } = (await said) as { retryInMs: number }
        expect(retryInMs).toBeLessThanOrEqual(longest)
        if (attempt === 9) expect(retryInMs).toBe(longest)
        const waiting = s.clock.sleeping(retryInMs).then(() => s.clock.advance(retryInMs))
        if (attempt < 9 || status === 404) void waiting
      }
    }
  })
})

describe('a watch that brings what is no event', () => {
  test.each<[string, (watch: Request) => void, string]>([
    ['garbage', (w) => w.write('{"type":"ADD\n'), 'a line of the watch is not JSON: {"type":"ADD'],
    ['a page', (w) => w.write('<html>\n'), 'a line of the watch is not JSON: <html>'],
    ['half a line', (w) => w.write('{"type":"ADDED","obj').end(), 'the watch ended within a line'],
    [
      'a type unknown',
      (w) => w.events({ type: 'MOVED', object: {} }),
      'a watch event has the unknown type "MOVED"',
    ],
    ['null', (w) => w.events(null), 'a watch event has the unknown type undefined'],
    [
      'no version',
      (w) => w.events(event('ADDED', {})),
      'a watch event ADDED has an object without metadata.resourceVersion',
    ],
    [
      'no object',
      (w) => w.events({ type: 'DELETED' }),
      'a watch event DELETED has an object without metadata.resourceVersion',
    ],
    [
      'an error',
      (w) => w.events(event('ERROR', { code: 500, message: 'etcd is gone' })),
      'the server reports 500 etcd is gone',
    ],
    [
      'an error with no reason',
      (w) => w.events({ type: 'ERROR' }),
      'the server reports an error without a reason',
    ],
    ['a line without end', (w) => w.write('x'.repeat(3000)), 'a line of the watch is longer than 2000 bytes'],
    ['no UTF-8', (w) => w.write(Uint8Array.of(0x22, 0xff, 0x22, 0x0a)), 'a line of the watch is not UTF-8'],
  ])('but %s is followed by a list, and trusted again only at its first event', async (_, bring, why) => {
    await using s = await scene({ maxObjectBytes: 2000 })
    await listed(s)
    const said = s.next()
    bring((await s.server.next()).open())
    expect(await said).toEqual(failing('watch', why))

    const replaced = s.next()
    const list = await s.server.next()
    expect(list.query).toEqual({ limit: '500' })
    list.answer(200, podList('9', []))
    expect(await replaced).toEqual({ kind: 'replaced', objects: [] })

    const next = s.next()
    bring((await s.server.next()).open())
    ;(await s.server.next()).answer(200, podList('10', []))
    expect(await next).toEqual({ kind: 'replaced', objects: [] })
    const good = s.next()
    ;(await s.server.next()).open().events(event('ADDED', pod('a', '11')))
    expect(await good).toEqual({ kind: 'changed', object: 'a@11' })
    expect(await s.next()).toEqual({ kind: 'recovered' })
  })
})

/** After a watch broke, one object is listed to learn the version that the store is at. */
async function storeIsAt(server: ScriptedServer, version: string): Promise<void> {
  const asked = await server.next()
  expect(asked.query).toMatchObject({ limit: '1' })
  asked.answer(200, podList(version, []))
}

describe('a watch that breaks', () => {
  test('after an event goes on from there, with no list', async () => {
    await using s = await scene()
    await listed(s)
    const changed = s.next()
    const watch = (await s.server.next()).open().events(event('ADDED', pod('b', '8')))
    expect(await changed).toEqual({ kind: 'changed', object: 'b@8' })
    const said = s.next()
    watch.reset()
    expect(await said).toMatchObject({ kind: 'failing', phase: 'watch' })
    const recovered = s.next()
    await storeIsAt(s.server, '8')
    const again = await s.server.next()
    expect(again.query).toMatchObject({ watch: '1', resourceVersion: '8' })
    again.open().events(event('BOOKMARK', pod('', '9')))
    expect(await recovered).toEqual({ kind: 'recovered' })
  })

  test('while the store was restored to an older state is followed by a list', async () => {
    await using s = await scene()
    await listed(s)
    const said = s.next()
    ;(await s.server.next()).open().reset()
    expect(await said).toMatchObject({ kind: 'failing', phase: 'watch' })
    const replaced = s.next()
    await storeIsAt(s.server, '6')
    ;(await s.server.next()).answer(200, podList('6', [pod('old', '2')]))
    expect(await replaced).toMatchObject({ kind: 'replaced', objects: ['old@2'] })
  })

  test('because the server is down recovers as soon as it is open again', async () => {
    let server = await ScriptedServer.start()
    const { port } = new URL(server.url)
    using connection = await fromKubeconfig({ master: server.url })
    await using s = await scene({ connection })
    const replaced = s.next()
    ;(await server.next()).answer(200, podList('7', []))
    await replaced
    const refused = s.next()
    await server.next()
    await server[Symbol.asyncDispose]()
    const reason = `watch ${path}: ${server.url}: connect ECONNREFUSED 127.0.0.1:${port}`
    expect(await refused).toEqual({ kind: 'failing', phase: 'watch', reason, retryInMs: 0 })
    server = await ScriptedServer.start(undefined, Number(port))
    const recovered = s.next()
    await storeIsAt(server, '7')
    ;(await server.next()).open()
    expect(await recovered).toEqual({ kind: 'recovered' })
    s.abort.abort()
    await server[Symbol.asyncDispose]()
  })

  test('because it is not allowed is tried again as a watch', async () => {
    await using s = await scene()
    await listed(s)
    const said = s.next()
    ;(await s.server.next()).answer(403, forbidden)
    expect(await said).toEqual(failing('watch', `403 Forbidden: ${forbidden.message}`))
    const recovered = s.next()
    await storeIsAt(s.server, '7')
    const again = await s.server.next()
    expect(again.query).toMatchObject({ watch: '1', resourceVersion: '7' })
    again.open()
    expect(await recovered).toEqual({ kind: 'recovered' })
  })

  test('because its kind was uninstalled is followed by a list, whenever that works', async () => {
    await using s = await scene()
    await listed(s)
    const said = s.next()
    ;(await s.server.next()).answer(404, '')
    expect(await said).toEqual(failing('watch', '404 Not Found'))
    const list = s.next()
    ;(await s.server.next()).answer(404, '')
    expect(await list).toEqual(failing('list', '404 Not Found'))
  })

  test('because the server ends it at once, each time, is not tried at full speed', async () => {
    await using s = await scene({ random: () => 0.5 })
    await listed(s)
    const said = s.next()
    ;(await s.server.next()).open().end()
    expect(await said).toEqual(failing('watch', 'the server ends it as soon as it is open', 125))
    const next = s.next()
    for (const wait of [125, 250, 500, 1000]) {
      await s.clock.sleeping(wait)
      expect(s.server.unanswered).toBe(0)
      s.clock.advance(wait)
      ;(await s.server.next()).open().end()
    }
    s.abort.abort()
    expect(await next).toBeUndefined()
  })

  test('because the list’s version is too old from the start is not a tight loop of lists', async () => {
    await using s = await scene({ random: () => 0.5 })
    await listed(s)
    const said = s.next()
    ;(await s.server.next()).answer(410, gone)
    expect(await said).toEqual(failing('watch', 'its resourceVersion is too old right after the list', 125))
  })

  test('by going mute, even when a short one is asked for, is followed by a list', async () => {
    await using s = await scene()
    await listed(s)
    const said = s.next()
    const long = (await s.server.next()).open()
    await s.clock.sleeping(180_000)
    s.clock.advance(180_000)
    await long.closed()
    const short = (await s.server.next()).open()
    await s.clock.sleeping(30_000)
    s.clock.advance(30_000)
    await short.closed()
    const why = 'mute: the server does not even end it at the time that was asked for'
    expect(await said).toEqual(failing('watch', why))
    const replaced = s.next()
    ;(await s.server.next()).answer(200, podList('9', []))
    expect(await replaced).toEqual({ kind: 'replaced', objects: [] })
  })
})

describe('an object that cannot be decoded', () => {
  const decode = (raw: unknown): string => {
    const { metadata } = raw as { metadata: { name: string } }
    if (metadata.name === 'bad') throw new Error('no sense')
    return metadata.name
  }

  test('is left out of a list, which is said until a list is clean', async () => {
    await using s = await scene({ decode, relistMs: 300_000 })
    const replaced = s.next()
    ;(await s.server.next()).answer(200, podList('7', [pod('bad', '1'), pod('good', '2')]))
    expect(await replaced).toEqual({ kind: 'replaced', objects: ['good'] })
    expect(await s.next()).toEqual({
      kind: 'failing',
      phase: 'list',
      reason: '/api/v1/pods: Pod bad cannot be decoded: no sense',
      retryInMs: 300_000,
    })
    const changed = s.next()
    const watch = (await s.server.next()).open().events(event('ADDED', pod('new', '8')))
    expect(await changed).toEqual({ kind: 'changed', object: 'new' })
    const relisted = s.next()
    s.clock.advance(300_000)
    watch.end()
    ;(await s.server.next()).answer(200, podList('9', [pod('good', '2')]))
    expect(await relisted).toEqual({ kind: 'replaced', objects: ['good'] })
    expect(await s.next()).toEqual({ kind: 'recovered' })
  })

  test('keeps its last state when it changes, and the watch goes on', async () => {
    await using s = await scene({ decode })
    await listed(s)
    const said = s.next()
    ;(await s.server.next()).open().events(event('MODIFIED', pod('bad', '8')), event('ADDED', pod('c', '9')))
    expect(await said).toMatchObject({
      kind: 'failing',
      reason: '/api/v1/pods: Pod bad cannot be decoded: no sense',
    })
    expect(await s.next()).toEqual({ kind: 'changed', object: 'c' })
  })

  test('is got rid of by a list when it is deleted', async () => {
    await using s = await scene({ decode })
    await listed(s)
    const said = s.next()
    ;(await s.server.next()).open().events(event('DELETED', pod('bad', '8')))
    expect(await said).toMatchObject({ kind: 'failing' })
    const replaced = s.next()
    ;(await s.server.next()).answer(200, podList('9', []))
    expect(await replaced).toEqual({ kind: 'replaced', objects: [] })
    expect(await s.next()).toEqual({ kind: 'recovered' })
  })
})
