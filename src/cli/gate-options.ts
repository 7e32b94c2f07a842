/** The gate of new pods from its flags: `--new-pod-gate`, and where CNI plugins and their configuration are. */
import { hostView } from '../apply/netns/cri-host.ts'
import type { Gate, GateOptions } from '../apply/netns/gate.ts'
import type { Chain } from '../apply/netns/gate-chain.ts'
import type { GatePluginOptions } from '../apply/netns/gate-plugin.ts'
import type { Clock } from '../clock.ts'
import type { Issue } from '../compile/model.ts'
import { UsageError } from '../usage-error.ts'
import { badValue, type FlagValues, GATE_TIMEOUTS } from './flags.ts'

/** How often it is looked whether the runtime's configuration still has the plugin, ms. */
const LOOK_MS = 30_000

/** As the node names them. */
export function cniDirectories(flags: FlagValues): { readonly bin: string; readonly conf: string } {
  return {
    bin: flags.text('cni-bin-dir') ?? '/opt/cni/bin',
    conf: flags.text('cni-conf-dir') ?? '/etc/cni/net.d',
  }
}

export interface OpenGateOptions
  extends Pick<GateOptions, 'podOf' | 'isAsDesired' | 'readPod' | 'announce' | 'signal'> {
  readonly clock: Clock
  readonly log: { info(fields: object, text: string): void; error(fields: object, text: string): void }
  /** Whether new pods wait may be otherwise than before. */
  readonly onChange: () => void
}

/** A gate that is open, and what is wrong with it. */
export interface OpenGate {
  readonly gate: Gate
  readonly issues: () => readonly Issue[]
  readonly chained: () => boolean
}

/** What the flags ask for, before anything is touched; undefined without `--new-pod-gate`. @throws UsageError */
export async function gatePluginOptions(flags: FlagValues): Promise<GatePluginOptions | undefined> {
  const onTimeout = flags.oneOf('new-pod-gate-on-timeout', GATE_TIMEOUTS, 'fail')
  const timeoutSeconds = flags.number('new-pod-gate-timeout', 1, 3_600) ?? 30
  const directory = flags.text('new-pod-gate')
  if (directory === undefined) return undefined
  const { isPlainPath } = await import('../apply/netns/gate-plugin.ts')
  if (!isPlainPath(directory))
    throw badValue(
      'new-pod-gate',
      directory,
      'an absolute path on the node, such as /run/multi-networkpolicyd',
    )
  return { directory, timeoutSeconds, onTimeout }
}

/**
 * Puts the plugin among the node's, and answers it.
 * @throws UsageError where it cannot be put there: whoever asks for the gate must not go without it unawares
 */
export async function openGate(
  flags: FlagValues,
  plugin: GatePluginOptions,
  options: OpenGateOptions,
): Promise<OpenGate> {
  const { log, signal, clock } = options
  const [{ Gate }, { installGatePlugin }, { readChain }] = await Promise.all([
    import('../apply/netns/gate.ts'),
    import('../apply/netns/gate-plugin.ts'),
    import('../apply/netns/gate-chain.ts'),
  ])
  const view = hostView(flags.text('host-prefix') ?? '')
  const { bin, conf } = cniDirectories(flags)
  const [directory, binDirectory] = await Promise.all(
    [plugin.directory, bin].map((each) => view.resolve(each)),
  )
  const done = await installGatePlugin(binDirectory ?? bin, plugin).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error)
    throw new UsageError(
      `--cni-bin-dir: ${reason}`,
      'a directory that the plugin mnpd-gate can be put into',
      {
        cause: error,
      },
    )
  })
  log.info({ directory: bin }, `the CNI plugin mnpd-gate in ${bin}: ${done}`)
  const gate = new Gate({ ...options, directory: directory ?? plugin.directory, view })
  gate.run().catch((error: unknown) => log.error({ directory }, `--new-pod-gate: out of order: ${error}`))
  let chain: Chain = await readChain(await view.resolve(conf))
  let issues = issuesOf(chain, conf)
  const look = async (): Promise<void> => {
    while (!signal.aborted) {
      await clock.sleep(LOOK_MS, signal).catch(() => undefined)
      const now = await readChain(await view.resolve(conf))
      if (JSON.stringify(now) === JSON.stringify(chain)) continue
      chain = now
      issues = issuesOf(chain, conf)
      options.onChange()
    }
  }
  void look()
  return { gate, issues: () => issues, chained: () => chain.kind === 'chained' }
}

function issuesOf(chain: Chain, conf: string): readonly Issue[] {
  const what = whyOpen(chain)
  return what === undefined
    ? []
    : [
        {
          object: { kind: 'File', name: conf },
          field: '',
          reason: `${what}: new pods do not wait for their rules; see mnpd gate --help`,
        },
      ]
}

/** Why no new pod waits, in words. */
export function whyOpen(chain: Chain): string | undefined {
  switch (chain.kind) {
    case 'chained':
      return undefined
    case 'behind':
      return `${chain.file} has the CNI plugin mnpd-gate, but runtimes take ${chain.first}, which comes before it`
    case 'none':
      return chain.first === undefined
        ? 'there is no CNI configuration'
        : `${chain.first}, the CNI configuration that runtimes take, does not have the plugin mnpd-gate`
    default:
      return chain satisfies never
  }
}
