/** Every way in which a kubeconfig file says who we are, against a TLS server that looks. */

import { once } from 'node:events'
import { chmod, writeFile } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect as tcp } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import {
  type ApiConnection,
  fromKubeconfig,
  type KubeconfigOptions,
} from '../../../../src/watch/kube/connection.ts'
import { type Certificates, makeCertificates } from './certificates.ts'
import { ScriptedServer } from './scripted-server.ts'

let certificates: Certificates
let server: ScriptedServer

beforeAll(async () => {
  certificates = await makeCertificates()
  server = await ScriptedServer.start({
    key: certificates.serverKey,
    cert: certificates.serverCert,
    ca: certificates.ca,
    requestCert: true,
    rejectUnauthorized: false,
  })
})

afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await certificates[Symbol.asyncDispose]()
})

const base64 = (pem: string): string => Buffer.from(pem).toString('base64')

async function fileWith(user: object, cluster: object = {}, name = 'config'): Promise<string> {
  const path = join(certificates.directory, name)
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: 'broken and not in use' },
      { name: 'c', cluster: { server: server.url, 'certificate-authority': 'ca.crt', ...cluster } },
    ],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  }
  await writeFile(path, stringify(config))
  return path
}

async function connectionOf(
  user: object,
  cluster: object = {},
  options: Partial<KubeconfigOptions> = {},
): Promise<ApiConnection> {
  return await fromKubeconfig({ kubeconfig: await fileWith(user, cluster), ...options })
}

interface Seen {
  readonly authorization: string | undefined
  readonly certificate: string | undefined
  readonly servername: string | false | null
}

/** Makes one call and tells what the server saw of the caller at each try. */
async function asked(connection: ApiConnection, ...statuses: readonly number[]): Promise<Seen[]> {
  const response = connection.get('/api')
  response.catch(() => undefined)
  const seen: Seen[] = []
  for (const status of statuses) {
    const request = await Promise.race([
      server.next(),
      response.then(() => Promise.reject(new Error('answered'))),
    ])
    const socket = request.socket as TLSSocket
    const { authorization } = request.headers
    const certificate = socket.authorized ? socket.getPeerCertificate().subject?.CN : undefined
    seen.push({
      authorization,
      certificate: certificate as string | undefined,
      servername: socket.servername,
    })
    request.answer(status, '')
  }
  await text((await response).body)
  return seen
}

describe('who we are', () => {
  test('by client certificate files, relative to the kubeconfig', async () => {
    using connection = await connectionOf({ 'client-certificate': 'client.crt', 'client-key': 'client.key' })
    expect(await asked(connection, 200)).toMatchObject([{ certificate: 'client' }])
  })

  test('by client certificate data', async () => {
    const { ca, clientCert, clientKey } = certificates
    using connection = await connectionOf(
      { 'client-certificate-data': base64(clientCert), 'client-key-data': base64(clientKey) },
      { 'certificate-authority': '', 'certificate-authority-data': base64(ca) },
    )
    expect(await asked(connection, 200)).toMatchObject([{ certificate: 'client' }])
  })

  test('by a token', async () => {
    using connection = await connectionOf({ token: 'secret' })
    expect(await asked(connection, 200)).toMatchObject([{ authorization: 'Bearer secret' }])
  })

  test('by name and password', async () => {
    using connection = await connectionOf({ username: 'me', password: 'pass' })
    expect(await asked(connection, 200)).toMatchObject([{ authorization: `Basic ${base64('me:pass')}` }])
  })

  test('by a token file, read again when its token is refused', async () => {
    const path = join(certificates.directory, 'token')
    await writeFile(path, 'first\n')
    using connection = await connectionOf({ tokenFile: 'token', token: 'stale' })
    expect(await asked(connection, 200)).toMatchObject([{ authorization: 'Bearer first' }])
    await writeFile(path, 'second\n')
    expect(await asked(connection, 401, 200)).toMatchObject([
      { authorization: 'Bearer first' },
      { authorization: 'Bearer second' },
    ])
  })

  test('by nothing, where the context names no user', async () => {
    const path = await fileWith({})
    const { readFile } = await import('node:fs/promises')
    await writeFile(path, (await readFile(path, 'utf8')).replace('user: u', 'user: ""'))
    using connection = await fromKubeconfig({ kubeconfig: path })
    expect(await asked(connection, 200)).toMatchObject([{ authorization: undefined }])
  })
})

/** An exec plugin: a script that counts its runs in what it prints. */
async function plugin(body: string): Promise<{ exec: object }> {
  const path = join(certificates.directory, 'plugin')
  await writeFile(path, `#!/bin/sh\ncd "$(dirname "$0")"; echo run >> runs; n=$(wc -l < runs)\n${body}\n`)
  await writeFile(join(certificates.directory, 'runs'), '')
  await chmod(path, 0o755)
  const apiVersion = 'client.authentication.k8s.io/v1'
  return {
    exec: {
      apiVersion,
      command: './plugin',
      env: [{ name: 'NAME', value: 'value' }],
      interactiveMode: 'Never',
    },
  }
}

describe('an exec plugin', () => {
  const printing = (status: string): string => `echo '{"kind":"ExecCredential","status":'${status}'}'`

  test('is run once for many calls at once, and again when its token is refused', async () => {
    using connection = await connectionOf(await plugin(printing(`'{"token":"'run-$n-$NAME'"}'`)))
    const calls = [connection.get('/a'), connection.get('/b'), connection.get('/c')]
    for (let call = 0; call < calls.length; call++) {
      const request = await server.next()
      expect(request.headers.authorization).toBe('Bearer run-1-value')
      request.answer(200, '')
    }
    for (const { body } of await Promise.all(calls)) await text(body)
    expect(await asked(connection, 401, 200)).toMatchObject([
      { authorization: 'Bearer run-1-value' },
      { authorization: 'Bearer run-2-value' },
    ])
  })

  test('is run again when its token has expired', async () => {
    const expired = `'{"token":"'run-$n'","expirationTimestamp":"2020-01-01T00:00:00Z"}'`
    using connection = await connectionOf(await plugin(printing(expired)))
    expect(await asked(connection, 200)).toMatchObject([{ authorization: 'Bearer run-1' }])
    expect(await asked(connection, 200)).toMatchObject([{ authorization: 'Bearer run-2' }])
  })

  test('may hand out a certificate', async () => {
    const { clientCert, clientKey } = certificates
    const status = JSON.stringify({ clientCertificateData: clientCert, clientKeyData: clientKey })
    using connection = await connectionOf(await plugin(`cat <<'EOF'\n{"status":${status}}\nEOF`))
    expect(await asked(connection, 200)).toMatchObject([{ certificate: 'client' }])
  })

  test('is told the protocol’s version, and the cluster if it asks', async () => {
    const { exec } = await plugin(`printf %s "$KUBERNETES_EXEC_INFO" > info; ${printing(`'{"token":"t"}'`)}`)
    using connection = await connectionOf({ exec: { ...exec, provideClusterInfo: true } })
    await asked(connection, 200)
    const { readFile } = await import('node:fs/promises')
    expect(JSON.parse(await readFile(join(certificates.directory, 'info'), 'utf8'))).toEqual({
      kind: 'ExecCredential',
      apiVersion: 'client.authentication.k8s.io/v1',
      spec: { interactive: false, cluster: { server: server.url } },
    })
  })

  test.each([
    ['fails', 'echo "log in first" >&2; exit 1', 'log in first'],
    ['prints something else', 'echo hello', 'printed no ExecCredential with a status'],
    ['prints no status', 'echo "{}"', 'printed no ExecCredential with a status'],
  ])('that %s is an error with its name in it', async (_, script, reason) => {
    using connection = await connectionOf(await plugin(script))
    const command = join(certificates.directory, 'plugin')
    const message = `kubeconfig ${join(certificates.directory, 'config')}: user u: exec (${command}): ${reason}`
    await expect(connection.get('/api')).rejects.toMatchObject({ phase: 'credentials', message })
  })

  test('that is not there is an error too', async () => {
    using connection = await connectionOf({ exec: { command: 'no-such-plugin' } })
    await expect(connection.get('/api')).rejects.toThrow(
      'user u: exec (no-such-plugin): spawn no-such-plugin ENOENT',
    )
  })

  test('that hangs holds nobody up for ever', async () => {
    using connection = await connectionOf(await plugin('exec sleep 5'), {}, { credentialsTimeoutMs: 100 })
    await expect(connection.get('/api')).rejects.toThrow('no credentials within 0.1 s')
    const abort = new AbortController()
    const waiting = connection.get('/api', { signal: abort.signal })
    abort.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
  })
})

describe('the server', () => {
  test('is replaced by --master', async () => {
    using connection = await connectionOf(
      { token: 't' },
      { server: 'https://nowhere.invalid' },
      { master: server.url },
    )
    expect(connection.server).toBe(server.url)
    expect(await asked(connection, 200)).toMatchObject([{ authorization: 'Bearer t' }])
  })

  test('is not verified where insecure-skip-tls-verify says so', async () => {
    const cluster = { 'certificate-authority': '', 'insecure-skip-tls-verify': true }
    using connection = await connectionOf({ token: 't' }, cluster)
    expect(await asked(connection, 200)).toMatchObject([{ authorization: 'Bearer t' }])
  })

  test('is verified by tls-server-name', async () => {
    using good = await connectionOf({}, { 'tls-server-name': 'kubernetes' })
    expect(await asked(good, 200)).toMatchObject([{ servername: 'kubernetes' }])
    using bad = await connectionOf({}, { 'tls-server-name': 'other' })
    await expect(bad.get('/api')).rejects.toThrow(/TLS: .*other/)
  })

  test('may be plain http', async () => {
    await using plain = await ScriptedServer.start()
    using connection = await connectionOf({ token: 't' }, { server: plain.url })
    const response = connection.get('/api')
    const request = await plain.next()
    expect(request.headers.authorization).toBe('Bearer t')
    request.answer(200, '')
    await text((await response).body)
  })

  test('is reached through proxy-url', async () => {
    let tunnels = 0
    const proxy = http.createServer().on('connect', (request, client) => {
      tunnels++
      const [host, port] = String(request.url).split(':')
      const upstream = tcp(Number(port), host, () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n')
        upstream.pipe(client).pipe(upstream)
      })
      for (const socket of [client, upstream]) socket.on('error', () => undefined)
    })
    await once(proxy.listen(0, '127.0.0.1'), 'listening')
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    using connection = await connectionOf({ token: 't' }, { 'proxy-url': url })
    expect(await asked(connection, 200)).toMatchObject([{ authorization: 'Bearer t' }])
    expect(tunnels).toBe(1)
    proxy.close()
    proxy.closeAllConnections()
  })
})

describe('a bad file', () => {
  const broken = async (change: (config: string) => string, user: object = {}): Promise<string> => {
    const { readFile } = await import('node:fs/promises')
    const path = await fileWith(user, {}, 'broken')
    await writeFile(path, change(await readFile(path, 'utf8')))
    return path
  }
  const same = (config: string): string => config

  test.each<[string, (config: string) => string, object, RegExp]>([
    ['is no YAML', () => 'a: [', {}, /broken: Flow sequence/],
    ['is empty', () => '', {}, /broken: is not a YAML mapping$/],
    [
      'has no current context',
      (c) => c.replace('current-context: x', ''),
      {},
      /broken: current-context: is not set$/,
    ],
    [
      'has another current context',
      (c) => c.replace('current-context: x', 'current-context: y'),
      {},
      /contexts: has no entry named "y"$/,
    ],
    [
      'has no such cluster',
      (c) => c.replace('cluster: c', 'cluster: d'),
      {},
      /clusters: has no entry named "d"$/,
    ],
    ['has no such user', (c) => c.replace('user: u', 'user: v'), {}, /users: has no entry named "v"$/],
    ['has no server', (c) => c.replace(/server: .*/, ''), {}, /clusters\[1\]\.cluster\.server: is not set$/],
    [
      'has an odd server',
      (c) => c.replace(/server: .*/, 'server: ftp://x'),
      {},
      /server: is no http or https URL: ftp:\/\/x$/,
    ],
    [
      'has no authority',
      (c) => c.replace('ca.crt', 'none.crt'),
      {},
      /clusters\[1\]\.cluster\.certificate-authority: ENOENT.*none\.crt/,
    ],
    [
      'has a key for an authority',
      (c) => c.replace('ca.crt', 'ca.key'),
      {},
      /certificate-authority: .*no start line/,
    ],
    [
      'has no certificate',
      same,
      { 'client-certificate': 'none.crt' },
      /users\[0\]\.user\.client-certificate: ENOENT/,
    ],
    [
      'has no good certificate',
      same,
      { 'client-certificate-data': base64('hi') },
      /users\[0\]\.user\.client-certificate: /,
    ],
    [
      'has another’s key',
      same,
      { 'client-certificate': 'client.crt', 'client-key': 'server.key' },
      /client-key: .*mismatch/,
    ],
  ])('that %s', async (_, change, user, message) => {
    const path = await broken(change, user)
    await expect(fromKubeconfig({ kubeconfig: path })).rejects.toMatchObject({
      phase: 'configuration',
      message: expect.stringMatching(message),
    })
    await expect(fromKubeconfig({ kubeconfig: path })).rejects.toThrow(`kubeconfig ${path}: `)
  })

  test('that is not there', async () => {
    await expect(fromKubeconfig({ kubeconfig: '/nowhere/config' })).rejects.toThrow(
      /^kubeconfig \/nowhere\/config: ENOENT/,
    )
  })

  test('or a bad --master alone', async () => {
    await expect(fromKubeconfig({ master: 'http://' })).rejects.toThrow(
      '--master: is no http or https URL: http://',
    )
    await expect(fromKubeconfig({})).rejects.toThrow('--master: is no http or https URL: (not set)')
  })
})
