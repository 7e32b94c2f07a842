/** What every connection does, however it got its credentials. */
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { type ApiConnection, ConnectionError, fromKubeconfig } from '../../../../src/watch/kube/connection.ts'
import { ScriptedServer } from './scripted-server.ts'

async function connectTo(server: ScriptedServer, path = ''): Promise<ApiConnection> {
  return await fromKubeconfig({ master: server.url + path, connectTimeoutMs: 200, headTimeoutMs: 200 })
}

test('many calls one after the other take one TCP connection', async () => {
  await using server = await ScriptedServer.start()
  using connection = await connectTo(server)
  for (let call = 0; call < 20; call++) {
    const response = connection.get('/version')
    ;(await server.next()).answer(200, { call })
    expect(JSON.parse(await text((await response).body))).toEqual({ call })
  }
  expect(server.connections).toBe(1)
})

test('a path below which the server stands is kept, queries are escaped', async () => {
  await using server = await ScriptedServer.start()
  using connection = await connectTo(server, '/k8s/clusters/c-1/')
  const response = connection.get('/api/v1/pods', { query: { fieldSelector: 'spec.nodeName=a&b' } })
  const request = await server.next()
  expect(request.path).toBe('/k8s/clusters/c-1/api/v1/pods')
  expect(request.query).toEqual({ fieldSelector: 'spec.nodeName=a&b' })
  expect(request.headers['user-agent']).toBe('multi-networkpolicyd')
  request.answer(200, '')
  await response
})

test('a body is sent as it is and with its type', async () => {
  await using server = await ScriptedServer.start()
  using connection = await connectTo(server)
  const response = connection.send('PATCH', '/x', '{"ü":1}', 'application/merge-patch+json')
  const request = await server.next()
  expect(request.headers).toMatchObject({
    'content-type': 'application/merge-patch+json',
    'content-length': '8',
  })
  expect(await request.body).toBe('{"ü":1}')
  request.answer(201, '{}')
  expect(await response).toMatchObject({ status: 201 })
})

test('a compressed body that is cut off is an error, not an end', async () => {
  await using server = await ScriptedServer.start()
  using connection = await connectTo(server)
  const response = connection.get('/x')
  const zipped = gzipSync('x'.repeat(10_000))
  ;(await server.next()).open(200, { 'content-encoding': 'gzip' }).write(zipped.subarray(0, 20)).end()
  const { body } = await response
  await expect(text(body)).rejects.toMatchObject({
    phase: 'exchange',
    message: expect.stringContaining('unexpected end'),
  })
})

test('a server that accepts and says nothing is given up', async () => {
  await using server = await ScriptedServer.start()
  using connection = await connectTo(server)
  const message = `${server.url}: no answer within 0.4 s`
  await expect(connection.get('/x')).rejects.toEqual(new ConnectionError('exchange', message))
})

test('a server that never gets TLS going is given up', async () => {
  await using server = await ScriptedServer.start()
  using connection = await fromKubeconfig({
    master: server.url.replace('http:', 'https:'),
    connectTimeoutMs: 200,
  })
  await expect(connection.get('/x')).rejects.toMatchObject({ phase: 'connect' })
})

test('a kept connection that the server closed meanwhile is replaced without a word', async () => {
  await using server = await ScriptedServer.start()
  using connection = await connectTo(server)
  const first = connection.get('/x')
  const request = await server.next()
  request.answer(200, '')
  await text((await first).body)
  const second = connection.get('/x')
  ;(await server.next()).reset()
  ;(await server.next()).answer(200, 'again')
  expect(await text((await second).body)).toBe('again')
})

test('an abort ends a request, and the reading of a body, with the signal’s reason', async () => {
  await using server = await ScriptedServer.start()
  using connection = await connectTo(server)
  const early = new AbortController()
  const waiting = connection.get('/x', { signal: early.signal })
  const first = await server.next()
  early.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')
  await first.closed()

  const late = new AbortController()
  const response = connection.get('/x', { signal: late.signal })
  const second = await server.next()
  second.open().write('some')
  const { body } = await response
  late.abort(new Error('enough'))
  await expect(text(body)).rejects.toThrow('enough')
  await second.closed()
  await expect(connection.get('/x', { signal: late.signal })).rejects.toThrow('enough')
})

test('a certificate from nobody known is an error that says so', async () => {
  const { makeCertificates } = await import('./certificates.ts')
  await using files = await makeCertificates()
  await using server = await ScriptedServer.start({ key: files.serverKey, cert: files.serverCert })
  using connection = await fromKubeconfig({ master: server.url })
  await expect(connection.get('/x')).rejects.toMatchObject({
    phase: 'connect',
    message: expect.stringMatching(/^https:\/\/127.0.0.1:\d+: TLS: .*certificate/),
  })
})
