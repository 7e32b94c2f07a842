/**
 * The two ways to learn what the product makes of a cluster: by packets, TCP and UDP; and by asking `mnpd matrix`,
 * which also knows SCTP.
 */
import type { Probe } from '../lab/probe.ts'
import { asExpected, type Expectation, type Observation, type Protocol, type Service } from './expectation.ts'
import type { Testbed } from './testbed.ts'
import { labName } from './world.ts'

/** @param expectations of anything but SCTP */
export async function byPackets(
  bed: Testbed,
  expectations: readonly Expectation[],
): Promise<readonly Observation[]> {
  const results = await bed.probeAll(expectations.map((each) => probeOf(bed, each)))
  return expectations.map((each, index) => ({ ...each, seen: results[index]?.verdict ?? 'blocked' }))
}

/** @param expectations of net1 of pairs of different pods: the matrix leaves out what a pod says to itself */
export async function byMatrix(
  bed: Testbed,
  expectations: readonly Expectation[],
): Promise<readonly Observation[]> {
  if (expectations.length === 0) return []
  const { networks } = JSON.parse(await bed.ask('matrix', '--output=json')) as Matrix
  const allowed = new Map(
    networks.flatMap(({ family, reaches }) =>
      reaches.map((reach) => [`${reach.from} ${reach.to} ${family}`, reach.allowed] as const),
    ),
  )
  return expectations.map((each) => {
    const ports = allowed.get(`${each.from}/net1 ${each.to}/net1 ${each.on?.family ?? 4}`)
    if (ports === undefined) throw new Error(`mnpd matrix says nothing of ${each.from} and ${each.to}`)
    return { ...each, seen: includes(ports, each.service) ? 'open' : 'blocked' }
  })
}

export function wrongOnes(observations: readonly Observation[]): readonly Observation[] {
  return observations.filter((each) => !asExpected(each))
}

/** The part of `mnpd matrix --output=json` that is read here. */
interface Matrix {
  readonly networks: readonly {
    readonly family: 4 | 6
    readonly reaches: readonly {
      readonly from: string
      readonly to: string
      /** `all`, `-` or such as `TCP/80+90-95 SCTP/all`. */
      readonly allowed: string
    }[]
  }[]
}

function probeOf(bed: Testbed, { from, to, service, on }: Expectation): Probe {
  const { protocol, port } = partsOf(service)
  const [source, destination] = [bed.pod(labName(from)), bed.pod(labName(to))]
  const address = destination.address(on?.family ?? 4, on?.segment)
  if (protocol === 'ICMP') return { from: source, to: address, protocol: 'icmp' }
  if (protocol === 'SCTP') throw new Error('the lab sends no SCTP')
  return { from: source, to: address, protocol: protocol === 'TCP' ? 'tcp' : 'udp', port }
}

function includes(allowed: string, service: Service): boolean {
  const { protocol, port } = partsOf(service)
  if (allowed === 'all') return true
  return allowed
    .split(' ')
    .filter((part) => part.startsWith(`${protocol}/`))
    .flatMap((part) => part.slice(protocol.length + 1).split('+'))
    .some((range) => {
      const [first, last = first] = range.split('-').map(Number)
      return range === 'all' || (first !== undefined && first <= port && port <= (last ?? first))
    })
}

function partsOf(service: Service): { readonly protocol: Protocol | 'ICMP'; readonly port: number } {
  const [protocol, port = '0'] = service.split('/') as [Protocol | 'ICMP', string?]
  return { protocol, port: Number(port) }
}
