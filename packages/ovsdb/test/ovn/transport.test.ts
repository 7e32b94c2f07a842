/** The three kinds of endpoint, and certificates made by openssl. */
import { copyFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TlsFiles } from '../../src/index.ts'
import { certificate, pemFiles, selfSigned } from './certificates.ts'
import { northbound } from './clients.ts'
import { eventually, type Server, Testbed } from './servers.ts'

let testbed: Testbed
let server: Server

beforeAll(async () => {
  testbed = await Testbed.make()
  for (const ca of ['ca', 'other-ca']) await selfSigned(testbed, ca)
  await certificate(testbed, 'server', 'ca', 'DNS:nb.example')
  await certificate(testbed, 'client', 'ca', 'DNS:client.example')
  await certificate(testbed, 'stranger', 'other-ca', 'DNS:client.example')
  const { privateKey, certificate: cert, ca } = files('server')
  server = await testbed.standalone('nb', [
    '--remote=ptcp:0:127.0.0.1',
    '--remote=pssl:0:127.0.0.2',
    '--remote=pssl:0:[::1]',
    `--private-key=${privateKey}`,
    `--certificate=${cert}`,
    `--ca-cert=${ca}`,
  ])
})
afterAll(() => testbed[Symbol.asyncDispose]())

const files = (name: string, ca = 'ca'): TlsFiles => pemFiles(testbed, name, ca)
const pem = (name: string): string => files(name).certificate

const ssl = (address: string = '127.0.0.2'): string => `ssl:${address}:${server.port(address)}`

test('unix', async () => {
  expect(await northbound(server.endpoint).client.ready()).toMatchObject({ endpoint: server.endpoint })
})

test('tcp', async () => {
  const { client } = northbound(`tcp:127.0.0.1:${server.port('127.0.0.1')}`)
  await client.ready()
  expect(await client.transact([{ op: 'comment', comment: 'by tcp' }])).toMatchObject({ kind: 'committed' })
})

describe('ssl', () => {
  test.each([
    ['IPv4', '127.0.0.2'],
    ['IPv6', '[::1]'],
  ] as const)('by %s, with a certificate of the same CA', async (_family, address) => {
    const { client } = northbound(ssl(address), { tls: files('client') })
    await client.ready()
    expect(await client.transact([{ op: 'comment', comment: 'by ssl' }])).toMatchObject({ kind: 'committed' })
  })

  test('the name in the certificate, where one is demanded', async () => {
    const good = northbound(ssl(), { tls: { ...files('client'), serverName: 'nb.example' } })
    await good.client.ready()
    const { states } = northbound(ssl(), { tls: { ...files('client'), serverName: 'other.example' } })
    await eventually(() =>
      states.some((state) => state.kind === 'disconnected' && /altnames/.test(state.reason)),
    )
  })

  test.each([
    ['no certificate', undefined, /needs a key, a certificate and a CA/],
    ['a certificate of another CA', () => files('stranger'), /alert|closed|ECONNRESET/],
    ['a server of another CA', () => files('client', 'other-ca'), /self-signed|unable to verify|issuer/],
  ])('refused: %s', async (_name, tls, reason) => {
    const { states } = northbound(ssl(), { tls: tls?.() })
    await eventually(() => states.some(({ kind }) => kind === 'disconnected'))
    expect(states.find(({ kind }) => kind === 'disconnected')).toMatchObject({
      reason: expect.stringMatching(reason),
    })
    expect(states.some(({ kind }) => kind === 'ready')).toBe(false)
  })

  test('files that are put right are read at the next attempt', async () => {
    await copyFile(pem('client-key'), pem('renewed-key'))
    await writeFile(pem('renewed'), 'not yet')
    const { client, states } = northbound(ssl(), { tls: files('renewed') })
    await eventually(() => states.some(({ kind }) => kind === 'disconnected'))
    await copyFile(pem('client'), pem('renewed'))
    await client.ready()
  })
})
