/**
 * The four questions of the Container Runtime Interface, version 1 (`runtime.v1.RuntimeService`),
 * that lead from a pod to its network namespace, and of their messages only the fields that are
 * asked or read. Names and field numbers are those of the public API (`k8s.io/cri-api`), which never
 * reuses a number.
 */
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
  uint32,
} from './cri-wire.ts'

/** One call of a gRPC service: its path, what is asked and what is answered. */
export interface Method<Question, Answer> {
  readonly path: string
  readonly question: Message<Question>
  readonly answer: Message<Answer>
}

/** `PodSandboxState` */
export const sandboxReady = 0
/** `ContainerState` */
export const containerRunning = 1
/** `NamespaceMode`: the pod uses the node's own namespace. */
export const namespaceOfNode = 2

export interface PodSandboxMetadata {
  readonly name: string
  readonly uid: string
  readonly namespace: string
  readonly attempt: number
}
export const podSandboxMetadata: Message<PodSandboxMetadata> = message({
  name: string(1),
  uid: string(2),
  namespace: string(3),
  attempt: uint32(4),
})

/** The message that wraps a state in a filter, so that "no state asked for" differs from state 0. */
export interface StateValue {
  readonly state: number
}
const stateValue: Message<StateValue> = message({ state: int32(1) })

export interface PodSandbox {
  readonly id: string
  readonly metadata: PodSandboxMetadata | undefined
  readonly state: number
  /** Nanoseconds since 1970. */
  readonly createdAt: bigint
}
const podSandbox: Message<PodSandbox> = message({
  id: string(1),
  metadata: nested(2, podSandboxMetadata),
  state: int32(3),
  createdAt: int64(4),
})

export interface PodSandboxFilter {
  readonly state: StateValue | undefined
  readonly labelSelector: ReadonlyMap<string, string>
}
export interface ListPodSandboxRequest {
  readonly filter: PodSandboxFilter | undefined
}
export interface ListPodSandboxResponse {
  readonly items: readonly PodSandbox[]
}
export const listPodSandbox: Method<ListPodSandboxRequest, ListPodSandboxResponse> = {
  path: '/runtime.v1.RuntimeService/ListPodSandbox',
  question: message({
    filter: nested(
      1,
      message<PodSandboxFilter>({ state: nested(2, stateValue), labelSelector: stringMap(3) }),
    ),
  }),
  answer: message({ items: repeated(1, podSandbox) }),
}

export interface NamespaceOption {
  readonly network: number
}
export interface Namespaces {
  readonly options: NamespaceOption | undefined
}
export interface LinuxPodSandboxStatus {
  readonly namespaces: Namespaces | undefined
}
export interface PodSandboxStatus extends PodSandbox {
  readonly linux: LinuxPodSandboxStatus | undefined
}
export interface PodSandboxStatusRequest {
  readonly podSandboxId: string
  readonly verbose: boolean
}
export interface PodSandboxStatusResponse {
  readonly status: PodSandboxStatus | undefined
  /** What the runtime adds for people to read; in practice `info` holds JSON. */
  readonly info: ReadonlyMap<string, string>
}
/** The answer's `linux.namespaces.options`, where the pod's choice of network stands. */
const linuxPodSandboxStatus: Message<LinuxPodSandboxStatus> = message({
  namespaces: nested(
    1,
    message<Namespaces>({ options: nested(2, message<NamespaceOption>({ network: int32(1) })) }),
  ),
})
export const podSandboxStatus: Method<PodSandboxStatusRequest, PodSandboxStatusResponse> = {
  path: '/runtime.v1.RuntimeService/PodSandboxStatus',
  question: message({ podSandboxId: string(1), verbose: bool(2) }),
  answer: message({
    status: nested(
      1,
      message<PodSandboxStatus>({
        id: string(1),
        metadata: nested(2, podSandboxMetadata),
        state: int32(3),
        createdAt: int64(4),
        linux: nested(6, linuxPodSandboxStatus),
      }),
    ),
    info: stringMap(2),
  }),
}

export interface Container {
  readonly id: string
  readonly podSandboxId: string
  readonly state: number
}
export interface ContainerFilter {
  readonly state: StateValue | undefined
  readonly podSandboxId: string
}
export interface ListContainersRequest {
  readonly filter: ContainerFilter | undefined
}
export interface ListContainersResponse {
  readonly containers: readonly Container[]
}
export const listContainers: Method<ListContainersRequest, ListContainersResponse> = {
  path: '/runtime.v1.RuntimeService/ListContainers',
  question: message({
    filter: nested(1, message<ContainerFilter>({ state: nested(2, stateValue), podSandboxId: string(3) })),
  }),
  answer: message({
    containers: repeated(1, message<Container>({ id: string(1), podSandboxId: string(2), state: int32(6) })),
  }),
}

export interface ContainerStatusRequest {
  readonly containerId: string
  readonly verbose: boolean
}
export interface ContainerStatusResponse {
  readonly info: ReadonlyMap<string, string>
}
export const containerStatus: Method<ContainerStatusRequest, ContainerStatusResponse> = {
  path: '/runtime.v1.RuntimeService/ContainerStatus',
  question: message({ containerId: string(1), verbose: bool(2) }),
  answer: message({ info: stringMap(2) }),
}
