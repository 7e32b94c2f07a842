/**
 * The verbose part of a runtime's answer: a JSON text under the key `info`, in no contract, but of the
 * same shape in containerd and CRI-O for as long as both have it. Whatever it holds is read with
 * suspicion and never trusted to be right: what it points to is looked at before use.
 *
 *     {"pid":4711,"runtimeSpec":{"linux":{"namespaces":[{"type":"network","path":"/var/run/netns/cni-…"}]}}}
 *
 * cri-dockerd gives none. CRI-O leaves out `pid` where the sandbox has no process of its own.
 */

export interface VerboseInfo {
  /** The runtime's handle on the network namespace, absolute, on the node. */
  readonly netnsPath: string | undefined
  /** A process that runs in it, numbered as the node's own `/proc` does. */
  readonly pid: number | undefined
}

/** Never throws; what is missing or of another shape is undefined. */
export function readInfo(info: ReadonlyMap<string, string>): VerboseInfo {
  const root = parse(info.get('info'))
  const namespaces = member(member(member(root, 'runtimeSpec'), 'linux'), 'namespaces')
  const network = Array.isArray(namespaces)
    ? namespaces.find((namespace: unknown) => member(namespace, 'type') === 'network')
    : undefined
  const path = member(network, 'path')
  const pid = member(root, 'pid')
  return {
    netnsPath: typeof path === 'string' && path.startsWith('/') ? path : undefined,
    pid: typeof pid === 'number' && Number.isSafeInteger(pid) && pid > 0 ? pid : undefined,
  }
}

function parse(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
