/**
 * What of a governed interface the rules in the pod's netns do not meet, whatever they say: packets that take another way
 * through the kernel, and interfaces that a backend takes for one another.
 */
import { confusions } from '../compile/iptables/match-interface.ts'
import type { Ruleset } from '../compile/ruleset.ts'
import type { Backend } from './backend.ts'
import type { KernelLink, Links } from './netns/links.ts'

/** In words, one for each. */
export function unmet(ruleset: Ruleset, links: Links, by: Backend<unknown>['name']): readonly string[] {
  const passed = ruleset.interfaces.flatMap(({ name, isolatedBy }) => {
    const link = links.get(name)
    const way = link && isolatedBy.ingress.length > 0 ? anotherWay(link, by) : undefined
    return way === undefined ? [] : [`ingress by ${name} is not enforced because ${way}`]
  })
  return by === 'iptables' ? [...passed, ...confusions(ruleset)] : passed
}

/** Why what comes in by the link does not meet rules for its name. What goes out always does. */
function anotherWay({ kind, vrf }: KernelLink, by: Backend<unknown>['name']): string | undefined {
  if (kind === 'ipvlan l3s')
    return "it is an ipvlan of mode l3s: what comes in meets the node's hooks and not the pod's"
  return vrf !== undefined && by === 'iptables'
    ? `it is within the VRF ${vrf}: iptables sees what comes in as the VRF's; --backend=nftables tells it apart`
    : undefined
}
