/** From flags to: which node, which sources, and what shapes the rules. */
import { readdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import type { Clock } from '../clock.ts'
import { type AddressRange, FAMILIES, mergeRanges, parseCidr, rangeOfPrefix } from '../compile/address.ts'
import type { CompileOptions } from '../compile/compilation.ts'
import type { RuleFile } from '../compile/custom/rules.ts'
import { DIRECTIONS } from '../compile/model.ts'
import { UsageError } from '../usage-error.ts'
import type { ApiConnection } from '../watch/kube/connection.ts'
import type { Source } from '../watch/source.ts'
import { badValue, type FlagValues, PRINTED_NAMES } from './flags.ts'
import { countedPlugins } from './ovn-options.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Trimmed and in lower case, as Kubernetes has the names of nodes. */
export function nodeName(flags: FlagValues, env: Environment): string {
  const name = flags.text('hostname-override') ?? env['NODE_NAME'] ?? env['K8S_NODE_NAME'] ?? hostname()
  return name.trim().toLowerCase()
}

/** Compile options but for the custom rules, which are in files. */
export type FlagOptions = Omit<CompileOptions, 'custom'>

export function compileOptions(flags: FlagValues, node: string | undefined): FlagOptions {
  const plugins = flags.list('network-plugins')
  flags.oneOf('backend', PRINTED_NAMES, 'nftables')
  return {
    node,
    networkPlugins: countedPlugins(flags, new Set(plugins.length > 0 ? plugins : ['macvlan'])),
    logDrops: flags.boolean('log-drops'),
    exemptions: {
      icmp: flags.boolean('accept-icmp'),
      icmpv6: flags.boolean('accept-icmpv6'),
      ipv6Sources: ipv6Prefixes(flags, 'allow-ipv6-src-prefix'),
      ipv6Destinations: ipv6Prefixes(flags, 'allow-ipv6-dst-prefix'),
    },
  }
}

/** The custom rule files that flags name. */
export function ruleFiles(flags: FlagValues): readonly RuleFile[] {
  return DIRECTIONS.flatMap((direction) =>
    FAMILIES.flatMap((family) => {
      const path = flags.text(`custom-v${family}-${direction}-rule-file`)
      return path === undefined ? [] : [{ direction, family, path }]
    }),
  )
}

function ipv6Prefixes(flags: FlagValues, name: string): readonly AddressRange[] {
  return mergeRanges(
    flags.list(name).map((text) => {
      const prefix = parseCidr(text)
      if (prefix?.family !== 6) throw badValue(name, text, 'an IPv6 CIDR such as fe80::/10')
      return rangeOfPrefix(prefix)
    }),
  )
}

export interface SourceSettings {
  readonly node: string
  readonly clock: Clock
  readonly signal: AbortSignal
  /** From the API, only what peers are asked for is kept of other nodes' pods: not enough to compile their rules. */
  readonly othersAsPeers?: boolean
}

export interface OpenedSources {
  readonly sources: readonly Source[]
  /** To the API server that they come from, if they do. */
  readonly connection: ApiConnection | undefined
}

/**
 * The sources that the flags name, not yet begun; what they need is imported only now, since each costs memory.
 * @throws UsageError for a directory or a configuration that cannot be read.
 */
export async function openSources(flags: FlagValues, settings: SourceSettings): Promise<OpenedSources> {
  const directory = flags.text('manifests')
  const [kubeconfig, master] = [flags.text('kubeconfig'), flags.text('master')]
  if (directory === undefined) return openKube(kubeconfig, master, settings)
  if (kubeconfig !== undefined || master !== undefined) {
    throw new UsageError('--manifests and --kubeconfig or --master are both given', 'one source')
  }
  await readdir(directory).catch((error: unknown) => {
    throw new UsageError(
      `--manifests: ${error instanceof Error ? error.message : error}`,
      'a directory that can be read',
      { cause: error },
    )
  })
  const { watchManifests } = await import('../watch/manifests/source.ts')
  return { sources: [watchManifests({ directory, ...settings })], connection: undefined }
}

async function openKube(
  kubeconfig: string | undefined,
  master: string | undefined,
  { node, clock, signal, othersAsPeers = false }: SourceSettings,
): Promise<OpenedSources> {
  const { ConnectionError, fromKubeconfig, inCluster } = await import('../watch/kube/connection.ts')
  const { watchKube } = await import('../watch/kube/source.ts')
  try {
    const connection =
      kubeconfig === undefined && master === undefined
        ? await inCluster()
        : await fromKubeconfig({ kubeconfig, master })
    const local = othersAsPeers ? node : undefined
    return { sources: watchKube({ connection, clock, signal, node: local }), connection }
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error
    throw new UsageError(error.message, '--kubeconfig FILE, --manifests DIR or an in-cluster configuration', {
      cause: error,
    })
  }
}
