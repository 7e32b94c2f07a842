/** OVN mode from its flags: which database, and what of the mode the commands need. */
import { access } from 'node:fs/promises'
import type { Logger } from 'pino'
import type { Difference } from '../apply/audit.ts'
import type { OvnDumps, OvnDumpsOptions } from '../apply/ovn/dumps.ts'
import type { OvnEnforcement, OvnEnforcementOptions } from '../apply/ovn/enforcement.ts'
import type { NorthboundAddress } from '../apply/ovn/northbound.ts'
import { systemClock } from '../clock.ts'
import type { Cluster } from '../compile/cluster.ts'
import type { CompileOptions } from '../compile/compilation.ts'
import { nameOf } from '../compile/model.ts'
import type { OvnCompilation } from '../compile/ovn/compile.ts'
import { OVN_CNI_TYPE } from '../compile/ovn/ports.ts'
import { UsageError } from '../usage-error.ts'
import { badValue, type FlagValues } from './flags.ts'

/** How long a command waits for the database. */
const COMMAND_TIMEOUT_MS = 10_000

type OvnCompile = Omit<OvnEnforcementOptions['compile'], 'track'>

/** G3: with OVN mode on, networks of ovn-kubernetes count, whatever `--network-plugins` says. */
export function countedPlugins(flags: FlagValues, plugins: ReadonlySet<string>): ReadonlySet<string> {
  return hasOvn(flags) ? new Set([...plugins, OVN_CNI_TYPE]) : plugins
}

export function hasOvn(flags: FlagValues): boolean {
  return flags.list('ovn-nb').length > 0
}

/** Undefined without OVN mode. @throws UsageError for endpoints that are none, or files that cannot be read */
export async function northboundAddress(flags: FlagValues): Promise<NorthboundAddress | undefined> {
  const endpoints = flags.list('ovn-nb').join(',')
  if (endpoints === '') return undefined
  const { parseEndpoints } = await import('ovsdb')
  try {
    parseEndpoints(endpoints)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw badValue('ovn-nb', endpoints, 'unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT, comma separated')
  }
  if (!endpoints.includes('ssl:')) return { endpoints, tls: undefined }
  const privateKey = await readable(flags, 'ovn-nb-private-key')
  const certificate = await readable(flags, 'ovn-nb-certificate')
  const ca = await readable(flags, 'ovn-nb-ca-cert')
  return { endpoints, tls: { privateKey, certificate, ca } }
}

async function readable(flags: FlagValues, name: string): Promise<string> {
  const path = flags.text(name)
  if (path === undefined) throw new UsageError(`--${name} is missing`, 'a FILE, since --ovn-nb names ssl:')
  await access(path).catch((error: unknown) => {
    throw new UsageError(`--${name}: ${error instanceof Error ? error.message : error}`, 'a readable file')
  })
  return path
}

/** For `mnpd run`; undefined without OVN mode. */
export async function openOvn(
  flags: FlagValues,
  options: Pick<OvnEnforcementOptions, 'signal' | 'onChange' | 'onPlaces' | 'onDrift'> & {
    readonly compile: OvnCompile & { readonly logDrops: boolean }
    readonly hasRuleFiles: boolean
    readonly log: Logger
  },
): Promise<OvnEnforcement | undefined> {
  const address = await northboundAddress(flags)
  if (address === undefined) return undefined
  const { log, hasRuleFiles, compile, signal, onChange, onPlaces, onDrift } = options
  if (hasRuleFiles) log.warn('custom rule files are rules of netfilter: they are not enforced in OVN')
  if (compile.logDrops) log.warn('--log-drops: what is dropped in OVN is not logged')
  const { OvnEnforcement } = await import('../apply/ovn/enforcement.ts')
  return new OvnEnforcement({
    address,
    compile: { ...compile, track: tracks(flags) },
    inNamespacesToo: inNamespacesToo(flags),
    enforceAlways: flags.boolean('ovn-enforce-always'),
    clock: systemClock,
    signal,
    onChange,
    onPlaces,
    onDrift,
    log,
  })
}

/**
 * What is not enforced in namespaces: networks of ovn-kubernetes; where those are in `--network-plugins`, what has a port
 * in the database. One that cannot be read is told of by whoever looks into it, and keeps nothing out of namespaces.
 * @param asks whether the database may be asked
 */
export async function enforcedInOvn(
  flags: FlagValues,
  cluster: Cluster,
  asks: boolean,
): Promise<NonNullable<CompileOptions['elsewhere']> | undefined> {
  const address = await northboundAddress(flags)
  if (address === undefined) return undefined
  if (!inNamespacesToo(flags))
    return (_, { network }) => cluster.networks.get(network)?.cniType === OVN_CNI_TYPE
  if (!asks) return undefined
  const { portsInNorthbound } = await import('../apply/ovn/once.ts')
  const signal = AbortSignal.timeout(COMMAND_TIMEOUT_MS)
  const ports = await portsInNorthbound(address, cluster, signal).catch(() => undefined)
  return ports && ((pod, { network }) => ports.get(nameOf(pod))?.has(network) === true)
}

function tracks(flags: FlagValues): boolean {
  return !flags.boolean('ovn-track-governed-only')
}

function inNamespacesToo(flags: FlagValues): boolean {
  return flags.list('network-plugins').includes(OVN_CNI_TYPE)
}

/** `mnpd compile --backend ovn`: the rows, with the ports that ovn-kubernetes would make. @param pod the only one whose ports are there */
export async function compileRows(
  cluster: Cluster,
  options: OvnCompile,
  pod: string | undefined,
  flags: FlagValues,
): Promise<OvnCompilation & { readonly lines: readonly string[] }> {
  const [{ compileOvn, expectedPorts }, { ovnLines }] = await Promise.all([
    import('../compile/ovn/compile.ts'),
    import('../compile/ovn/text.ts'),
  ])
  const ports = expectedPorts(cluster).filter((port) => pod === undefined || port.pod === pod)
  const compiled = compileOvn(cluster, ports, {
    ...options,
    leftToOvnKubernetes: new Set(),
    track: tracks(flags),
  })
  return { ...compiled, lines: ovnLines(compiled.rows, () => undefined) }
}

/** `--pod-iptables` in OVN mode. */
export async function openOvnDumps(options: OvnDumpsOptions): Promise<OvnDumps> {
  const { OvnDumps } = await import('../apply/ovn/dumps.ts')
  return new OvnDumps(options)
}

export interface OvnAuditResult {
  readonly differences: readonly Difference[]
  /** Why something could not be looked at. */
  readonly problems: readonly string[]
}

/** `mnpd audit` of the database; undefined without OVN mode. @param dumps the directory of `--pod-iptables` */
export async function auditOvn(
  flags: FlagValues,
  cluster: Cluster,
  compile: OvnCompile,
  dumps: string | undefined,
): Promise<OvnAuditResult | undefined> {
  const address = await northboundAddress(flags)
  if (address === undefined) return undefined
  const [{ auditNorthbound }, { readOvnDump }, { difference }] = await Promise.all([
    import('../apply/ovn/once.ts'),
    import('../apply/ovn/dumps.ts'),
    import('../apply/audit.ts'),
  ])
  const enforceAlways = flags.boolean('ovn-enforce-always')
  const signal = AbortSignal.timeout(COMMAND_TIMEOUT_MS)
  try {
    const { wanted, standing } = await auditNorthbound(
      address,
      cluster,
      { ...compile, enforceAlways, track: tracks(flags) },
      signal,
    )
    const saved = dumps === undefined ? undefined : await readOvnDump(dumps)
    const differences = [
      ...difference('policies', wanted, 'OVN', standing),
      ...(saved === undefined ? [] : difference('OVN', standing, 'dump', saved)),
    ]
    return { differences, problems: [] }
  } catch (error) {
    return { differences: [], problems: [error instanceof Error ? error.message : String(error)] }
  }
}

/** `mnpd cleanup` of the database: what was removed, in words. @throws Error where it cannot be reached */
export async function cleanOvn(flags: FlagValues): Promise<readonly string[]> {
  const address = await northboundAddress(flags)
  if (address === undefined) return []
  const { cleanNorthbound } = await import('../apply/ovn/once.ts')
  const removed = await cleanNorthbound(address, AbortSignal.timeout(COMMAND_TIMEOUT_MS))
  return [
    ...(removed.portGroups === 0 ? [] : [`${removed.portGroups} port groups, with their ACLs`]),
    ...(removed.addressSets === 0 ? [] : [`${removed.addressSets} address sets`]),
  ]
}
