/**
 * The two ends of a question such as "may A reach B": pods by name, one of their interfaces by name, or addresses.
 */
import { type Address, FAMILIES, type Family, familyOf, parseAddress } from './address.ts'
import type { Cluster } from './cluster.ts'
import { takesPart } from './members.ts'
import { type Attachment, type NamespacedName, nameOf, type Pod } from './model.ts'

export type End =
  | { readonly kind: 'address'; readonly address: Address }
  | { readonly kind: 'interface'; readonly pod: Pod; readonly attachment: Attachment }

export interface Ends {
  readonly from: End
  readonly to: End
}

/** The pair, or what is wrong with the question: `what` was asked and what was `expected`. */
export type FoundEnds =
  | { readonly kind: 'found'; readonly ends: Ends }
  | { readonly kind: 'unclear'; readonly what: string; readonly expected: string }

type Candidates =
  | { readonly kind: 'candidates'; readonly ends: readonly End[] }
  | Extract<FoundEnds, { kind: 'unclear' }>

/**
 * @param from `namespace/pod`, `namespace/pod/interface` or an address
 * Where a pod has several interfaces, the one on a network that both ends share is meant; if that leaves more than one
 * pair, the question is unclear and the answer names them.
 */
export function findEnds(cluster: Cluster, from: string, to: string): FoundEnds {
  const [left, right] = [candidatesOf(cluster, from), candidatesOf(cluster, to)]
  if (left.kind === 'unclear') return left
  if (right.kind === 'unclear') return right
  const pairs = left.ends.flatMap((a) => right.ends.map((b): Ends => ({ from: a, to: b })))
  const shared = pairs.filter(({ from: a, to: b }) => sharesNetwork(a, b))
  const [only, ...others] = shared.length > 0 ? shared : pairs
  if (only !== undefined && others.length === 0) return { kind: 'found', ends: only }
  const named = new Set(
    (shared.length > 0 ? shared : pairs).flatMap((pair) => [describeEnd(pair.from), describeEnd(pair.to)]),
  )
  return {
    kind: 'unclear',
    what: `${from} and ${to} have more than one interface that fits`,
    expected: `one of ${[...named].join(', ')}`,
  }
}

/** The addresses of an end in one family. */
export function addressesOf(end: End, family: Family): readonly Address[] {
  const addresses = end.kind === 'address' ? [end.address] : end.attachment.addresses
  return addresses.filter((address) => familyOf(address) === family)
}

/** The families in which both ends have an address. */
export function sharedFamilies({ from, to }: Ends): readonly Family[] {
  return FAMILIES.filter((family) => [from, to].every((end) => addressesOf(end, family).length > 0))
}

export function describeEnd(end: End): string {
  return end.kind === 'address' ? end.address : `${nameOf(end.pod)}/${end.attachment.interface}`
}

function candidatesOf(cluster: Cluster, text: string): Candidates {
  const address = parseAddress(text)
  if (address !== undefined) return { kind: 'candidates', ends: holders(cluster, address) }
  const [namespace, name, wanted, ...others] = text.split('/')
  const expected = 'NAMESPACE/POD, NAMESPACE/POD/INTERFACE or an IP address'
  if (namespace === undefined || name === undefined || others.length > 0)
    return unclear(JSON.stringify(text), expected)
  const pod = cluster.pods.get(`${namespace}/${name}` satisfies NamespacedName)
  if (pod === undefined) return unclear(`no pod ${namespace}/${name}`, expected)
  if (!takesPart(pod))
    return unclear(`pod ${nameOf(pod)} is done or on the host network`, 'a pod that can be governed')
  const named = interfacesOf(pod)
  const fitting = named.filter((each) => wanted === undefined || each.interface === wanted)
  if (fitting.length === 0) {
    const interfaces = named.map((each) => each.interface).join(', ')
    return unclear(
      `pod ${nameOf(pod)} has no ${wanted === undefined ? 'secondary interface' : `interface ${wanted}`}`,
      interfaces === '' ? 'a pod that has one' : `one of ${interfaces}`,
    )
  }
  return { kind: 'candidates', ends: fitting.map((attachment) => ({ kind: 'interface', pod, attachment })) }
}

/** An address that a pod has is that pod's interface; one that several or none have is just an address. */
function holders(cluster: Cluster, address: Address): readonly End[] {
  const found = [...cluster.pods.values()].filter(takesPart).flatMap((pod) =>
    interfacesOf(pod)
      .filter((each) => each.addresses.includes(address))
      .map(
        (attachment): End => ({
          kind: 'interface',
          pod,
          attachment: { ...attachment, addresses: [address] },
        }),
      ),
  )
  return found.length > 0 ? found : [{ kind: 'address', address }]
}

function sharesNetwork(a: End, b: End): boolean {
  if (a.kind === 'address' || b.kind === 'address') return false
  const networks = new Set(networksOf(a))
  return networksOf(b).some((network) => networks.has(network))
}

/** One attachment for each interface that has a name, though it may be told of several times (compile/contested.ts). */
function interfacesOf({ attachments }: Pod): readonly Attachment[] {
  const named = attachments.filter((each) => each.interface !== undefined)
  return [...Map.groupBy(named, (each) => each.interface).values()].flatMap(([first, ...others]) =>
    first === undefined ? [] : [{ ...first, addresses: addressesOfAll([first, ...others]) }],
  )
}

function addressesOfAll(attachments: readonly Attachment[]): readonly Address[] {
  return [...new Set(attachments.flatMap(({ addresses }) => addresses))]
}

function networksOf({ pod, attachment }: Extract<End, { kind: 'interface' }>): readonly NamespacedName[] {
  return pod.attachments
    .filter((each) => each.interface === attachment.interface)
    .map(({ network }) => network)
}

function unclear(what: string, expected: string): Extract<FoundEnds, { kind: 'unclear' }> {
  return { kind: 'unclear', what, expected }
}
