/**
 * A real Kubernetes control plane for tests: etcd and kube-apiserver on free loopback ports, with RBAC, and
 * nothing else. No kubelet, scheduler or controller runs: a pod is what a test writes, its status too, and it is
 * gone when it is deleted.
 *
 *     await using cp = await startControlPlane()
 *     await cp.apply(await readFile('deploy/crds.yaml', 'utf8'))
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AdminClient, type ApiObject } from './admin-client.ts'
import { Component, isUp } from './component.ts'
import { type Objects, objectsBy } from './objects.ts'

export { ApiFailure, type ApiObject } from './admin-client.ts'
export type { TestPod } from './objects.ts'

export interface ControlPlane extends AsyncDisposable, Objects {
  readonly url: string
  /** In PEM. */
  readonly ca: string
  /** Gone with the control plane; tests may put their own files here. */
  readonly directory: string
  /** The path of a kubeconfig that may do everything. */
  readonly adminKubeconfig: string
  /**
   * One call as the administrator; the answer's JSON. Patches are merge patches unless told.
   *
   * @throws {ApiFailure} for any status from 400 on.
   */
  api(method: string, path: string, body?: unknown, contentType?: string): Promise<ApiObject>
  /** Makes etcd forget all but the present, as it does every five minutes in a real cluster. */
  compact(): Promise<void>
  /** As for an upgrade: the port and what is stored stay. */
  stopApiServer(): Promise<void>
  startApiServer(): Promise<void>
}

/** @throws where a binary is missing, or with the last lines of the log of what does not come up. */
export async function startControlPlane(): Promise<ControlPlane> {
  await using cleanup = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'control-plane-'))
  cleanup.defer(() => rm(directory, { recursive: true, force: true }))
  const [clients, peers, port] = await Promise.all([freePort(), freePort(), freePort()])
  const etcdUrl = `http://127.0.0.1:${clients}`
  const etcd = await Component.start(directory, 'etcd', etcdArguments(directory, etcdUrl, peers), () =>
    isUp(() => fetch(`${etcdUrl}/health`)),
  )
  cleanup.defer(() => etcd.stop('SIGKILL'))
  const token = randomBytes(16).toString('hex')
  const args = await apiServerArguments(directory, etcdUrl, port, token)
  const url = `https://127.0.0.1:${port}`
  const client = new AdminClient(url, token, join(directory, 'apiserver.crt'))
  cleanup.defer(() => client.close())
  const start = (): Promise<Component> =>
    Component.start(directory, 'kube-apiserver', args, () => isUp(() => client.raw('GET', '/readyz')))
  let apiServer = await start()
  cleanup.defer(() => apiServer.stop('SIGKILL'))
  await untilNamespaces(client)
  const objects = objectsBy(client, directory)
  const resources = cleanup.move()
  return {
    url,
    directory,
    ca: await client.ca(),
    adminKubeconfig: await client.kubeconfig(directory, 'admin', token),
    api: (...call) => client.call(...call),
    ...objects,
    compact: () => compact(etcdUrl),
    stopApiServer: () => apiServer.stop('SIGTERM'),
    startApiServer: async () => {
      apiServer = await start()
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

function etcdArguments(directory: string, url: string, peers: number): string[] {
  const peer = `http://127.0.0.1:${peers}`
  return [
    ...[`--name=test`, `--data-dir=${join(directory, 'etcd')}`, '--unsafe-no-fsync', '--log-outputs=stderr'],
    ...[`--listen-client-urls=${url}`, `--advertise-client-urls=${url}`],
    ...[
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=test=${peer}`,
    ],
    '--quota-backend-bytes=4294967296',
  ]
}

async function apiServerArguments(
  directory: string,
  etcd: string,
  port: number,
  token: string,
): Promise<string[]> {
  const tokens = join(directory, 'tokens.csv')
  const key = join(directory, 'service-account.key')
  await writeFile(tokens, `${token},admin,admin,system:masters\n`)
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  await writeFile(key, privateKey.export({ type: 'pkcs1', format: 'pem' }))
  return [
    ...[`--etcd-servers=${etcd}`, `--bind-address=127.0.0.1`, '--advertise-address=127.0.0.1'],
    ...[`--secure-port=${port}`, `--cert-dir=${directory}`, `--token-auth-file=${tokens}`],
    ...['--authorization-mode=RBAC', '--service-account-issuer=https://kubernetes.default.svc'],
    ...[`--service-account-key-file=${key}`, `--service-account-signing-key-file=${key}`],
    ...['--service-cluster-ip-range=10.96.0.0/16', '--allow-privileged=true', '--max-requests-inflight=2000'],
    // Without its controller, ServiceAccount admission would refuse every pod.
    '--disable-admission-plugins=ServiceAccount',
  ]
}

async function freePort(): Promise<number> {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  await once(server.close(), 'close')
  return port
}

/** The server makes these two by itself, some moments after it is ready. */
async function untilNamespaces(client: AdminClient): Promise<void> {
  for (const name of ['default', 'kube-system']) {
    while ((await client.raw('GET', `/api/v1/namespaces/${name}`)).status !== 200) await sleep(20)
  }
}

/** By etcd's own JSON interface, since not everybody has its command-line client. */
async function compact(etcd: string): Promise<void> {
  const post = async (path: string, body: object): Promise<{ header: { revision: string } }> => {
    const response = await fetch(etcd + path, { method: 'POST', body: JSON.stringify(body) })
    if (!response.ok) throw new Error(`etcd: ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as { header: { revision: string } }
  }
  const { header } = await post('/v3/kv/range', {
    key: Buffer.from('/').toString('base64'),
    count_only: true,
  })
  await post('/v3/kv/compaction', { revision: header.revision, physical: true })
}
