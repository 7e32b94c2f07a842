/** How pods' network namespaces are found, from the flags. */
import type { NetnsAccess } from 'nftables-json/netns'
import { type HostView, hostView } from '../apply/netns/cri-host.ts'
import { annotationLocator, type NetnsLocator, noLocator } from '../apply/netns/locate.ts'
import type { SearchingLocator } from '../apply/netns/search-locator.ts'
import type { Compilation } from '../compile/compilation.ts'
import { type Backends, backendsOf } from './backends.ts'
import { badValue, type FlagValues } from './flags.ts'

/** Where it is said what was found. */
export interface Notices {
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
}

/** @param access what tells one namespace from a later one, where it can be had */
export type LocatorOf = (
  localPods: () => Compilation['targets'],
  access?: NetnsAccess,
) => NetnsLocator & Partial<Pick<SearchingLocator, 'announced' | 'doubt'>>

/**
 * A runtime that is named by flag, or, where the cluster comes from the API, found at a well-known place, is the only one
 * to be asked. Where there is none, the annotation counts if the operator says so: whoever may edit a pod can write it.
 * Files are the operator's own, so there it does unless the operator says otherwise.
 */
export async function openLocator(
  flags: FlagValues,
  log: Notices,
  resources: AsyncDisposableStack,
): Promise<LocatorOf> {
  flags.oneOf('container-runtime', ['cri'], 'cri')
  const hostPrefix = flags.text('host-prefix') ?? ''
  const view = hostView(hostPrefix)
  const named = flags.text('container-runtime-endpoint')
  const fromFiles = flags.text('manifests') !== undefined
  const counts =
    fromFiles && flags.text(ANNOTATION_FLAG) === undefined ? true : flags.boolean(ANNOTATION_FLAG)
  const endpoint = named ?? (fromFiles ? undefined : await probeEndpoint(hostPrefix, counts, log))
  if (endpoint !== undefined) {
    return await openRuntime({ endpoint, hostPrefix, view, backends: backendsOf(flags) }, resources)
  }
  if (!counts) return () => noLocator
  const { ownerBy } = await import('../apply/netns/search-owner.ts')
  const { backend, others } = backendsOf(flags)
  const ownerOf = ownerBy([backend, ...others])
  return (targets) =>
    annotationLocator({ view, localPods: () => [...targets().values()].map(({ pod }) => pod), ownerOf })
}

const ANNOTATION_FLAG = 'netns-annotation'

async function probeEndpoint(
  hostPrefix: string,
  annotationCounts: boolean,
  log: Notices,
): Promise<string | undefined> {
  const { findEndpoint } = await import('../apply/netns/cri-endpoint.ts')
  const found = await findEndpoint(hostPrefix)
  if (found.kind === 'found') {
    log.info({ endpoint: found.endpoint }, `container runtime found at ${found.endpoint}`)
    return found.endpoint
  }
  const enforced = annotationCounts
    ? 'only pods with the annotation multi-networkpolicyd/netns are enforced'
    : 'no pod is enforced'
  log.warn(
    { tried: found.tried },
    `no --container-runtime-endpoint, and no runtime at ${found.tried.join(', ')}: ${enforced}`,
  )
  return undefined
}

interface RuntimeOptions {
  readonly endpoint: string
  readonly hostPrefix: string
  readonly view: HostView
  readonly backends: Backends
}

async function openRuntime(
  { endpoint, hostPrefix, view, backends }: RuntimeOptions,
  resources: AsyncDisposableStack,
): Promise<LocatorOf> {
  const [{ connectCri }, { parseEndpoint }, { netnsSearch }, { searchingLocator }, { ownerBy }] =
    await Promise.all([
      import('../apply/netns/cri.ts'),
      import('../apply/netns/cri-endpoint.ts'),
      import('../apply/netns/search.ts'),
      import('../apply/netns/search-locator.ts'),
      import('../apply/netns/search-owner.ts'),
    ])
  const parsed = parseEndpoint(endpoint, hostPrefix)
  if (parsed.kind === 'invalid')
    throw badValue('container-runtime-endpoint', endpoint, 'the path of a unix socket')
  const runtime = resources.use(connectCri({ endpoint, hostPrefix }))
  const ownerOf = ownerBy([backends.backend, ...backends.others])
  return (targets, access) => {
    const localPods = () => [...targets().values()].map(({ pod }) => pod)
    const search = netnsSearch({ view, localPods, ownerOf })
    return searchingLocator({ runtime, view, search, access })
  }
}
