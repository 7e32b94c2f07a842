/**
 * The reflector's normal life against a scripted server: lists, pages, watches, bookmarks, expiry. What goes
 * wrong is in reflector-failures.test.ts.
 */
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { metadataOnly } from '../../../../src/watch/kube/reflector.ts'
import { event, gone, pod, podList, pods, scene } from './scene.ts'

describe('a list', () => {
  test('first comes from the server’s cache, then is watched from where it stands', async () => {
    await using s = await scene()
    const replaced = s.next()
    const list = await s.server.next()
    expect(list.path).toBe('/api/v1/pods')
    expect(list.query).toEqual({ resourceVersion: '0', resourceVersionMatch: 'NotOlderThan', limit: '500' })
    expect(list.headers['accept-encoding']).toBe('gzip')
    list.answer(200, podList('7', [pod('a', '5'), pod('b', '6')]))
    expect(await replaced).toEqual({ kind: 'replaced', objects: ['a@5', 'b@6'] })

    const changed = s.next()
    const watch = await s.server.next()
    expect(watch.query).toEqual({
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: '7',
      timeoutSeconds: '300',
    })
    expect(watch.headers['accept-encoding']).toBe('identity')
    watch.open().events(event('ADDED', pod('c', '8')), event('DELETED', pod('a', '9')))
    expect(await changed).toEqual({ kind: 'changed', object: 'c@8' })
    expect(await s.next()).toEqual({ kind: 'deleted', object: 'a@9' })
  })

  test('in pages is given out once and whole', async () => {
    await using s = await scene({ pageSize: 2 })
    const replaced = s.next()
    const first = await s.server.next()
    expect(first.query['limit']).toBe('2')
    first.answer(200, podList('7', [pod('a', '1'), pod('b', '2')], 'page-2'))
    const second = await s.server.next()
    expect(second.query).toEqual({ limit: '2', continue: 'page-2' })
    second.answer(200, podList('7', [pod('c', '3')]))
    expect(await replaced).toEqual({ kind: 'replaced', objects: ['a@1', 'b@2', 'c@3'] })
  })

  test('starts from scratch when a page’s token has expired, and nobody sees half of it', async () => {
    await using s = await scene({ pageSize: 1 })
    const replaced = s.next()
    ;(await s.server.next()).answer(200, podList('7', [pod('a', '1')], 'page-2'))
    ;(await s.server.next()).answer(410, gone)
    const again = await s.server.next()
    expect(again.query['continue']).toBeUndefined()
    again.answer(200, podList('8', [pod('b', '8')]))
    expect(await replaced).toEqual({ kind: 'replaced', objects: ['b@8'] })
  })

  test('whose pages keep expiring is said to fail, and then asked for at once', async () => {
    await using s = await scene({ pageSize: 1 })
    const failing = s.next()
    for (let round = 0; round < 2; round++) {
      const first = await s.server.next()
      expect(first.query['limit']).toBe('1')
      first.answer(200, podList('7', [], 'page-2'))
      ;(await s.server.next()).answer(410, gone)
    }
    const reason = 'list /api/v1/pods: its pages expire before they are read'
    expect(await failing).toEqual({ kind: 'failing', phase: 'list', reason, retryInMs: 0 })
    const replaced = s.next()
    const whole = await s.server.next()
    expect(whole.query['limit']).toBeUndefined()
    whole.answer(200, podList('9', [pod('a', '1')]))
    expect(await replaced).toEqual({ kind: 'replaced', objects: ['a@1'] })
    expect(await s.next()).toEqual({ kind: 'recovered' })
  })

  test('may come compressed, with its metadata behind its items, in single bytes, within characters', async () => {
    await using s = await scene()
    const replaced = s.next()
    const list = await s.server.next()
    const body = JSON.stringify({
      items: [pod('grüße-☃-𝄞', '1')],
      kind: 'XList',
      metadata: { resourceVersion: '7' },
    })
    list.open(200, { 'content-encoding': 'gzip' })
    await list.writeEach([...gzipSync(body)].map((byte) => Uint8Array.of(byte)))
    list.end()
    expect(await replaced).toEqual({ kind: 'replaced', objects: ['grüße-☃-𝄞@1'] })
  })

  test('asks with the selectors and in the form wanted', async () => {
    const resource = {
      ...pods,
      fieldSelector: 'spec.nodeName=n1',
      labelSelector: 'a=b',
      accept: metadataOnly,
    }
    await using s = await scene({ resource })
    const replaced = s.next()
    const list = await s.server.next()
    expect(list.query).toMatchObject({ fieldSelector: 'spec.nodeName=n1', labelSelector: 'a=b' })
    expect(list.headers.accept).toBe('application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1')
    list.answer(200, podList('7', []))
    await replaced
    void s.next()
    const watch = await s.server.next()
    expect(watch.query).toMatchObject({ fieldSelector: 'spec.nodeName=n1', labelSelector: 'a=b' })
    expect(watch.headers.accept).toBe('application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1')
  })

  test('comes again after a while in which all went well, from the latest state', async () => {
    await using s = await scene({ relistMs: 400_000 })
    const replaced = s.next()
    ;(await s.server.next()).answer(200, podList('7', []))
    await replaced
    const again = s.next()
    const watch = await s.server.next()
    watch.open()
    s.clock.advance(300_000)
    watch.end()
    const shorter = await s.server.next()
    expect(shorter.query).toMatchObject({ watch: '1', timeoutSeconds: '100' })
    shorter.open()
    s.clock.advance(100_000)
    shorter.end()
    const list = await s.server.next()
    expect(list.query).toEqual({ limit: '500' })
    list.answer(200, podList('9', [pod('a', '8')]))
    expect(await again).toEqual({ kind: 'replaced', objects: ['a@8'] })
  })
})

describe('a watch', () => {
  test('that ends is followed by one from the last event or bookmark, with no list between', async () => {
    await using s = await scene()
    const replaced = s.next()
    ;(await s.server.next()).answer(200, podList('7', []))
    await replaced
    const changed = s.next()
    const first = await s.server.next()
    first.open().events(event('MODIFIED', pod('a', '8')))
    expect(await changed).toEqual({ kind: 'changed', object: 'a@8' })
    const next = s.next()
    first.end()
    const second = await s.server.next()
    expect(second.query).toMatchObject({ watch: '1', resourceVersion: '8' })
    second
      .open()
      .events(event('BOOKMARK', pod('', '20')))
      .end()
    const third = await s.server.next()
    expect(third.query).toMatchObject({ watch: '1', resourceVersion: '20' })
    third.open().events(event('DELETED', pod('a', '21')))
    expect(await next).toEqual({ kind: 'deleted', object: 'a@21' })
  })

  test('in single bytes, within characters and with empty lines brings the same', async () => {
    await using s = await scene()
    const replaced = s.next()
    ;(await s.server.next()).answer(200, podList('7', []))
    await replaced
    const changed = s.next()
    const lines = `\n${JSON.stringify(event('ADDED', pod('ü𝄞', '8')))}\n\r\n${JSON.stringify(event('ADDED', pod('b', '9')))}\n`
    const watch = (await s.server.next()).open()
    await watch.writeEach([...Buffer.from(lines)].map((byte) => Uint8Array.of(byte)))
    expect(await changed).toEqual({ kind: 'changed', object: 'ü𝄞@8' })
    expect(await s.next()).toEqual({ kind: 'changed', object: 'b@9' })
  })

  test.each([
    ['as an HTTP status', (s: Request) => s.answer(410, gone)],
    ['as an event', (s: Request) => s.open().events(event('ERROR', gone))],
  ])('whose version is too old, said %s, leads to a list that replaces all at once', async (_, expire) => {
    await using s = await scene()
    const replaced = s.next()
    ;(await s.server.next()).answer(200, podList('7', [pod('a', '1')]))
    await replaced
    s.clock.advance(120_000)
    const next = s.next()
    expire(await s.server.next())
    const list = await s.server.next()
    expect(list.query).toEqual({ limit: '500' })
    list.answer(200, podList('70', [pod('a', '60')]))
    expect(await next).toEqual({ kind: 'replaced', objects: ['a@60'] })
  })

  test('that is quiet is replaced by a short one, and where the server ends that, all is well', async () => {
    await using s = await scene({ idleMs: 180_000 })
    const replaced = s.next()
    ;(await s.server.next()).answer(200, podList('7', []))
    await replaced
    const next = s.next()
    const mute = (await s.server.next()).open()
    await s.clock.sleeping(180_000)
    s.clock.advance(180_000)
    await mute.closed()
    const short = await s.server.next()
    expect(short.query).toMatchObject({ resourceVersion: '7', timeoutSeconds: '10' })
    short.open()
    await s.clock.sleeping(30_000)
    s.clock.advance(10_000)
    short.end()
    const long = await s.server.next()
    expect(long.query).toMatchObject({ resourceVersion: '7', timeoutSeconds: '300' })
    long.open().events(event('ADDED', pod('a', '8')))
    expect(await next).toEqual({ kind: 'changed', object: 'a@8' })
  })
})

describe('its end', () => {
  test('by the signal is prompt while a list is waited for', async () => {
    await using s = await scene()
    const next = s.next()
    const list = await s.server.next()
    s.abort.abort()
    expect(await next).toBeUndefined()
    await list.closed()
  })

  test('by the signal is prompt within a watch, and nothing stays behind', async () => {
    await using s = await scene()
    const replaced = s.next()
    ;(await s.server.next()).answer(200, podList('7', []))
    await replaced
    const next = s.next()
    const watch = (await s.server.next()).open()
    await s.clock.sleeping(180_000)
    s.abort.abort()
    expect(await next).toBeUndefined()
    await watch.closed()
    expect(s.clock.sleepers).toBe(0)
  })

  test('by the signal is prompt within a wait', async () => {
    await using s = await scene({ random: () => 0.5 })
    const failing = s.next()
    ;(await s.server.next()).answer(500, 'no')
    await failing
    const next = s.next()
    await s.clock.sleeping(125)
    s.abort.abort()
    expect(await next).toBeUndefined()
    expect(s.clock.sleepers).toBe(0)
  })

  test('by the signal closes the connection even if the consumer never comes back', async () => {
    await using s = await scene()
    const replaced = s.next()
    ;(await s.server.next()).answer(200, podList('7', []))
    await replaced
    const changed = s.next()
    const watch = (await s.server.next()).open().events(event('ADDED', pod('a', '8')))
    await changed
    s.abort.abort()
    await watch.closed()
  })

  test('by leaving the loop closes the connection too', async () => {
    await using s = await scene()
    const replaced = s.next()
    ;(await s.server.next()).answer(200, podList('7', []))
    await replaced
    const changed = s.next()
    const watch = (await s.server.next()).open().events(event('ADDED', pod('a', '8')))
    await changed
    await s.leave()
    await watch.closed()
    expect(s.clock.sleepers).toBe(0)
  })
})

test('a consumer that takes its time is not mistaken for a server that is mute, and stops the reading', async () => {
  await using s = await scene()
  const replaced = s.next()
  ;(await s.server.next()).answer(200, podList('7', []))
  await replaced
  const changed = s.next()
  const watch = (await s.server.next()).open().events(event('ADDED', pod('a', '8')))
  await changed
  s.clock.advance(3_600_000)
  const big = 'x'.repeat(100_000)
  let written = 0
  const flood = (async () => {
    for (let each = 0; each < 400; each++) {
      await watch.writeEach([`${JSON.stringify(event('MODIFIED', pod('a', String(9 + each), { big })))}\n`])
      written++
    }
  })()
  const settled = async (): Promise<number> => {
    for (let seen = -1; ; ) {
      for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate)
      if (seen === written) return written
      seen = written
    }
  }
  // 40 MB are on offer; what the kernel's buffers hold is taken, the rest waits.
  expect(await settled()).toBeLessThan(200)
  for (let each = 0; each < 400; each++) expect(await s.next()).toMatchObject({ kind: 'changed' })
  await flood
})

type Request = Awaited<ReturnType<Awaited<ReturnType<typeof scene>>['server']['next']>>
