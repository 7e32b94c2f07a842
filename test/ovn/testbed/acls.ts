/**
 * ACLs written by hand, as the commands of ovn-nbctl: to try the testbed itself, where no daemon writes any. A group of ports
 * is isolated in both directions, and what a match says is let through.
 */
import type { NbCommand } from './network.ts'

export interface HandAcls {
  /** A Port_Group's name, which the matches know as `@group`. */
  readonly group: string
  /** Logical_Switch_Ports. */
  readonly ports: readonly string[]
  readonly allow?: readonly HandAllow[]
  readonly directions?: readonly Direction[]
  /**
   * Whether the rule for ARP is `allow-related`, and not just `allow`. Where it is the only rule, and is not, nothing on the
   * switch is tracked, and the replies to the ports' own connections are dropped with the rest.
   */
  readonly tracked?: boolean
}

export interface HandAllow {
  readonly direction: Direction
  /** Beside the group's own part. */
  readonly match: string
}

export type Direction = 'ingress' | 'egress'

const DENY = '1000'
const ALLOW = '1001'

export function handAcls(acls: HandAcls): readonly NbCommand[] {
  const { group, ports, allow = [], directions = ['ingress', 'egress'], tracked = true } = acls
  return [
    ['pg-add', group, ...ports],
    ...directions.flatMap((direction) => [
      acl(group, direction, DENY, '', 'drop'),
      acl(group, direction, ALLOW, ' && (arp || nd)', tracked ? 'allow-related' : 'allow'),
    ]),
    ...allow.map(({ direction, match }) => acl(group, direction, ALLOW, ` && (${match})`, 'allow-related')),
  ]
}

function acl(
  group: string,
  direction: Direction,
  priority: string,
  match: string,
  verdict: string,
): NbCommand {
  const [options, pipeline, port] =
    direction === 'ingress' ? [[], 'to-lport', 'outport'] : [['--apply-after-lb'], 'from-lport', 'inport']
  const whole = `${port} == @${group}${match}`
  return ['--type=port-group', ...options, 'acl-add', group, pipeline, priority, whole, verdict]
}
