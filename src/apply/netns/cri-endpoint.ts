/**
 * Where the container runtime listens: what `--container-runtime-endpoint` may say, and where to look
 * when it says nothing. A DaemonSet sees the node's root under `--host-prefix`.
 */
import { stat } from 'node:fs/promises'
import { hostView } from './cri-host.ts'

/**
 * The sockets kubelet is pointed at, the telling ones first: k3s (and RKE2), cri-dockerd, k0s and
 * MicroK8s nodes may have `/run/containerd/containerd.sock` beside them, of a containerd that only
 * serves Docker and has no CRI.
 */
export const knownEndpoints: readonly string[] = [
  '/run/crio/crio.sock',
  '/run/k3s/containerd/containerd.sock',
  '/run/cri-dockerd.sock',
  '/run/k0s/containerd.sock',
  '/var/snap/microk8s/common/run/containerd.sock',
  '/run/containerd/containerd.sock',
]

export type Endpoint =
  | {
      readonly kind: 'socket'
      /** On the node, without the host prefix. */
      readonly path: string
    }
  | { readonly kind: 'invalid'; readonly reason: string }

/**
 * Reads an endpoint: an absolute path, or `unix://` (or just `unix:`) before one. The existing daemons put
 * `--host-prefix` before whatever is given; an endpoint that already has it is taken as meant.
 */
export function parseEndpoint(endpoint: string, hostPrefix: string): Endpoint {
  const path = endpoint.replace(/^unix:(?:\/\/(?=\/)|(?=\/[^/]))/, '')
  if (!path.startsWith('/')) {
    const expected = 'an absolute path of a unix socket, with or without unix:// before it'
    return { kind: 'invalid', reason: `container runtime endpoint '${endpoint}': expected ${expected}` }
  }
  const prefix = hostPrefix.replace(/\/+$/, '')
  return { kind: 'socket', path: path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : path }
}

export type EndpointSearch =
  | {
      readonly kind: 'found'
      /** As `connectCri` takes it. */
      readonly endpoint: string
    }
  | {
      readonly kind: 'none'
      /** For the error: paths as this process sees them. */
      readonly tried: readonly string[]
    }

/** The first of {@link knownEndpoints} that is a socket now; that something answers there is not asked. */
export async function findEndpoint(hostPrefix: string): Promise<EndpointSearch> {
  const view = hostView(hostPrefix)
  const paths = await Promise.all(knownEndpoints.map((endpoint) => view.resolve(endpoint)))
  const sockets = await Promise.all(paths.map(isSocket))
  const endpoint = knownEndpoints[sockets.indexOf(true)]
  return endpoint === undefined ? { kind: 'none', tried: paths } : { kind: 'found', endpoint }
}

async function isSocket(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isSocket() ?? false
}
