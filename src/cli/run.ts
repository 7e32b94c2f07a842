/** `mnpd run`: the daemon, put together from its flags. */
import type { Logger } from 'pino'
import { IssueEvents } from '../apply/issue-events.ts'
import { type HostView, hostView } from '../apply/netns/cri-host.ts'
import { annotationLocator, type NetnsLocator } from '../apply/netns/locate.ts'
import { netnsTarget } from '../apply/netns-target.ts'
import { nftablesBackend } from '../apply/nftables-backend.ts'
import { systemClock } from '../clock.ts'
import type { Compilation } from '../compile/compile.ts'
import { Daemon } from '../daemon.ts'
import { serveEndpoints } from '../endpoints.ts'
import { compileOptions, type Environment, nodeName, openSources } from './cluster-options.ts'
import { badValue, describeFlags, FlagValues, LOGGING_FLAGS, RUN_FLAGS } from './flags.ts'
import { openLog } from './log.ts'

export const RUN_HELP: string = `mnpd run: enforces the MultiNetworkPolicies on this node's pods until it is told to end.

${describeFlags(RUN_FLAGS)}

The logging flags of klog and zap are accepted too. Each flag can be given as an environment variable, MNPD_BACKEND for
--backend. Rules stay when the daemon ends.
`

/** Node's timers take no more than 2^31 ms. */
const MOST_SYNC_SECONDS = 2_000_000

/** How many pods are worked on at once: enough to keep two cores busy with processes that mostly wait. */
const CONCURRENCY = 4

export async function runCommand(args: readonly string[], env: Environment): Promise<number> {
  const flags = new FlagValues([...RUN_FLAGS, ...LOGGING_FLAGS], args, env)
  const node = nodeName(flags, env)
  const options = compileOptions(flags, node)
  flags.oneOf('container-runtime', ['cri'], 'cri')
  const syncPeriodMs = 1_000 * (flags.number('sync-period', 1, MOST_SYNC_SECONDS) ?? 30)
  const bindAddress = parseBindAddress(flags)
  const log = openLog(flags)
  for (const name of flags.ignored) log.info({ flag: name }, `--${name} is accepted and has no effect`)

  const stop = stopOnSignals(log)
  await using resources = new AsyncDisposableStack()
  const locator = await openLocator(flags, log, resources)
  const { sources, connection } = await openSources(flags, { node, clock: systemClock, signal: stop.signal })
  const events =
    connection && new IssueEvents({ writer: connection, node, clock: systemClock, log, signal: stop.signal })
  const metrics = bindAddress && new (await import('../metrics.ts')).Metrics(() => daemon.status)
  const daemon: Daemon = new Daemon({
    sources,
    compile: options,
    target: (compilation) =>
      netnsTarget({
        locator: locator(() => compilation().targets),
        backend: nftablesBackend,
        others: [],
        compilation,
      }),
    tellIssues: (issues) => events?.set(issues),
    observer: metrics,
    concurrency: CONCURRENCY,
    syncPeriodMs,
    clock: systemClock,
    log,
    signal: stop.signal,
  })
  if (bindAddress !== undefined && metrics !== undefined) {
    const endpoints = { ready: () => daemon.ready, metrics: () => metrics.text() }
    resources.use(await serveEndpoints(bindAddress, endpoints))
  }
  log.info({ node, networkPlugins: [...options.networkPlugins] }, `enforcing on node ${node}`)
  try {
    await daemon.run()
  } finally {
    stop.abort()
  }
  log.info('ended; the rules stay')
  return 0
}

/** Aborts at the first SIGTERM or SIGINT. */
function stopOnSignals(log: Logger): AbortController {
  const stop = new AbortController()
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.once(name, () => {
      log.info({ signal: name }, `${name}: ending`)
      stop.abort()
    })
  }
  return stop
}

type LocatorOf = (localPods: () => Compilation['targets']) => NetnsLocator

/**
 * A runtime that is named by flag, or, where the cluster comes from the API, found at a well-known place, is the only one
 * to be asked: whoever may edit a pod can write the annotation, which counts where there is no runtime.
 */
async function openLocator(
  flags: FlagValues,
  log: Logger,
  resources: AsyncDisposableStack,
): Promise<LocatorOf> {
  const hostPrefix = flags.text('host-prefix') ?? ''
  const view = hostView(hostPrefix)
  const named = flags.text('container-runtime-endpoint')
  const endpoint =
    named ?? (flags.text('manifests') === undefined ? await probeEndpoint(hostPrefix, log) : undefined)
  if (endpoint !== undefined) {
    const runtime = await openRuntime(endpoint, view, hostPrefix, resources)
    return () => runtime
  }
  return (localPods) => annotationLocator(view, () => [...localPods().values()].map(({ pod }) => pod))
}

async function probeEndpoint(hostPrefix: string, log: Logger): Promise<string | undefined> {
  const { findEndpoint } = await import('../apply/netns/cri-endpoint.ts')
  const found = await findEndpoint(hostPrefix)
  if (found.kind === 'found') {
    log.info({ endpoint: found.endpoint }, `container runtime found at ${found.endpoint}`)
    return found.endpoint
  }
  log.warn(
    { tried: found.tried },
    `no --container-runtime-endpoint, and no runtime at ${found.tried.join(', ')}: only pods with the annotation multi-networkpolicyd/netns are enforced`,
  )
  return undefined
}

async function openRuntime(
  endpoint: string,
  view: HostView,
  hostPrefix: string,
  resources: AsyncDisposableStack,
): Promise<NetnsLocator> {
  const [{ connectCri }, { parseEndpoint }, { runtimeLocator }] = await Promise.all([
    import('../apply/netns/cri.ts'),
    import('../apply/netns/cri-endpoint.ts'),
    import('../apply/netns/locate.ts'),
  ])
  const parsed = parseEndpoint(endpoint, hostPrefix)
  if (parsed.kind === 'invalid')
    throw badValue('container-runtime-endpoint', endpoint, 'the path of a unix socket')
  return runtimeLocator(resources.use(connectCri({ endpoint, hostPrefix })), view)
}

function parseBindAddress(flags: FlagValues): { readonly host: string; readonly port: number } | undefined {
  const text = flags.text('bind-address')
  if (text === undefined) return undefined
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text)
  const port = Number(match?.[3])
  const host = match?.[1] ?? match?.[2]
  if (host === undefined || !(port <= 65535))
    throw badValue('bind-address', text, 'HOST:PORT such as 127.0.0.1:9453')
  return { host, port }
}
