/**
 * The part of CRI v1 that kubelet uses and the daemon does not: running and stopping pods. Kept apart
 * from the daemon's own messages, which only ever ask.
 */
import {
  type Method,
  type PodSandboxMetadata,
  podSandboxMetadata,
} from '../../src/apply/netns/cri-messages.ts'
import {
  int32,
  type Message,
  message,
  nested,
  string,
  stringMap,
  strings,
  uint32,
} from '../../src/apply/netns/cri-wire.ts'

export interface PodSandboxConfig {
  readonly metadata: PodSandboxMetadata | undefined
  readonly hostname: string
  readonly labels: ReadonlyMap<string, string>
  readonly linux: LinuxPodSandboxConfig | undefined
}
interface LinuxPodSandboxConfig {
  readonly cgroupParent: string
  readonly securityContext: { readonly namespaceOptions: NamespaceOptions | undefined } | undefined
}
/** `NamespaceMode`s: 0 the pod's, 1 the container's, 2 the node's. */
interface NamespaceOptions {
  readonly network: number
  readonly pid: number
}

const namespaceOptions = message<NamespaceOptions>({ network: int32(1), pid: int32(2) })
const securityContext = message<{ namespaceOptions: NamespaceOptions | undefined }>({
  namespaceOptions: nested(1, namespaceOptions),
})
const podSandboxConfig = message<PodSandboxConfig>({
  metadata: nested(1, podSandboxMetadata),
  hostname: string(2),
  labels: stringMap(6),
  linux: nested(
    8,
    message<LinuxPodSandboxConfig>({ cgroupParent: string(1), securityContext: nested(2, securityContext) }),
  ),
})

export const runPodSandbox: Method<{ config: PodSandboxConfig | undefined }, { podSandboxId: string }> = {
  path: '/runtime.v1.RuntimeService/RunPodSandbox',
  question: message({ config: nested(1, podSandboxConfig) }),
  answer: message({ podSandboxId: string(1) }),
}

type Nothing = Readonly<Record<never, never>>
const nothing: Message<Nothing> = message<Nothing>({})

export const stopPodSandbox: Method<{ podSandboxId: string }, Nothing> = {
  path: '/runtime.v1.RuntimeService/StopPodSandbox',
  question: message({ podSandboxId: string(1) }),
  answer: nothing,
}
export const removePodSandbox: Method<{ podSandboxId: string }, Nothing> = {
  ...stopPodSandbox,
  path: '/runtime.v1.RuntimeService/RemovePodSandbox',
}

export interface ContainerConfig {
  readonly metadata: { readonly name: string; readonly attempt: number } | undefined
  readonly image: ImageSpec | undefined
  /** Empty for the image's own. */
  readonly command: readonly string[]
}
export interface CreateContainerRequest {
  readonly podSandboxId: string
  readonly config: ContainerConfig | undefined
  readonly sandboxConfig: PodSandboxConfig | undefined
}
export interface ImageSpec {
  readonly image: string
}
const imageSpec = message<ImageSpec>({ image: string(1) })
const containerConfig = message<ContainerConfig>({
  metadata: nested(1, message<{ name: string; attempt: number }>({ name: string(1), attempt: uint32(2) })),
  image: nested(2, imageSpec),
  command: strings(3),
})
export const createContainer: Method<CreateContainerRequest, { containerId: string }> = {
  path: '/runtime.v1.RuntimeService/CreateContainer',
  question: message({
    podSandboxId: string(1),
    config: nested(2, containerConfig),
    sandboxConfig: nested(3, podSandboxConfig),
  }),
  answer: message({ containerId: string(1) }),
}
export const startContainer: Method<{ containerId: string }, Nothing> = {
  path: '/runtime.v1.RuntimeService/StartContainer',
  question: message({ containerId: string(1) }),
  answer: nothing,
}

export const imageStatus: Method<
  { image: ImageSpec | undefined },
  { image: { readonly id: string } | undefined }
> = {
  path: '/runtime.v1.ImageService/ImageStatus',
  question: message({ image: nested(1, imageSpec) }),
  answer: message({ image: nested(1, message<{ id: string }>({ id: string(1) })) }),
}
