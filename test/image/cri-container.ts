/**
 * The part of CRI v1 by which kubelet starts a container with all that a manifest may say of it: arguments, environment,
 * mounts and their propagation, limits, capabilities, seccomp. Field numbers are those of `k8s.io/cri-api`.
 */
import {
  type Method,
  type PodSandboxMetadata,
  podSandboxMetadata,
} from '../../src/apply/netns/cri-messages.ts'
import {
  bool,
  int32,
  int64,
  type Message,
  message,
  nested,
  repeated,
  string,
  stringMap,
  strings,
  uint32,
} from '../../src/apply/netns/cri-wire.ts'

/** `NamespaceMode`: 0 the pod's own, 1 the container's own, 2 the node's. */
export interface NamespaceOptions {
  readonly network: number
  readonly pid: number
}
const namespaceOptions = message<NamespaceOptions>({ network: int32(1), pid: int32(2) })

export interface SandboxConfig {
  readonly metadata: PodSandboxMetadata | undefined
  readonly logDirectory: string
  readonly labels: ReadonlyMap<string, string>
  readonly linux: LinuxSandbox | undefined
}
interface LinuxSandbox {
  readonly cgroupParent: string
  readonly securityContext: SandboxSecurity | undefined
}
interface SandboxSecurity {
  readonly namespaceOptions: NamespaceOptions | undefined
  /** Whether it may have privileged containers. */
  readonly privileged: boolean
}
const sandboxConfig = message<SandboxConfig>({
  metadata: nested(1, podSandboxMetadata),
  logDirectory: string(3),
  labels: stringMap(6),
  linux: nested(
    8,
    message<LinuxSandbox>({
      cgroupParent: string(1),
      securityContext: nested(
        2,
        message<SandboxSecurity>({ namespaceOptions: nested(1, namespaceOptions), privileged: bool(6) }),
      ),
    }),
  ),
})

export interface KeyValue {
  readonly key: string
  readonly value: string
}

/** `MountPropagation`: 0 private, 1 from the host, 2 both ways. */
export interface Mount {
  readonly containerPath: string
  readonly hostPath: string
  readonly readonly: boolean
  readonly propagation: number
}

export interface Resources {
  readonly cpuPeriod: bigint
  readonly cpuQuota: bigint
  readonly cpuShares: bigint
  readonly memoryLimitInBytes: bigint
}

export interface Capabilities {
  readonly add: readonly string[]
  readonly drop: readonly string[]
}

/** `ProfileType`: 0 the runtime's default, 1 none. */
export interface SecurityProfile {
  readonly profileType: number
}

export interface SecurityContext {
  readonly capabilities: Capabilities | undefined
  readonly privileged: boolean
  readonly namespaceOptions: NamespaceOptions | undefined
  readonly readonlyRootfs: boolean
  readonly noNewPrivs: boolean
  readonly seccomp: SecurityProfile | undefined
}

export interface ContainerConfig {
  readonly metadata: { readonly name: string; readonly attempt: number } | undefined
  readonly image: { readonly image: string } | undefined
  /** Empty for the image's own. */
  readonly command: readonly string[]
  readonly args: readonly string[]
  readonly envs: readonly KeyValue[]
  readonly mounts: readonly Mount[]
  readonly logPath: string
  readonly linux: LinuxContainer | undefined
}
interface LinuxContainer {
  readonly resources: Resources | undefined
  readonly securityContext: SecurityContext | undefined
}

const securityContext = message<SecurityContext>({
  capabilities: nested(1, message<Capabilities>({ add: strings(1), drop: strings(2) })),
  privileged: bool(2),
  namespaceOptions: nested(3, namespaceOptions),
  readonlyRootfs: bool(7),
  noNewPrivs: bool(11),
  seccomp: nested(15, message<SecurityProfile>({ profileType: int32(1) })),
})

const resources = message<Resources>({
  cpuPeriod: int64(1),
  cpuQuota: int64(2),
  cpuShares: int64(3),
  memoryLimitInBytes: int64(4),
})

const containerConfig = message<ContainerConfig>({
  metadata: nested(1, message<{ name: string; attempt: number }>({ name: string(1), attempt: uint32(2) })),
  image: nested(2, message<{ image: string }>({ image: string(1) })),
  command: strings(3),
  args: strings(4),
  envs: repeated(6, message<KeyValue>({ key: string(1), value: string(2) })),
  mounts: repeated(
    7,
    message<Mount>({
      containerPath: string(1),
      hostPath: string(2),
      readonly: bool(3),
      propagation: int32(5),
    }),
  ),
  logPath: string(11),
  linux: nested(
    15,
    message<LinuxContainer>({ resources: nested(1, resources), securityContext: nested(2, securityContext) }),
  ),
})

type Nothing = Readonly<Record<never, never>>
const nothing: Message<Nothing> = message<Nothing>({})

const service = '/runtime.v1.RuntimeService'

export const runPodSandbox: Method<{ config: SandboxConfig | undefined }, { podSandboxId: string }> = {
  path: `${service}/RunPodSandbox`,
  question: message({ config: nested(1, sandboxConfig) }),
  answer: message({ podSandboxId: string(1) }),
}

export interface CreateContainer {
  readonly podSandboxId: string
  readonly config: ContainerConfig | undefined
  readonly sandboxConfig: SandboxConfig | undefined
}
export const createContainer: Method<CreateContainer, { containerId: string }> = {
  path: `${service}/CreateContainer`,
  question: message({
    podSandboxId: string(1),
    config: nested(2, containerConfig),
    sandboxConfig: nested(3, sandboxConfig),
  }),
  answer: message({ containerId: string(1) }),
}

export const startContainer: Method<{ containerId: string }, Nothing> = {
  path: `${service}/StartContainer`,
  question: message({ containerId: string(1) }),
  answer: nothing,
}

/** With SIGTERM first, and SIGKILL after so many seconds. */
export const stopContainer: Method<{ containerId: string; timeout: bigint }, Nothing> = {
  path: `${service}/StopContainer`,
  question: message({ containerId: string(1), timeout: int64(2) }),
  answer: nothing,
}

/** `ContainerState`: 2 is exited. */
export interface ContainerState {
  readonly state: number
  readonly exitCode: number
}
export const containerStatus: Method<{ containerId: string }, { status: ContainerState | undefined }> = {
  path: `${service}/ContainerStatus`,
  question: message({ containerId: string(1) }),
  answer: message({ status: nested(1, message<ContainerState>({ state: int32(3), exitCode: int32(7) })) }),
}
