/** A cluster on ovn-kubernetes' networks as YAML, and its rows as text: for tests that people can read. */
import { parseAllDocuments } from 'yaml'
import {
  compileOvn,
  expectedPorts,
  type OvnCompilation,
  type OvnCompileOptions,
} from '../../../src/compile/ovn/compile.ts'
import type { OvnPort } from '../../../src/compile/ovn/ports.ts'
import { ovnLines } from '../../../src/compile/ovn/text.ts'
import { NO_EXEMPTIONS } from '../../../src/compile/ruleset.ts'
import { clusterOf } from '../../product.ts'

export const OPTIONS: OvnCompileOptions = {
  node: undefined,
  networkPlugins: new Set(['macvlan']),
  exemptions: NO_EXEMPTIONS,
  leftToOvnKubernetes: new Set(),
  track: false,
}

/** @param change what the ports that the pods would have are in this test */
export function compiled(
  yaml: string,
  options: Partial<OvnCompileOptions> = {},
  change: (ports: readonly OvnPort[]) => readonly OvnPort[] = (ports) => ports,
): OvnCompilation {
  const cluster = clusterOf(
    parseAllDocuments(yaml.replace(/---\s*$/, '')).map((document) => document.toJS() as unknown),
  )
  return compileOvn(cluster, change(expectedPorts(cluster)), { ...OPTIONS, ...options })
}

/** Hashes are numbered, in the order in which they come. */
export function text({ rows }: OvnCompilation): string {
  const numbers = new Map<string, number>()
  const numbered = (hash: string): string => {
    const number = numbers.get(hash) ?? numbers.size + 1
    numbers.set(hash, number)
    return `${number}`
  }
  const lines = ovnLines(rows, () => undefined).join('\n')
  return `${lines.replaceAll(/(?<=mnpd_[a-z]+_)[0-9a-f]{32}/g, numbered)}\n`
}

export function nad(name: string, type = 'ovn-k8s-cni-overlay'): string {
  const [namespace, own] = name.split('/')
  return `
kind: NetworkAttachmentDefinition
metadata: { namespace: ${namespace}, name: ${own} }
spec: { config: '{"type": "${type}", "name": "${own}"}' }
---`
}

/** @param interfaces `net1: shop/blue 10.1.0.1 fd00::1` */
export function pod(
  name: string,
  interfaces: Readonly<Record<string, string>>,
  { labels = '{}', ports = '[]' }: { readonly labels?: string; readonly ports?: string } = {},
): string {
  const [namespace, own] = name.split('/')
  const status = Object.entries(interfaces).map(([device, told]) => {
    const [network, ...ips] = told.split(' ')
    return { name: network, interface: device, ips }
  })
  return `
kind: Pod
metadata:
  namespace: ${namespace}
  name: ${own}
  labels: ${labels}
  annotations: { k8s.v1.cni.cncf.io/network-status: '${JSON.stringify(status)}' }
spec: { nodeName: n1, containers: [{ name: main, ports: ${ports} }] }
---`
}

/** @param spec YAML of one line */
export function policy(name: string, networks: string, spec: string): string {
  const [namespace, own] = name.split('/')
  return `
kind: MultiNetworkPolicy
metadata: { namespace: ${namespace}, name: ${own}, annotations: { k8s.v1.cni.cncf.io/policy-for: '${networks}' } }
spec: ${spec}
---`
}
