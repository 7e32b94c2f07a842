/** As much of a DaemonSet as kubelet needs to start its one container, and where the shipped ones are. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { parseAllDocuments } from 'yaml'

export const DEPLOY: string = join(import.meta.dirname, '../../deploy')
const KUSTOMIZE = join(import.meta.dirname, '../../.cache/bin/kustomize')

export interface KubeManifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

export interface DaemonSet extends KubeManifest {
  readonly spec: { readonly template: { readonly spec: PodTemplate } }
}

export interface PodTemplate {
  readonly hostNetwork?: boolean
  readonly hostPID?: boolean
  readonly serviceAccountName: string
  readonly securityContext?: { readonly seccompProfile?: { readonly type: string } }
  readonly containers: readonly [ContainerTemplate]
  readonly volumes: readonly Volume[]
}

export interface ContainerTemplate {
  readonly command?: readonly string[]
  readonly args: readonly string[]
  readonly env?: readonly EnvironmentVariable[]
  readonly resources: { readonly limits?: { readonly cpu: string; readonly memory: string } }
  readonly securityContext: ContainerSecurity
  readonly volumeMounts: readonly VolumeMount[]
}

export interface EnvironmentVariable {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: { readonly fieldRef: { readonly fieldPath: string } }
}

export interface ContainerSecurity {
  readonly privileged?: boolean
  readonly allowPrivilegeEscalation?: boolean
  readonly readOnlyRootFilesystem?: boolean
  readonly capabilities: { readonly add: readonly string[]; readonly drop?: readonly string[] }
}

export interface VolumeMount {
  readonly name: string
  readonly mountPath: string
  readonly readOnly?: boolean
  readonly mountPropagation?: 'None' | 'HostToContainer' | 'Bidirectional'
}

export interface Volume {
  readonly name: string
  readonly hostPath?: { readonly path: string }
  readonly emptyDir?: { readonly sizeLimit: string }
  readonly projected?: { readonly sources: readonly { readonly configMap: { readonly name: string } }[] }
}

export function manifestsOf(yaml: string): readonly KubeManifest[] {
  return parseAllDocuments(yaml).flatMap((document) => {
    const object = document.toJS() as KubeManifest | null
    return object === null ? [] : [object]
  })
}

/** @throws where there is none. */
export function daemonSetOf(yaml: string): DaemonSet {
  const found = manifestsOf(yaml).find((object): object is DaemonSet => object.kind === 'DaemonSet')
  if (found === undefined) throw new Error('no DaemonSet among the documents')
  return found
}

export async function shipped(file = 'deploy.yaml'): Promise<string> {
  return await readFile(join(DEPLOY, file), 'utf8')
}

/** What `kubectl apply -k` would apply of deploy/kustomize. */
export async function overlay(name: string): Promise<string> {
  return (await execa(KUSTOMIZE, ['build', join(DEPLOY, 'kustomize', name)])).stdout
}

/** The same DaemonSet with its container changed. */
export function withContainer(
  daemonSet: DaemonSet,
  change: (container: ContainerTemplate) => Partial<ContainerTemplate>,
): DaemonSet {
  const { template } = daemonSet.spec
  const [container] = template.spec.containers
  const containers = [{ ...container, ...change(container) }] as const
  return {
    ...daemonSet,
    spec: { ...daemonSet.spec, template: { ...template, spec: { ...template.spec, containers } } },
  }
}
