/** Kubernetes objects for the pods of a lab, and a manifests directory to put them in. */
import { mkdtemp, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Pod } from './lab/pod.ts'

export type KubeObject = Readonly<Record<string, unknown>> & { readonly kind: string }

/** A directory for `--manifests`, removed at the end. Files are moved into place, so that none is read half. */
export class Manifests implements AsyncDisposable {
  readonly directory: string

  private constructor(directory: string) {
    this.directory = directory
  }

  static async create(): Promise<Manifests> {
    return new Manifests(await mkdtemp(join(tmpdir(), 'mnpd-manifests-')))
  }

  /** @returns the instant just before the file was put in place, in ns of the lab's clock. */
  async save(name: string, objects: readonly KubeObject[]): Promise<number> {
    const path = join(this.directory, `${name}.json`)
    await writeFile(`${path}.part`, JSON.stringify({ kind: 'List', apiVersion: 'v1', items: objects }))
    const at = Number(process.hrtime.bigint())
    await rename(`${path}.part`, path)
    return at
  }

  async remove(name: string): Promise<void> {
    await unlink(join(this.directory, `${name}.json`))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
  }
}

export interface PodFacts {
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
  /** NAD of each segment; the segment's own name in the pod's namespace where left out. */
  readonly networks?: Readonly<Record<string, string>>
  readonly ports?: readonly {
    readonly name: string
    readonly containerPort: number
    readonly protocol?: string
  }[]
  readonly node?: string
}

/** What of a lab's pod goes into its object. */
export type PlacedPod = Pick<Pod, 'name' | 'interfaces' | 'netns'>

/** The Pod of a lab's pod, annotated as multus and the lab would. */
export function podObject(
  pod: PlacedPod,
  { namespace = 'default', labels = {}, networks = {}, ports = [], node }: PodFacts = {},
): KubeObject {
  const status = pod.interfaces.flatMap(({ name, mac, addresses, segment }) =>
    segment === undefined
      ? []
      : [
          {
            name: networks[segment] ?? `${namespace}/${segment}`,
            interface: name,
            ips: addresses.filter(({ scope }) => scope === 'global').map(({ address }) => address),
            mac,
          },
        ],
  )
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      name: pod.name,
      namespace,
      labels,
      annotations: {
        'k8s.v1.cni.cncf.io/network-status': JSON.stringify(status),
        'multi-networkpolicyd/netns': pod.netns,
      },
    },
    spec: {
      ...(node === undefined ? {} : { nodeName: node }),
      containers: [{ name: 'main', image: 'none', ports }],
    },
  }
}

export function networkObject(namespace: string, name: string, type = 'macvlan'): KubeObject {
  return {
    kind: 'NetworkAttachmentDefinition',
    apiVersion: 'k8s.cni.cncf.io/v1',
    metadata: { namespace, name },
    spec: { config: JSON.stringify({ cniVersion: '0.3.1', name, type }) },
  }
}

export function policyObject(namespace: string, name: string, policyFor: string, spec: unknown): KubeObject {
  return {
    kind: 'MultiNetworkPolicy',
    apiVersion: 'k8s.cni.cncf.io/v1beta1',
    metadata: { namespace, name, annotations: { 'k8s.v1.cni.cncf.io/policy-for': policyFor } },
    spec,
  }
}
