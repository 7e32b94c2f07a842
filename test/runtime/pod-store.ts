/** Who keeps the pod objects that the daemon reads and multus annotates: a manifests directory, or an API server. */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ControlPlane, startControlPlane } from '../kube/control-plane.ts'
import { type KubeObject, Manifests } from '../manifests.ts'

const NETWORK_STATUS = 'k8s.v1.cni.cncf.io/network-status'

export interface PodName {
  readonly namespace: string
  readonly name: string
}

export interface PodStore extends AsyncDisposable {
  /** By which the daemon finds it. */
  readonly flags: readonly string[]
  /** Networks and policies. */
  keep(objects: readonly KubeObject[]): Promise<void>
  /** The pod as kubelet first sees it, without network-status. @returns its UID */
  create(pod: PodName, labels: Readonly<Record<string, string>>): Promise<string>
  annotate(pod: PodName, networkStatus: string): Promise<void>
  remove(pod: PodName): Promise<void>
}

export async function manifestStore(): Promise<PodStore> {
  const manifests = await Manifests.create()
  const labelsOf = new Map<string, { readonly uid: string; readonly labels: object }>()
  const fileOf = ({ namespace, name }: PodName): string => `pod-${namespace}-${name}`
  return {
    flags: [`--manifests=${manifests.directory}`],
    keep: async (objects) => void (await manifests.save('cluster', objects)),
    async create(pod, labels) {
      const uid = randomUUID()
      labelsOf.set(fileOf(pod), { uid, labels })
      await manifests.save(fileOf(pod), [podObject(pod, { uid, labels })])
      return uid
    },
    async annotate(pod, status) {
      const known = labelsOf.get(fileOf(pod))
      const annotations = { [NETWORK_STATUS]: status }
      await manifests.save(fileOf(pod), [podObject(pod, { ...known, annotations })])
    },
    remove: (pod) => manifests.remove(fileOf(pod)),
    [Symbol.asyncDispose]: () => manifests[Symbol.asyncDispose](),
  }
}

function podObject({ namespace, name }: PodName, metadata: object): KubeObject {
  return { kind: 'Pod', apiVersion: 'v1', metadata: { namespace, name, ...metadata }, spec: {} }
}

/** The daemon has the rights of its ServiceAccount, as deployed. */
export async function apiStore(node = 'n1'): Promise<PodStore> {
  const cp = await startControlPlane()
  const deploy = join(import.meta.dirname, '../../deploy')
  for (const file of ['crds.yaml', 'rbac.yaml']) await cp.apply(await readFile(join(deploy, file), 'utf8'))
  const kubeconfig = await cp.serviceAccountKubeconfig('kube-system', 'multi-networkpolicy')
  const path = ({ namespace, name }: PodName): string => `/api/v1/namespaces/${namespace}/pods/${name}`
  return {
    flags: [`--kubeconfig=${kubeconfig}`],
    async keep(objects) {
      await ensureNamespaces(cp, objects)
      await cp.apply(objects.map((each) => JSON.stringify(each)).join('\n---\n'))
    },
    async create({ namespace, name }, labels) {
      const { metadata } = await cp.createPod({
        namespace,
        name,
        labels: { ...labels },
        node,
        status: { phase: 'Pending' },
      })
      return String(metadata['uid'])
    },
    async annotate(pod, status) {
      await cp.api('PATCH', path(pod), { metadata: { annotations: { [NETWORK_STATUS]: status } } })
    },
    remove: ({ namespace, name }) => cp.deletePod(namespace, name),
    [Symbol.asyncDispose]: () => cp[Symbol.asyncDispose](),
  }
}

async function ensureNamespaces(cp: ControlPlane, objects: readonly KubeObject[]): Promise<void> {
  const namespaces = objects.map(({ metadata }) => (metadata as PodName).namespace)
  for (const name of new Set(namespaces)) await cp.createNamespace(name)
}
