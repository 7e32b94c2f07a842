/** `mnpd run`: the daemon, put together from its flags. */
import type { Logger } from 'pino'
import type { Backend } from '../apply/backend.ts'
import { DropLog } from '../apply/drop-log.ts'
import { Dumps, type DumpsOptions } from '../apply/dumps.ts'
import { IssueEvents } from '../apply/issue-events.ts'
import { hostView } from '../apply/netns/cri-host.ts'
import type { GateOptions } from '../apply/netns/gate.ts'
import { openKernelView } from '../apply/netns/kernel.ts'
import { netnsTarget } from '../apply/netns-target.ts'
import { probeNode } from '../apply/node-probe.ts'
import type { PolicyCountersOptions } from '../apply/policy-counters.ts'
import { systemClock } from '../clock.ts'
import { NO_CUSTOM_RULES } from '../compile/custom/rules.ts'
import { Daemon } from '../daemon.ts'
import { boundHeap } from '../heap.ts'
import type { DaemonStatus, Metrics } from '../metrics.ts'
import { NodeCheck } from '../node-check.ts'
import type { ApiConnection } from '../watch/kube/connection.ts'
import type { RuleFilesState } from '../watch/rule-files/source.ts'
import { backendsOf } from './backends.ts'
import { compileOptions, type Environment, nodeName, openSources, ruleFiles } from './cluster-options.ts'
import { badValue, describeFlags, FlagValues, LOGGING_FLAGS, RUN_FLAGS } from './flags.ts'
import { gatePluginOptions, type OpenGate, openGate } from './gate-options.ts'
import { openLog } from './log.ts'
import { withNftWriter } from './nft-writer.ts'
import { openLocator } from './open-locator.ts'
import { hasOvn, openOvn, openOvnDumps } from './ovn-options.ts'

export const RUN_HELP: string = `mnpd run: enforces the MultiNetworkPolicies on this node's pods until it is told to end.

${describeFlags(RUN_FLAGS)}

The logging flags of klog and zap are accepted too. Each flag can be given as an environment variable, MNPD_BACKEND for
--backend. Rules stay when the daemon ends.
`

/** Node's timers take no more than 2^31 ms. */
const MOST_SYNC_SECONDS = 2_000_000

const DAY_MS = 86_400_000

/** How many pods are worked on at once: enough to keep two cores busy, one here and one with what writes. */
const CONCURRENCY = 8

export async function runCommand(args: readonly string[], env: Environment): Promise<number> {
  // First of all: what ends the daemon may come while it starts.
  let opened: Logger | undefined
  const stop = stopOnSignals((name) => opened?.info({ signal: name }, `${name}: ending`))
  boundHeap()
  const flags = new FlagValues([...RUN_FLAGS, ...LOGGING_FLAGS], args, env)
  const node = nodeName(flags, env)
  const options = compileOptions(flags, node)
  const syncPeriodMs = 1_000 * (flags.number('sync-period', 1, MOST_SYNC_SECONDS) ?? 30)
  const bindAddress = parseBindAddress(flags)
  const gatePlugin = await gatePluginOptions(flags)
  const log = openLog(flags)
  opened = log
  for (const name of flags.ignored) log.info({ flag: name }, `--${name} is accepted and has no effect`)

  await using resources = new AsyncDisposableStack()
  const locator = await openLocator(flags, log, resources)
  const { sources, connection } = await openSources(flags, {
    node,
    clock: systemClock,
    signal: stop.signal,
    // Whoever writes to OVN does so for the ports of all nodes.
    othersAsPeers: !hasOvn(flags),
  })
  const events =
    connection && new IssueEvents({ writer: connection, node, clock: systemClock, log, signal: stop.signal })
  const { backend: named, others } = backendsOf(flags)
  const backend = await withNftWriter(named, flags, log, resources)
  const kernel = await openKernelView()
  if (kernel === undefined && options.logDrops)
    log.warn('--log-drops: koffi cannot be loaded; drops are not logged')
  const locatorOfNode = locator(() => daemon.compilation.targets, kernel?.access)
  const dumps = openDumps(flags, {
    node,
    backend,
    locator: locatorOfNode,
    compilation: () => daemon.compilation,
    clock: systemClock,
    log,
    signal: stop.signal,
  })
  const ovn = await openOvn(flags, {
    compile: options,
    hasRuleFiles: ruleFiles(flags).length > 0,
    log,
    signal: stop.signal,
    onChange: () => {
      daemon.noteOvn()
      ovnDumps?.request()
    },
    onPlaces: () => daemon.noteOvnPorts(),
    onDrift: () => metrics?.drifted(),
  })
  const savedIn = flags.text('pod-iptables')
  const ovnDumps =
    ovn && savedIn !== undefined
      ? await openOvnDumps({
          directory: savedIn,
          keep: keepOf(flags),
          node,
          standing: () => ovn.standing(),
          clock: systemClock,
          log,
        })
      : undefined
  const counting = {
    backend,
    locator: locatorOfNode,
    compilation: () => daemon.compilation,
    clock: systemClock,
  }
  const metrics =
    bindAddress &&
    (await openMetrics(flags, () => ({ ...daemon.status, gate: gate?.chained() }), {
      ...counting,
      signal: stop.signal,
    }))
  let gate: OpenGate | undefined
  const view = hostView(flags.text('host-prefix') ?? '')
  // Whoever only writes to OVN needs nothing of the node.
  const nodeCheck = hasOvn(flags)
    ? undefined
    : new NodeCheck({
        // Not by the library: its process is started only where there are rules to write.
        probe: (signal) => probeNode(named, view, signal),
        log,
        clock: systemClock,
        signal: stop.signal,
      })
  const daemon: Daemon = new Daemon({
    sources,
    compile: options,
    customRules: await openRuleFiles(flags, backend.name, stop.signal),
    target: netnsTarget({
      locator: locatorOfNode,
      backend,
      others,
      compilation: () => daemon.compilation,
      kernel,
      dropLog: kernel && new DropLog(kernel.access, log, systemClock, stop.signal),
      changed: (key) => dumps?.request(key),
      drifted: (key) => {
        metrics?.drifted()
        log.warn({ object: key }, `${key}: rules were changed by somebody else; they are put back`)
      },
    }),
    ovn,
    tellIssues: (issues) => events?.set(issues),
    observer: metrics,
    onProgress: () => gate?.gate.poke(),
    onResync: () => locatorOfNode.doubt?.(),
    nodeCheck,
    nodeIssues: () => gate?.issues() ?? [],
    concurrency: CONCURRENCY,
    syncPeriodMs,
    clock: systemClock,
    log,
    signal: stop.signal,
  })
  if (bindAddress !== undefined && metrics !== undefined) {
    const { serveEndpoints } = await import('../endpoints.ts')
    const endpoints = { ready: () => daemon.ready, metrics: () => metrics.text() }
    resources.use(await serveEndpoints(bindAddress, endpoints))
  }
  gate =
    gatePlugin &&
    (await openGate(flags, gatePlugin, {
      podOf: (name) => daemon.compilation.targets.get(name)?.pod,
      isAsDesired: (name) => daemon.isAsDesired(name),
      readPod: connection && (await podReader(connection, stop.signal)),
      announce: async (name, uid, path) => {
        await locatorOfNode.announced?.(name, uid, path)
        daemon.hurry(name)
      },
      onChange: () => daemon.noteNode(),
      clock: systemClock,
      log,
      signal: stop.signal,
    }))
  log.info({ node, networkPlugins: [...options.networkPlugins] }, `enforcing on node ${node}`)
  try {
    await daemon.run()
  } finally {
    stop.abort()
  }
  log.info('ended; the rules stay')
  return 0
}

async function podReader(connection: ApiConnection, signal: AbortSignal): Promise<GateOptions['readPod']> {
  const { readPod } = await import('../watch/kube/one-pod.ts')
  return (name) => readPod(connection, name, signal)
}

/**
 * Aborts at the first SIGTERM or SIGINT; the second ends the process at once. The listener stays: whoever has one for the
 * children that it started, and finds itself alone, takes it that nobody wants to go on and raises the signal again.
 */
function stopOnSignals(tell: (name: NodeJS.Signals) => void): AbortController {
  const stop = new AbortController()
  for (const [name, number] of [
    ['SIGTERM', 15],
    ['SIGINT', 2],
  ] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(128 + number)
      tell(name)
      stop.abort()
    })
  }
  return stop
}

async function openMetrics(
  flags: FlagValues,
  status: () => DaemonStatus,
  options: PolicyCountersOptions,
): Promise<Metrics> {
  const { Metrics } = await import('../metrics.ts')
  if (!flags.boolean('policy-metrics')) return new Metrics(status)
  const { PolicyCounters } = await import('../apply/policy-counters.ts')
  const counters = new PolicyCounters(options)
  return new Metrics(status, () => counters.counters())
}

/** Each state of the custom rule files; where no file is named, that there are none. */
async function openRuleFiles(
  flags: FlagValues,
  backend: Backend<unknown>['name'],
  signal: AbortSignal,
): Promise<AsyncIterable<RuleFilesState>> {
  const files = ruleFiles(flags)
  if (files.length === 0) return noRuleFiles()
  const { watchRuleFiles } = await import('../watch/rule-files/source.ts')
  return watchRuleFiles({ files, backend, clock: systemClock, signal })
}

async function* noRuleFiles(): AsyncGenerator<RuleFilesState> {
  yield { rules: NO_CUSTOM_RULES, issues: [] }
}

function keepOf(flags: FlagValues): DumpsOptions['keep'] {
  const count = flags.number('dump-history', 0) ?? 10
  return { count, ageMs: DAY_MS * (flags.number('dump-days', 1) ?? 30) }
}

function openDumps(flags: FlagValues, options: Omit<DumpsOptions, 'directory' | 'keep'>): Dumps | undefined {
  const directory = flags.text('pod-iptables')
  return directory === undefined ? undefined : new Dumps({ ...options, directory, keep: keepOf(flags) })
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
