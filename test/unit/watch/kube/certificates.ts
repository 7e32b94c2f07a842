/** Certificates of an authority of our own for a server on loopback and for a client, made by openssl. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'

export interface Certificates extends AsyncDisposable {
  /** Where they lie: ca.crt, server.crt, server.key, client.crt, client.key, and room for a test's own files. */
  readonly directory: string
  readonly ca: string
  readonly serverCert: string
  readonly serverKey: string
  readonly clientCert: string
  readonly clientKey: string
}

export async function makeCertificates(): Promise<Certificates> {
  const directory = await mkdtemp(join(tmpdir(), 'certificates-'))
  const openssl = async (args: string): Promise<void> => {
    await execa('openssl', args.split(' '), { cwd: directory })
  }
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2'
  await openssl(`${request} -keyout ca.key -out ca.crt -subj /CN=authority`)
  const signed = `${request} -CA ca.crt -CAkey ca.key -addext basicConstraints=CA:FALSE`
  const names = 'subjectAltName=IP:127.0.0.1,DNS:kubernetes'
  await openssl(`${signed} -keyout server.key -out server.crt -subj /CN=server -addext ${names}`)
  await openssl(`${signed} -keyout client.key -out client.crt -subj /CN=client`)
  const read = (name: string): Promise<string> => readFile(join(directory, name), 'utf8')
  return {
    directory,
    ca: await read('ca.crt'),
    serverCert: await read('server.crt'),
    serverKey: await read('server.key'),
    clientCert: await read('client.crt'),
    clientKey: await read('client.key'),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  }
}
