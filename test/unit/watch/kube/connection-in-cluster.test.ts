/** A pod's own connection, with its files and variables given by the test. */
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { type ApiConnection, inCluster } from '../../../../src/watch/kube/connection.ts'
import { makeCertificates } from './certificates.ts'
import { ScriptedServer } from './scripted-server.ts'
import { VirtualClock } from './virtual-clock.ts'

const directory = '/var/run/secrets/kubernetes.io/serviceaccount'

/** A pod whose mounted files are a map, and the API server that it talks to. */
async function pod(): Promise<{
  readonly server: ScriptedServer
  readonly clock: VirtualClock
  readonly files: Map<string, string>
  readonly connection: ApiConnection
  /** The Authorization header that a request comes with, and the status it is answered with. */
  asked(...statuses: readonly number[]): Promise<(string | undefined)[]>
  [Symbol.asyncDispose](): Promise<void>
}> {
  await using certificates = await makeCertificates()
  const server = await ScriptedServer.start({ key: certificates.serverKey, cert: certificates.serverCert })
  const clock = new VirtualClock()
  const files = new Map([
    [`${directory}/token`, 'first\n'],
    [`${directory}/ca.crt`, certificates.ca],
  ])
  const { hostname, port } = new URL(server.url)
  const connection = await inCluster({
    env: { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port },
    readText: async (path) => files.get(path) ?? Promise.reject(new Error('no such file')),
    clock,
  })
  return {
    server,
    clock,
    files,
    connection,
    asked: async (...statuses) => {
      const response = connection.get('/api')
      const seen: (string | undefined)[] = []
      for (const status of statuses) {
        const request = await server.next()
        seen.push(request.headers.authorization)
        request.answer(status, '')
      }
      const { status, body } = await response
      await text(body)
      expect(status).toBe(statuses.at(-1))
      return seen
    },
    [Symbol.asyncDispose]: async () => {
      connection[Symbol.dispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

test('the token is read again once a minute has gone by, and not before', async () => {
  await using p = await pod()
  expect(await p.asked(200)).toEqual(['Bearer first'])
  p.files.set(`${directory}/token`, 'second')
  p.clock.advance(59_999)
  expect(await p.asked(200)).toEqual(['Bearer first'])
  p.clock.advance(1)
  expect(await p.asked(200)).toEqual(['Bearer second'])
  expect(p.server.connections).toBe(1)
})

test('a token that is refused is read again and the request repeated, once', async () => {
  await using p = await pod()
  p.files.set(`${directory}/token`, 'second')
  expect(await p.asked(401, 200)).toEqual(['Bearer first', 'Bearer second'])
  expect(await p.asked(401, 401)).toEqual(['Bearer second', 'Bearer second'])
  expect(await p.asked(200)).toEqual(['Bearer second'])
})

test('a token file that cannot be read for a while does not matter while the old token is good', async () => {
  await using p = await pod()
  p.files.delete(`${directory}/token`)
  p.clock.advance(60_000)
  expect(await p.asked(200)).toEqual(['Bearer first'])
  p.files.set(`${directory}/token`, 'second')
  expect(await p.asked(200)).toEqual(['Bearer second'])
})

test('another authority is trusted as soon as its file is there', async () => {
  await using p = await pod()
  const ca = p.files.get(`${directory}/ca.crt`) ?? ''
  await using other = await makeCertificates()
  p.files.set(`${directory}/ca.crt`, other.ca)
  p.clock.advance(60_000)
  await expect(p.connection.get('/api')).rejects.toMatchObject({
    phase: 'connect',
    message: expect.stringContaining('TLS'),
  })
  p.files.set(`${directory}/ca.crt`, ca)
  p.clock.advance(60_000)
  expect(await p.asked(200)).toEqual(['Bearer first'])
})

test('an IPv6 service address is bracketed, another server takes its place', async () => {
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }
  const readText = async (): Promise<string> => 'x'
  using byVariables = await inCluster({ env, readText })
  expect(byVariables.server).toBe('https://[fd00::1]')
  using byServer = await inCluster({ env, readText, server: 'https://10.0.0.1:6443' })
  expect(byServer.server).toBe('https://10.0.0.1:6443')
})

test('outside of a pod the error says what is missing', async () => {
  await expect(inCluster({ env: {} })).rejects.toMatchObject({
    phase: 'configuration',
    message: expect.stringContaining('KUBERNETES_SERVICE_HOST'),
  })
  const env = { KUBERNETES_SERVICE_HOST: '::1', KUBERNETES_SERVICE_PORT: '443' }
  await expect(inCluster({ env, directory: '/nowhere' })).rejects.toMatchObject({
    phase: 'credentials',
    message: expect.stringMatching(/^ServiceAccount: \/nowhere\/(token|ca.crt): ENOENT/),
  })
  await expect(inCluster({ env, readText: async () => ' \n' })).rejects.toMatchObject({
    message: expect.stringContaining('is empty'),
  })
})
