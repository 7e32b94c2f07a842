/**
 * What of a governed interface the rules in the pod's netns do not meet, whatever they say: packets that take another way
 * through the kernel, and interfaces that a backend takes for one another.
 */
import { confusions } from '../compile/iptables/match-interface.ts'
import type { KernelAbilities } from '../compile/nftables/interface.ts'
import type { Ruleset } from '../compile/ruleset.ts'
import type { Backend } from './backend.ts'
import { KERNEL } from './kernel-abilities.ts'
import type { KernelLink, Links } from './netns/links.ts'

/** In words, one for each. */
export function unmet(
  ruleset: Ruleset,
  links: Links,
  by: Backend<unknown>['name'],
  kernel: KernelAbilities = KERNEL,
): readonly string[] {
  const passed = ruleset.interfaces.flatMap(({ name, isolatedBy }) => {
    const link = links.get(name)
    const way = link && isolatedBy.ingress.length > 0 ? anotherWay(link, by, kernel) : undefined
    return way === undefined ? [] : [`ingress by ${name} is not enforced because ${way}`]
  })
  return by === 'iptables' ? [...passed, ...confusions(ruleset)] : passed
}

/** Why what comes in by the link does not meet rules for its name. What goes out always does. */
function anotherWay(
  { kind, vrf }: KernelLink,
  by: Backend<unknown>['name'],
  { slaves }: KernelAbilities,
): string | undefined {
  if (kind === 'ipvlan l3s')
    return "it is an ipvlan of mode l3s: what comes in meets the node's hooks and not the pod's"
  if (vrf === undefined || (by === 'nftables' && slaves)) return undefined
  const remedy = by === 'nftables' ? 'Linux 5.6 or later tells it apart' : '--backend=nftables tells it apart'
  return `it is within the VRF ${vrf}: ${by} sees what comes in as the VRF's; ${remedy}`
}
