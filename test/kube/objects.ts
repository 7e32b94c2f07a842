/** What tests do with objects over and over: applying manifests, making pods as a kubelet would. */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseAllDocuments } from 'yaml'
import { type AdminClient, type ApiObject, unless } from './admin-client.ts'

export interface TestPod {
  readonly name: string
  readonly namespace?: string
  readonly node?: string
  readonly labels?: Record<string, string>
  readonly annotations?: Record<string, string>
  readonly spec?: object
  /** Running, unless told. */
  readonly status?: object
}

export interface Objects {
  /** Creates or replaces the objects of all documents, in order; CRDs are usable when this returns. */
  apply(yaml: string): Promise<void>
  /** Deletes the objects of all documents, in order, as far as they exist; CRDs are gone when this returns. */
  remove(yaml: string): Promise<void>
  /** The path of a kubeconfig with a token of this ServiceAccount, valid for an hour. */
  serviceAccountKubeconfig(namespace: string, name: string): Promise<string>
  createNamespace(name: string, labels?: Record<string, string>): Promise<ApiObject>
  createPod(pod: TestPod): Promise<ApiObject>
  /** Merges into the pod's status. */
  patchPodStatus(namespace: string, name: string, status: object): Promise<ApiObject>
  /** At once, as the kubelet's last word. */
  deletePod(namespace: string, name: string): Promise<void>
}

export function objectsBy(client: AdminClient, directory: string): Objects {
  const patchPodStatus = (namespace: string, name: string, status: object): Promise<ApiObject> =>
    client.call('PATCH', `/api/v1/namespaces/${namespace}/pods/${name}/status`, { status })
  return {
    patchPodStatus,
    apply: async (yaml) => {
      for (const object of objectsOf(yaml)) await applyOne(client, object)
    },
    remove: async (yaml) => {
      for (const object of objectsOf(yaml)) {
        const path = `${await collectionOf(client, object)}/${object.metadata.name}`
        await client.call('DELETE', path).catch(unless(404))
        if (object.kind === 'CustomResourceDefinition') await untilGone(client, path)
      }
    },
    serviceAccountKubeconfig: async (namespace, name) => {
      const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`
      const { status } = await client.call('POST', path, { spec: { expirationSeconds: 3600 } })
      return await client.kubeconfig(directory, `${namespace}-${name}`, (status as { token: string }).token)
    },
    createNamespace: (name, labels = {}) =>
      client.call('POST', '/api/v1/namespaces', { metadata: { name, labels } }),
    createPod: async ({ name, namespace = 'default', node, labels, annotations, spec, status }) => {
      const containers = [{ name: 'main', image: 'none' }]
      await client.call('POST', `/api/v1/namespaces/${namespace}/pods`, {
        metadata: { name, labels, annotations },
        spec: { containers, ...(node !== undefined && { nodeName: node }), ...spec },
      })
      return await patchPodStatus(namespace, name, { phase: 'Running', ...status })
    },
    deletePod: async (namespace, name) => {
      await client.call('DELETE', `/api/v1/namespaces/${namespace}/pods/${name}`, { gracePeriodSeconds: 0 })
    },
  }
}

function objectsOf(yaml: string): ApiObject[] {
  return parseAllDocuments(yaml).flatMap((document) => {
    const object = document.toJS() as ApiObject | null
    return object === null ? [] : [object]
  })
}

async function applyOne(client: AdminClient, object: ApiObject): Promise<void> {
  const collection = await collectionOf(client, object)
  const path = `${collection}/${object.metadata.name}`
  await client.call('POST', collection, object).catch(async (error: unknown) => {
    unless(409)(error)
    const { resourceVersion } = (await client.call('GET', path)).metadata
    await client.call('PUT', path, { ...object, metadata: { ...object.metadata, resourceVersion } })
  })
  if (object.kind === 'CustomResourceDefinition') await untilServed(client, path)
}

/** The path of an object's kind, as the server's own directory has it. */
async function collectionOf(client: AdminClient, { apiVersion, kind, metadata }: ApiObject): Promise<string> {
  const base = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const { resources } = await client.call('GET', base)
  const known = resources as { kind: string; name: string; namespaced: boolean }[]
  const found = known.find((resource) => resource.kind === kind && !resource.name.includes('/'))
  if (found === undefined) throw new Error(`the server knows no ${kind} in ${apiVersion}`)
  return found.namespaced
    ? `${base}/namespaces/${metadata.namespace ?? 'default'}/${found.name}`
    : `${base}/${found.name}`
}

/** A definition goes only after all its objects went; meanwhile it looks as if it were there. */
async function untilGone(client: AdminClient, path: string): Promise<void> {
  while ((await client.raw('GET', path)).status !== 404) await sleep(20)
}

/** A definition is accepted before its kind is served. */
async function untilServed(client: AdminClient, path: string): Promise<void> {
  const { spec } = await client.call('GET', path)
  const { group, names, versions } = spec as {
    group: string
    names: { plural: string }
    versions: { name: string; served: boolean }[]
  }
  for (const { name } of versions.filter(({ served }) => served)) {
    while ((await client.raw('GET', `/apis/${group}/${name}/${names.plural}?limit=1`)).status !== 200)
      await sleep(20)
  }
}
