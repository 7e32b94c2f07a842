/**
 * What a pod of another node costs on the wire: one pod's share of the list, and one update of it, as the daemon asks for
 * them, against whole objects asked for in the same way. The pods are as controllers make them: two containers with
 * settings, probes and volumes, a kubelet's status, and the fields' managers, which the server cannot be told to leave out.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { parse } from 'yaml'
import { podResource } from '../src/watch/kube/pod-stream.ts'
import { acceptOf, type Resource, selectorsOf } from '../src/watch/kube/resource.ts'
import { type ControlPlane, startControlPlane } from '../test/kube/control-plane.ts'
import type { Figure } from './figures.ts'

/** Enough for the list to be compressed as a large one is. */
const PODS = 1_000
const WORKERS = 16
const UPDATES = 50
const NODE = 'bench'
const LINE_BREAK = 0x0a

/** Against whole objects as the yardstick. */
export type ByteFigure = Omit<Figure, 'unit'> & { readonly unit: 'bytes' }

export async function bytes(): Promise<readonly ByteFigure[]> {
  await using cp = await startControlPlane()
  await createPods(cp)
  const api = await Api.of(cp)
  const [lean, whole] = [podResource('metadata', NODE), podResource('all', NODE)]
  const lists = [await api.listBytes(lean), await api.listBytes(whole)] as const
  const watches = [api.watch(lean), api.watch(whole)] as const
  await Promise.all(watches.map(({ standing }) => standing))
  await update(cp)
  const updates = await Promise.all([watches[0].bytes, watches[1].bytes])
  api.close()
  return [
    figure('list, gzip', lists[0] / PODS, lists[1] / PODS),
    figure('update', updates[0] / UPDATES, updates[1] / UPDATES),
  ]
}

function figure(what: string, lean: number, whole: number): ByteFigure {
  return {
    name: `a pod of another node, ${what}`,
    unit: 'bytes',
    samples: [lean],
    yardstick: { name: 'whole', samples: [whole], times: 1 },
    goal: { kind: 'at most', p50: 0.35 },
  }
}

async function createPods(cp: ControlPlane): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    for (let index = next++; index < PODS; index = next++) {
      const pods = '/api/v1/namespaces/default/pods'
      await cp.api('POST', `${pods}?fieldManager=kube-controller-manager`, pod(index))
      const { name } = pod(index).metadata
      await cp.api('PATCH', `${pods}/${name}/status?fieldManager=kubelet`, { status: status(index) })
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, worker))
}

/** One pod's readiness, again and again, as its kubelet would. */
async function update(cp: ControlPlane): Promise<void> {
  const path = `/api/v1/namespaces/default/pods/${pod(0).metadata.name}/status?fieldManager=kubelet`
  for (let time = 0; time < UPDATES; time++)
    await cp.api('PATCH', path, { status: { message: `update ${String(time).padStart(3, '0')}` } })
}

function pod(index: number) {
  const host = `${100 + Math.floor(index / 250)}.0.${(index % 250) + 1}`
  const networks = [
    { name: 'cbr0', interface: 'eth0', ips: [`10.244.${host.slice(4)}`], default: true, dns: {} },
    { name: 'default/red', interface: 'net1', ips: [`10.${host}`], mac: '02:00:00:00:00:01', dns: {} },
  ]
  const token = `kube-api-access-${digest(String(index)).slice(0, 5)}`
  const probe = { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 10 }
  return {
    metadata: {
      name: `app-${index % 200}-7d9c5b8f6d-${index.toString(36).padStart(5, 'x')}`,
      labels: {
        app: `app-${index % 200}`,
        tier: `t${index % 20}`,
        'pod-template-hash': `hash${index % 500}`,
      },
      annotations: {
        'k8s.v1.cni.cncf.io/networks': 'red',
        'k8s.v1.cni.cncf.io/network-status': JSON.stringify(networks),
      },
    },
    spec: {
      serviceAccountName: 'default',
      nodeName: `node-${index % 100}`,
      containers: ['main', 'sidecar'].map((name) => ({
        name,
        image: `registry.example.com/team/${name}:1.2.3`,
        env: Array.from({ length: 6 }, (_, at) => ({
          name: `SETTING_${at}`,
          value: `value-of-setting-${at}`,
        })),
        ports: [{ name: 'web', containerPort: 8080 }],
        livenessProbe: probe,
        readinessProbe: probe,
        resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
        volumeMounts: [
          { name: 'config', mountPath: '/etc/config' },
          { name: token, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', readOnly: true },
        ],
      })),
      volumes: [
        { name: 'config', configMap: { name: 'config' } },
        { name: token, projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } },
      ],
    },
  }
}

function status(index: number): object {
  const at = new Date(Date.UTC(2026, 0, 1) + index * 61_000).toISOString().replace('.000', '')
  const types = ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled']
  return {
    ...{ phase: 'Running', hostIP: '10.0.0.1', podIP: `10.244.0.${(index % 250) + 1}`, startTime: at },
    conditions: types.map((type) => ({ type, status: 'True', lastTransitionTime: at })),
    containerStatuses: ['main', 'sidecar'].map((name) => ({
      name,
      image: `registry.example.com/team/${name}:1.2.3`,
      imageID: `registry.example.com/team/${name}@sha256:${digest(name)}`,
      containerID: `containerd://${digest(`${index} ${name}`)}`,
      ...{
        ready: true,
        restartCount: 0,
        started: true,
        lastState: {},
        state: { running: { startedAt: at } },
      },
    })),
  }
}

/** As random as what it stands for, which does not compress; the same in each run. */
function digest(of: string): string {
  return createHash('sha256').update(of).digest('hex')
}

/** Requests as the daemon makes them, of which nothing is looked at but how many bytes come back. */
class Api {
  readonly #url: string
  readonly #token: string
  readonly #agent: Agent

  private constructor(url: string, token: string, ca: string) {
    this.#url = url
    this.#token = token
    this.#agent = new Agent({ ca })
  }

  static async of(cp: ControlPlane): Promise<Api> {
    const config = parse(await readFile(cp.adminKubeconfig, 'utf8')) as {
      users: readonly [{ readonly user: { readonly token: string } }]
    }
    return new Api(cp.url, config.users[0].user.token, cp.ca)
  }

  /** Of the first list, compressed, as it comes from the server's cache. */
  async listBytes(resource: Resource): Promise<number> {
    const query = { ...selectorsOf(resource), resourceVersion: '0', limit: '500' }
    let bytes = 0
    for await (const chunk of await this.#get(resource, 'list', query)) bytes += chunk.length
    return bytes
  }

  /** Stands when it has brought all pods; then the bytes of so many lines more are counted. */
  watch(resource: Resource): { readonly standing: Promise<void>; readonly bytes: Promise<number> } {
    const { promise: standing, resolve } = Promise.withResolvers<void>()
    const count = async (): Promise<number> => {
      let [lines, bytes] = [0, 0]
      const query = { ...selectorsOf(resource), watch: '1', resourceVersion: '0' }
      for await (const chunk of await this.#get(resource, 'watch', query)) {
        for (const byte of chunk) {
          if (lines >= PODS && lines < PODS + UPDATES) bytes++
          if (byte === LINE_BREAK) lines++
        }
        if (lines >= PODS) resolve()
        if (lines >= PODS + UPDATES) break
      }
      return bytes
    }
    return { standing, bytes: count() }
  }

  close(): void {
    this.#agent.destroy()
  }

  async #get(
    resource: Resource,
    verb: 'list' | 'watch',
    query: Record<string, string>,
  ): Promise<AsyncIterable<Buffer>> {
    const call = request(`${this.#url}${resource.path}?${new URLSearchParams(query)}`, {
      agent: this.#agent,
      headers: {
        authorization: `Bearer ${this.#token}`,
        accept: acceptOf(resource, verb),
        'accept-encoding': verb === 'list' ? 'gzip' : 'identity',
      },
    })
    const answered = once(call, 'response')
    call.end()
    const [response] = (await answered) as [AsyncIterable<Buffer> & { readonly statusCode: number }]
    if (response.statusCode !== 200) throw new Error(`${verb}: ${response.statusCode}`)
    return response
  }
}
