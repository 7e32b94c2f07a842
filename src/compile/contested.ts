/**
 * Interfaces that network-status tells to be on several networks. An interface is on one, so some of that is wrong, and
 * whoever writes the pod's annotations picks what: it must not gain what any of these networks allows.
 */
import { interfaceWord } from './governed-record.ts'
import { type Direction, type Issue, type NamespacedName, type Pod, referenceTo } from './model.ts'

/** By the interface's name, the networks that it is told to be on, where they are more than one. */
export type Contested = ReadonlyMap<string, ReadonlySet<NamespacedName>>

/** Networks count here whether policies are enforced on them or not; the default network, which has no policies, does not. */
export function contestedInterfaces({ attachments }: Pod): Contested {
  const told = new Map<string, Set<NamespacedName>>()
  for (const { interface: name, network } of attachments) {
    if (name === undefined) continue
    const networks = told.get(name)
    if (networks === undefined) told.set(name, new Set([network]))
    else networks.add(network)
  }
  return new Map([...told].filter(([, networks]) => networks.size > 1))
}

type ByDirection = Readonly<Record<Direction, readonly number[]>>

/**
 * Of the policies that isolate an interface, by place, those whose rules count on it: all, or where the interface is
 * contested those that are for every network it is told to be on. Whichever of them it is really on, that network's
 * policies allow as much at least.
 *
 * @param told undefined where it is on one
 * @param networksOf what each policy is for, by place
 */
export function allowedBy(
  isolatedBy: ByDirection,
  told: ReadonlySet<NamespacedName> | undefined,
  networksOf: readonly ReadonlySet<NamespacedName>[],
): ByDirection {
  if (told === undefined) return isolatedBy
  const isForAll = (place: number): boolean => told.isSubsetOf(networksOf[place] ?? new Set())
  return { ingress: isolatedBy.ingress.filter(isForAll), egress: isolatedBy.egress.filter(isForAll) }
}

/** One for all of a pod's interfaces, since its author picks how many there are. */
export function contestedIssue(pod: Pod, contested: Contested): readonly Issue[] {
  const [first] = contested
  if (first === undefined) return []
  const [name, networks] = first
  const others = contested.size === 1 ? '' : `, as are ${contested.size - 1} more interfaces`
  return [
    {
      object: referenceTo(pod),
      field: 'metadata.annotations[k8s.v1.cni.cncf.io/network-status]',
      value: interfaceWord(name),
      reason:
        `told to be on ${namesOf(networks)}${others}; an interface is on one network, ` +
        'so only policies for all that it is told to be on allow anything on it',
    },
  ]
}

/** `x/lax and x/red`, sorted; not all where they are many. */
export function namesOf(networks: Iterable<NamespacedName>): string {
  const names = [...networks].sort()
  const rest = names.length > MOST_NAMED ? [`${names.length - MOST_NAMED} more`] : []
  const shown = [...names.slice(0, MOST_NAMED), ...rest]
  return [shown.slice(0, -1).join(', '), ...shown.slice(-1)].filter((part) => part !== '').join(' and ')
}

const MOST_NAMED = 3
