/**
 * The flags, those of both existing daemons among them (same names, same meaning), and their values.
 * Each can also be given as an environment variable, `MNPD_NETWORK_PLUGINS` for `--network-plugins`; the flag wins.
 */

import { UsageError } from '../usage-error.ts'
import { parseGoFlags } from './go-flags.ts'

export interface FlagSpec {
  readonly name: string
  readonly value: 'text' | 'boolean' | 'list'
  readonly help: string
  /** Only accepted, for the sake of existing arguments; the help leaves it out. */
  readonly ignored?: boolean
}

const text = (name: string, help: string): FlagSpec => ({ name, value: 'text', help })
const list = (name: string, help: string): FlagSpec => ({ name, value: 'list', help })
const boolean = (name: string, help: string): FlagSpec => ({ name, value: 'boolean', help })

export const BACKEND_NAMES: readonly ['nftables', 'iptables'] = ['nftables', 'iptables']
/** What becomes of a new pod for which there was no answer in time. */
export const GATE_TIMEOUTS: readonly ['fail', 'start'] = ['fail', 'start']
export const NFT_WRITERS: readonly ['process', 'library'] = ['process', 'library']

/** What `mnpd compile` prints, too; by flags of `run`, OVN comes beside a backend and not in its place. */
export const PRINTED_NAMES: readonly ['nftables', 'iptables', 'ovn'] = [...BACKEND_NAMES, 'ovn']

/** Which cluster, which node, and what shapes the rules: flags that every command takes. */
export const CLUSTER_FLAGS: readonly FlagSpec[] = [
  text('manifests', 'DIR of YAML or JSON files to take the cluster from, instead of the Kubernetes API'),
  text(
    'kubeconfig',
    'FILE that says how to reach the Kubernetes API (default: the in-cluster configuration)',
  ),
  text('master', 'URL of the Kubernetes API, in place of the one in the kubeconfig'),
  text('hostname-override', 'NAME of the node (default: $NODE_NAME, $K8S_NODE_NAME, the name of the host)'),
  list('network-plugins', 'CNI TYPES of the networks to enforce, comma separated (default: macvlan)'),
  text('backend', 'nftables or iptables (default: nftables)'),
  boolean('accept-icmp', 'let all ICMP pass on governed interfaces'),
  boolean('accept-icmpv6', 'let all ICMPv6 pass on governed interfaces'),
  list('allow-ipv6-src-prefix', 'CIDRS that may send to and from governed interfaces'),
  list('allow-ipv6-dst-prefix', 'CIDRS that may be sent to, from and to governed interfaces'),
  boolean('log-drops', 'log what no policy allows, 10 packets a minute of each interface and direction'),
  text('custom-v4-ingress-rule-file', 'FILE of rules, of iptables or nft, that come before the policies'),
  text('custom-v4-egress-rule-file', 'the same for egress'),
  text('custom-v6-ingress-rule-file', 'the same for IPv6'),
  text('custom-v6-egress-rule-file', 'the same for egress over IPv6'),
  list(
    'ovn-nb',
    'ENDPOINTS of the OVN northbound database, unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT: ports there are enforced by ACLs',
  ),
  text('ovn-nb-private-key', 'FILE with the key for ssl: endpoints'),
  text('ovn-nb-certificate', 'FILE with the certificate for ssl: endpoints'),
  text('ovn-nb-ca-cert', 'FILE with the CA that signed the certificates of ssl: endpoints'),
  boolean(
    'ovn-track-governed-only',
    'leave switches in OVN without policies untracked; what is open then outlives the first policy that forbids it',
  ),
  boolean('ovn-enforce-always', 'enforce in OVN also where ovn-kubernetes enforces these policies itself'),
]

/** Where the pods' network namespaces are. */
export const RUNTIME_FLAGS: readonly FlagSpec[] = [
  text('container-runtime', 'cri (default: cri)'),
  text('container-runtime-endpoint', 'PATH of the CRI socket on the node, without the host prefix'),
  boolean(
    'netns-annotation',
    'where no runtime is known, believe the annotation multi-networkpolicyd/netns, which whoever may edit a pod can write (default: with --manifests)',
  ),
  text('host-prefix', 'DIR where the root of the node is mounted'),
]

/** Where the runtime has its CNI plugins and their configuration. */
export const CNI_FLAGS: readonly FlagSpec[] = [
  text('cni-bin-dir', 'DIR of CNI plugins on the node, for mnpd-gate (default: /opt/cni/bin)'),
  text('cni-conf-dir', 'DIR of their configuration on the node (default: /etc/cni/net.d)'),
]

export const GATE_FLAGS: readonly FlagSpec[] = [
  text('conflist', 'FILE on the node, a list of CNI plugins'),
  text('from', 'CONF on the node, to make FILE of where there is none'),
  ...CNI_FLAGS,
  ...RUNTIME_FLAGS.filter(({ name }) => name === 'host-prefix'),
]

export const RUN_FLAGS: readonly FlagSpec[] = [
  ...CLUSTER_FLAGS,
  ...RUNTIME_FLAGS,
  text('sync-period', 'SECONDS between two looks at every pod (default: 30)'),
  text(
    'nft-writer',
    'library or process: what nftables rules are written by, libnftables or a process of nft for each (default: library)',
  ),
  text(
    'new-pod-gate',
    'DIR on the node where the CNI plugin mnpd-gate, which is installed, asks whether a new pod may start (default: none)',
  ),
  text('new-pod-gate-timeout', 'SECONDS that it waits for the answer (default: 30)'),
  text('new-pod-gate-on-timeout', 'fail or start: what becomes of the new pod then (default: fail)'),
  ...CNI_FLAGS,
  text('bind-address', 'HOST:PORT for /healthz, /readyz and /metrics (default: none)'),
  boolean('policy-metrics', 'serve how many packets each policy lets pass, of 1,000 policies at most'),
  text('pod-iptables', 'DIR in which to save what stands in each pod, after each change'),
  text('dump-history', 'NUMBER of past states of each pod to keep there (default: 10)'),
  text('dump-days', 'DAYS to keep them (default: 30)'),
  text('log-level', 'trace, debug, info, warn or error (default: info)'),
]

/** The logging flags of klog and zap: what has a meaning here is mapped, the rest is accepted. */
export const LOGGING_FLAGS: readonly FlagSpec[] = [
  ...['v', 'zap-log-level'].map((name) => text(name, '')),
  ...[
    'log_backtrace_at',
    'log_dir',
    'log_file',
    'log_file_max_size',
    'log-flush-frequency',
    'stderrthreshold',
    'vmodule',
    'zap-encoder',
    'zap-stacktrace-level',
    'zap-time-encoding',
  ].map((name) => ({ ...text(name, ''), ignored: true })),
  ...[
    'add_dir_header',
    'alsologtostderr',
    'logtostderr',
    'one_output',
    'skip_headers',
    'skip_log_headers',
    'zap-devel',
  ].map((name) => ({ ...boolean(name, ''), ignored: true })),
]

/** The given values of flags; each getter names the flag in its error. */
export class FlagValues {
  readonly #given: ReadonlyMap<string, readonly string[]>
  /** Accepted for the sake of existing arguments, without effect. */
  readonly ignored: readonly string[]

  constructor(
    specs: readonly FlagSpec[],
    args: readonly string[],
    env: Readonly<Record<string, string | undefined>>,
  ) {
    const fromArgs = parseGoFlags(
      args,
      new Map(specs.map(({ name, value }) => [name, { boolean: value === 'boolean' }])),
    )
    const given = new Map(fromArgs)
    for (const { name } of specs) {
      const value = env[`MNPD_${name.replaceAll('-', '_').toUpperCase()}`]
      if (value !== undefined && !given.has(name)) given.set(name, [value])
    }
    this.#given = given
    this.ignored = specs.filter(({ name, ignored }) => ignored && given.has(name)).map(({ name }) => name)
  }

  /** The last value given; an empty one counts as not given, as it does for the existing daemons. */
  text(name: string): string | undefined {
    return this.#given.get(name)?.at(-1) || undefined
  }

  oneOf<T extends string>(name: string, allowed: readonly T[], otherwise: T): T {
    const value = this.text(name) ?? otherwise
    const found = allowed.find((each) => each === value)
    if (found === undefined) throw badValue(name, value, allowed.join(' or '))
    return found
  }

  boolean(name: string): boolean {
    const value = this.text(name) ?? 'false'
    if (['true', '1', 't', 'T', 'TRUE', 'True'].includes(value)) return true
    if (['false', '0', 'f', 'F', 'FALSE', 'False'].includes(value)) return false
    throw badValue(name, value, 'true or false')
  }

  /** All values, each a comma separated list. */
  list(name: string): readonly string[] {
    const values = this.#given.get(name) ?? []
    return values
      .flatMap((value) => value.split(','))
      .map((item) => item.trim())
      .filter((item) => item !== '')
  }

  /** A whole number within bounds. */
  number(name: string, least: number, most = 999_999_999): number | undefined {
    const value = this.text(name)
    if (value === undefined) return undefined
    if (!/^[0-9]{1,9}$/.test(value) || Number(value) < least || Number(value) > most)
      throw badValue(name, value, `a whole number from ${least} to ${most}`)
    return Number(value)
  }
}

export function badValue(flag: string, value: string, expected: string): UsageError {
  return new UsageError(`--${flag}: bad value ${JSON.stringify(value)}`, expected)
}

/** One line a flag. */
export function describeFlags(specs: readonly FlagSpec[]): string {
  const shown = specs.filter(({ help }) => help !== '')
  const width = Math.max(...shown.map(({ name }) => name.length)) + 4
  return shown.map(({ name, help }) => `  ${`--${name}`.padEnd(width)}${help}`).join('\n')
}
