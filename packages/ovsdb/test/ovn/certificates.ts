/** Keys and certificates made by openssl, in the directory of a testbed. */
import type { TlsFiles } from '../../src/index.ts'
import { run, type Testbed } from './servers.ts'

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

export function pemFiles(testbed: Testbed, name: string, ca = 'ca'): TlsFiles {
  const pem = (each: string): string => testbed.path(`${each}.pem`)
  return { privateKey: pem(`${name}-key`), certificate: pem(name), ca: pem(ca) }
}

export async function selfSigned(testbed: Testbed, name: string): Promise<void> {
  const { privateKey, certificate } = pemFiles(testbed, name)
  const subject = ['-subj', `/CN=${name}`, '-keyout', privateKey, '-out', certificate]
  await run('openssl', ['req', '-x509', '-days', '2', ...KEY, ...subject])
}

export async function certificate(
  testbed: Testbed,
  name: string,
  ca: string,
  subjectAltName: string,
): Promise<void> {
  const [own, issuer] = [pemFiles(testbed, name), pemFiles(testbed, ca)]
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${subjectAltName}`]
  const signed = ['-CA', issuer.certificate, '-CAkey', issuer.privateKey]
  const out = ['-keyout', own.privateKey, '-out', own.certificate]
  await run('openssl', ['req', '-x509', '-days', '2', ...KEY, ...subject, ...signed, ...out])
}
