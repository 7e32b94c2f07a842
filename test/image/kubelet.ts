/**
 * What kubelet makes of a DaemonSet's pod on a node: volumes laid, the ServiceAccount's token among them, and the
 * container's configuration for the runtime. It takes nothing from the test but the manifest.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Node } from '../runtime/node.ts'
import type { ContainerConfig, KeyValue, Mount, SandboxConfig } from './cri-container.ts'
import type { ContainerTemplate, DaemonSet, PodTemplate, Volume } from './daemonset.ts'

export interface PodContext {
  readonly node: Node
  readonly nodeName: string
  /** Differs for each pod of a test. */
  readonly uid: string
  readonly image: string
  /** Port of the API server on the node's loopback. */
  readonly apiPort: number
  /** What is in `/var/run/secrets/kubernetes.io/serviceaccount`. */
  readonly serviceAccount: { readonly token: string; readonly 'ca.crt': string; readonly namespace: string }
  /** The data of a ConfigMap of the DaemonSet's namespace. */
  configMap(name: string): Promise<Readonly<Record<string, string>>>
}

export interface PodConfig {
  readonly sandbox: SandboxConfig
  readonly container: ContainerConfig
  /** On the node. */
  readonly log: string
}

export async function preparePod(daemonSet: DaemonSet, context: PodContext): Promise<PodConfig> {
  const { uid, node, image } = context
  const spec = daemonSet.spec.template.spec
  const [container] = spec.containers
  const directory = `/run/kubelet/${uid}`
  const namespaces = { network: spec.hostNetwork === true ? 2 : 0, pid: spec.hostPID === true ? 2 : 1 }
  const sandbox: SandboxConfig = {
    metadata: { name: uid, uid, namespace: 'kube-system', attempt: 0 },
    logDirectory: directory,
    labels: new Map([['io.kubernetes.pod.uid', uid]]),
    linux: {
      cgroupParent: node.cgroupParent,
      securityContext: {
        namespaceOptions: namespaces,
        privileged: container.securityContext.privileged ?? false,
      },
    },
  }
  await mkdir(node.root + directory, { recursive: true })
  return {
    sandbox,
    log: `${directory}/daemon.log`,
    container: {
      metadata: { name: 'multi-networkpolicy', attempt: 0 },
      image: { image },
      command: container.command ?? [],
      args: container.args,
      envs: environment(container, context),
      mounts: await mounts(spec, directory, context),
      logPath: 'daemon.log',
      linux: {
        resources: limits(container),
        securityContext: { ...security(spec, container), namespaceOptions: namespaces },
      },
    },
  }
}

function environment({ env = [] }: ContainerTemplate, { nodeName, apiPort }: PodContext): KeyValue[] {
  const fields: Readonly<Record<string, string>> = { 'spec.nodeName': nodeName }
  const own = env.map(({ name, value, valueFrom }) => {
    const field = valueFrom && fields[valueFrom.fieldRef.fieldPath]
    return { key: name, value: field ?? value ?? '' }
  })
  const api = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(apiPort) }
  return [...Object.entries(api).map(([key, value]) => ({ key, value })), ...own]
}

const CPU_PERIOD = 100_000

/** `100m` of a core is that part of each period, as quota. */
function limits({ resources }: ContainerTemplate): NonNullable<ContainerConfig['linux']>['resources'] {
  if (resources.limits === undefined) return undefined
  const { cpu, memory } = resources.limits
  const cores = cpu.endsWith('m') ? Number(cpu.slice(0, -1)) / 1_000 : Number(cpu)
  return {
    cpuPeriod: BigInt(CPU_PERIOD),
    cpuQuota: BigInt(Math.round(cores * CPU_PERIOD)),
    cpuShares: BigInt(Math.round(cores * 1_024)),
    memoryLimitInBytes: BigInt(bytes(memory)),
  }
}

function bytes(quantity: string): number {
  const match = /^([0-9]+)Mi$/.exec(quantity)
  if (match === null) throw new Error(`only Mi is read here: ${quantity}`)
  return Number(match[1]) * 1024 * 1024
}

type Security = NonNullable<NonNullable<ContainerConfig['linux']>['securityContext']>

function security(
  pod: PodTemplate,
  { securityContext }: ContainerTemplate,
): Omit<Security, 'namespaceOptions'> {
  const { capabilities, privileged = false, readOnlyRootFilesystem = false } = securityContext
  const confined = pod.securityContext?.seccompProfile?.type === 'RuntimeDefault'
  return {
    capabilities: { add: capabilities.add, drop: capabilities.drop ?? [] },
    privileged,
    readonlyRootfs: readOnlyRootFilesystem,
    noNewPrivs: securityContext.allowPrivilegeEscalation === false,
    seccomp: { profileType: confined ? 0 : 1 },
  }
}

const PROPAGATION = { None: 0, HostToContainer: 1, Bidirectional: 2 } as const

async function mounts(pod: PodTemplate, directory: string, context: PodContext): Promise<readonly Mount[]> {
  const paths = new Map<string, string>()
  for (const volume of pod.volumes) paths.set(volume.name, await layVolume(volume, directory, context))
  const token = await writeFiles(context.node, `${directory}/token`, context.serviceAccount)
  const [{ volumeMounts }] = pod.containers
  return [
    ...volumeMounts.map(({ name, mountPath, readOnly = false, mountPropagation = 'None' }) => ({
      containerPath: mountPath,
      hostPath: paths.get(name) ?? '',
      readonly: readOnly,
      propagation: PROPAGATION[mountPropagation],
    })),
    {
      containerPath: '/var/run/secrets/kubernetes.io/serviceaccount',
      hostPath: token,
      readonly: true,
      propagation: 0,
    },
  ]
}

/** @returns the volume's path on the node. */
async function layVolume(volume: Volume, directory: string, context: PodContext): Promise<string> {
  const { node } = context
  const path = volume.hostPath?.path ?? `${directory}/${volume.name}`
  if (path !== '/') await mkdir(node.root + path, { recursive: true })
  if (volume.emptyDir !== undefined) {
    const size = `size=${bytes(volume.emptyDir.sizeLimit)}`
    await node.run('mount', ['-t', 'tmpfs', '-o', size, 'emptydir', path])
  }
  for (const { configMap } of volume.projected?.sources ?? [])
    await writeFiles(node, path, await context.configMap(configMap.name))
  return path
}

async function writeFiles(
  node: Node,
  path: string,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  await mkdir(node.root + path, { recursive: true })
  for (const [name, content] of Object.entries(files)) await writeFile(join(node.root + path, name), content)
  return path
}
