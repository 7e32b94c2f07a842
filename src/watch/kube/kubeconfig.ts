/**
 * A kubeconfig file cut down to the one cluster and user that its current context names, with every path in it
 * made absolute, and checked field by field. The library that does the authenticating takes the result; it is
 * not left to read the file itself because it knows neither `tokenFile` nor which field it stumbled over, and
 * gives up on entries that are not even in use.
 *
 * Format: Kubernetes documentation, "kubeconfig (v1)"; exec plugins: "client-go credential plugins".
 */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import { parse } from 'yaml'
import { withScheme } from './connection-access.ts'
import { ConnectionError, wordsOf } from './connection-error.ts'

export type Fields = Readonly<Record<string, unknown>>

/** Entries as the file spells them. */
export interface Kubeconfig {
  readonly file: string
  readonly cluster: Fields & { readonly server: string }
  readonly clusterName: string
  readonly user: Fields
  readonly userName: string
}

/**
 * @param master takes the place of the cluster's server, as `--master` does
 * @throws {ConnectionError} of phase `configuration`, naming the file, the field and the reason
 */
export function readKubeconfig(file: string, master?: string): Kubeconfig {
  const fail = failure(file)
  const config = documentOf(file, fail)
  const context = contextOf(config, fail)
  const [cluster, clusterField] = entry(config, 'clusters', 'cluster', context['cluster'], fail)
  const [user, userField] = context['user']
    ? entry(config, 'users', 'user', context['user'], fail)
    : [{}, 'users']
  const server = serverOf(cluster, clusterField, master, fail)
  const absolute = absolutePaths(dirname(resolve(file)))
  const kubeconfig = {
    file,
    cluster: { ...absolute(cluster, ['certificate-authority']), server },
    clusterName: String(context['cluster']),
    user: withExec(absolute(user, ['client-certificate', 'client-key', 'tokenFile']), cluster, server, file),
    userName: String(context['user'] || 'anonymous'),
  }
  checkCertificates(kubeconfig, clusterField, userField, fail)
  return kubeconfig
}

type Fail = (field: string, reason: string, cause?: unknown) => never

function failure(file: string): Fail {
  return (field, reason, cause) => {
    const message = `kubeconfig ${file}: ${field === '' ? '' : `${field}: `}${reason}`
    throw new ConnectionError('configuration', message, { cause })
  }
}

function documentOf(file: string, fail: Fail): Fields {
  let config: unknown
  try {
    config = parse(readFileSync(file, 'utf8'))
  } catch (error) {
    fail('', wordsOf(error).split('\n', 1)[0] ?? 'unreadable', error)
  }
  return isFields(config) ? config : fail('', 'is not a YAML mapping')
}

function contextOf(config: Fields, fail: Fail): Fields {
  const name = config['current-context']
  if (typeof name !== 'string' || name === '') fail('current-context', 'is not set')
  const [context, field] = entry(config, 'contexts', 'context', name, fail)
  if (typeof context['cluster'] !== 'string') fail(`${field}.cluster`, 'is not set')
  return context
}

/** The named entry of one of the file's three lists, and the path of its fields for messages. */
function entry(config: Fields, list: string, key: string, name: unknown, fail: Fail): [Fields, string] {
  const entries = Array.isArray(config[list]) ? (config[list] as unknown[]) : fail(list, 'is no list')
  const at = entries.findIndex((each) => isFields(each) && each['name'] === name)
  const found = entries[at]
  if (!isFields(found)) return fail(list, `has no entry named ${JSON.stringify(name)}`)
  const fields = found[key] ?? {}
  return isFields(fields) ? [fields, `${list}[${at}].${key}`] : fail(`${list}[${at}].${key}`, 'is no mapping')
}

function serverOf(cluster: Fields, field: string, master: string | undefined, fail: Fail): string {
  const server = master || cluster['server']
  if (typeof server !== 'string' || server === '') return fail(`${field}.server`, 'is not set')
  const url = URL.parse(withScheme(server, cluster))
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url.href.replace(/\/$/, '')
  return fail(master ? '--master' : `${field}.server`, `is no http or https URL: ${server}`)
}

function absolutePaths(directory: string): (fields: Fields, names: readonly string[]) => Fields {
  return (fields, names) => {
    const paths = names.flatMap((name) => {
      const path = fields[name]
      return typeof path === 'string' && path !== '' ? [[name, resolve(directory, path)]] : []
    })
    return { ...fields, ...Object.fromEntries(paths) }
  }
}

/**
 * Tells an exec plugin what the protocol says it is told: the version it should answer in and, where it asks
 * for it, the cluster. A command with a slash in it is relative to the file's directory.
 */
function withExec(user: Fields, cluster: Fields, server: string, file: string): Fields {
  const exec = user['exec']
  if (!isFields(exec)) return user
  const { command, apiVersion, provideClusterInfo, env } = exec
  const about = { server, 'certificate-authority-data': cluster['certificate-authority-data'] }
  const info = {
    kind: 'ExecCredential',
    apiVersion,
    spec: { interactive: false, ...(provideClusterInfo === true && { cluster: about }) },
  }
  const told = { name: 'KUBERNETES_EXEC_INFO', value: JSON.stringify(info) }
  const relative = typeof command === 'string' && command.includes('/')
  const path = relative ? resolve(dirname(resolve(file)), command) : command
  return { ...user, exec: { ...exec, command: path, env: [...(Array.isArray(env) ? env : []), told] } }
}

function checkCertificates(config: Kubeconfig, cluster: string, user: string, fail: Fail): void {
  const ca = pem(config.cluster, 'certificate-authority', cluster, fail)
  const cert = pem(config.user, 'client-certificate', user, fail)
  const key = pem(config.user, 'client-key', user, fail)
  const attempt = (field: string, check: () => unknown): void => {
    try {
      check()
    } catch (error) {
      fail(field, wordsOf(error), error)
    }
  }
  if (ca !== undefined) attempt(`${cluster}.certificate-authority`, () => new X509Certificate(ca))
  if (cert !== undefined) attempt(`${user}.client-certificate`, () => new X509Certificate(cert))
  attempt(`${user}.client-key`, () => createSecureContext({ cert, key }))
}

/** The content of a field that is a file's path, or of its twin with `-data` that is base64. */
function pem(fields: Fields, name: string, at: string, fail: Fail): Buffer | undefined {
  const path = fields[name]
  if (typeof path === 'string' && path !== '') {
    try {
      return readFileSync(path)
    } catch (error) {
      return fail(`${at}.${name}`, wordsOf(error), error)
    }
  }
  const data = fields[`${name}-data`]
  return typeof data === 'string' && data !== '' ? Buffer.from(data, 'base64') : undefined
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
