/**
 * From the cluster and the ports in a northbound database to the rows that should be there. A pure function of both: for
 * the commands, and as what the tests hold `OvnCompiler` against, which comes to the same change by change.
 */
import type { Cluster } from '../cluster.ts'
import type { CompileOptions } from '../compilation.ts'
import { compile } from '../compile.ts'
import { NO_CUSTOM_RULES } from '../custom/rules.ts'
import { type Issue, type NamespacedName, nameOf, type Pod } from '../model.ts'
import { isOfOvn, missingPorts, standsAside } from './issues.ts'
import { portsByPod } from './port-index.ts'
import { OVN_CNI_TYPE, type OvnPort, type PortsByPod, portName } from './ports.ts'
import { type GovernedPort, printOvn } from './printer.ts'
import type { OvnRows } from './rows.ts'
import { ovnView, viewInterface } from './view.ts'

/** `node`: whose pods have their ports in this database for sure. Rule files are of netfilter, and have no say in OVN. */
export interface OvnCompileOptions extends Pick<CompileOptions, 'node' | 'networkPlugins' | 'exemptions'> {
  /** OVN's names of the networks on which ovn-kubernetes enforces MultiNetworkPolicy itself, and we do not. */
  readonly leftToOvnKubernetes: ReadonlySet<string>
  /** Whether connections are tracked on switches without any policy, too: unlike `--ovn-track-governed-only`. */
  readonly track: boolean
}

export interface OvnCompilation {
  readonly rows: OvnRows
  /** What is not as written in OVN; what is wrong with the objects themselves is not repeated. */
  readonly issues: readonly Issue[]
  readonly ports: PortsByPod
  /** How many ports some policy governs. */
  readonly governed: number
}

export function compileOvn(
  cluster: Cluster,
  found: Iterable<OvnPort>,
  options: OvnCompileOptions,
): OvnCompilation {
  const ports = portsByPod(cluster, found)
  const isOurs = ({ ovnNetwork }: OvnPort): boolean => !options.leftToOvnKubernetes.has(ovnNetwork)
  const view = ovnView(cluster, ports, isOurs)
  const networkPlugins = new Set([...options.networkPlugins, OVN_CNI_TYPE])
  const ofAllNodes = { node: undefined, custom: NO_CUSTOM_RULES, logDrops: false }
  const { exemptions } = options
  const { targets, issues } = compile(view, {
    ...ofAllNodes,
    networkPlugins,
    exemptions,
    isShared: true,
    elsewhere: (_, attachment) => attachment.interface === undefined,
  })
  const governed = [...ports].flatMap(([name, networks]) =>
    governedPorts(targets.get(name)?.ruleset, networks),
  )
  const all = options.track ? [...ports.values()].flatMap((networks) => [...networks.values()].flat()) : []
  const tracked = new Set(all.filter(isOurs).map(({ id }) => id))
  const ofObjects = new Set(view.issues())
  return {
    rows: printOvn(governed, view.policies, tracked),
    issues: [
      ...issues.filter((issue) => !ofObjects.has(issue) && isOfOvn(issue)),
      ...missingPorts(cluster, ports, options.node),
      ...standsAside(ports, options.leftToOvnKubernetes),
    ],
    ports,
    governed: governed.length,
  }
}

function governedPorts(
  ruleset: GovernedPort['ruleset'] | undefined,
  networks: ReadonlyMap<NamespacedName, readonly OvnPort[]>,
): readonly GovernedPort[] {
  if (ruleset === undefined) return []
  const names = new Set(ruleset.interfaces.map(({ name }) => name))
  return [...networks.values()].flatMap((ports, place) => {
    const name = viewInterface(place)
    return names.has(name) ? ports.map(({ id }) => ({ port: id, ruleset, interface: name })) : []
  })
}

export interface ExpectedPort extends OvnPort {
  readonly pod: NamespacedName
}

/**
 * The ports that pods would have, where there is no database to look into: one for each attachment to a network of
 * ovn-kubernetes, known by its name.
 */
export function expectedPorts(cluster: Cluster): readonly ExpectedPort[] {
  return [...cluster.pods.values()].flatMap((pod) =>
    [...new Set(pod.attachments.map(({ network }) => network))]
      .filter((network) => cluster.networks.get(network)?.cniType === OVN_CNI_TYPE)
      .map((network) => expectedPort(pod, network)),
  )
}

function expectedPort(pod: Pod, network: NamespacedName): ExpectedPort {
  const name = portName(network, pod.namespace, pod.name)
  return {
    id: name,
    name,
    namespace: pod.namespace,
    network,
    ovnNetwork: network,
    podUid: undefined,
    pod: nameOf(pod),
    addresses: [],
  }
}
