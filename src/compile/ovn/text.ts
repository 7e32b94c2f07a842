/**
 * Rows as text, a line each, as `ovn-nbctl acl-list` and people write them; the same text for the same rows.
 *
 *     port group mnpd_policy_5d41… # blue/web
 *       port kube.system.l2.network_default_nginx1-l2
 *         to-lport  1001 (outport == @mnpd_policy_5d41… && ip4.src == $mnpd_peers_7d79…_v4) allow-related # blue/web ingress[0]
 *     address set mnpd_peers_7d79…_v4
 *       10.1.0.2
 */
import type { Acl, AddressSet, OvnRows, PortGroup } from './rows.ts'

/** @param portName what a port is called; what a row's `ports` hold where it is not known */
export function ovnLines(
  { portGroups, addressSets }: OvnRows,
  portName: (port: string) => string | undefined,
): readonly string[] {
  return [
    ...[...portGroups.values()].sort(byName).flatMap((group) => groupLines(group, portName)),
    ...[...addressSets.values()].sort(byName).flatMap(setLines),
  ]
}

function groupLines(
  { name, ports, acls, externalIds }: PortGroup,
  portName: (port: string) => string | undefined,
): readonly string[] {
  return [
    `port group ${name}${about(externalIds)}`,
    ...[...ports].map((port) => `  port ${quoted(portName(port) ?? port)}`).sort(),
    ...acls.map(aclLine).sort(),
  ]
}

function aclLine({ direction, priority, match, action, options, externalIds }: Acl): string {
  const afterLb = options.get('apply-after-lb') === 'true' ? ' [after-lb]' : ''
  return `  ${direction.padStart(10)} ${String(priority).padStart(5)} (${match}) ${action}${afterLb}${about(externalIds)}`
}

function setLines({ name, addresses }: AddressSet): readonly string[] {
  return [`address set ${name}`, ...[...addresses].sort().map((address) => `  ${address}`)]
}

/** A row of somebody else's making may hold anything, and must not look like two. */
function about(externalIds: ReadonlyMap<string, string>): string {
  const text = externalIds.get('k8s.ovn.org/name')
  return text === undefined ? '' : ` # ${quoted(text)}`
}

function quoted(text: string): string {
  return /^[ -~]*$/.test(text) ? text : JSON.stringify(text)
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1
}
