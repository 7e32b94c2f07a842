/** Whether ovn-trace says of the first packet of each connection what the packets themselves were seen to do. */
import type { MatrixRow } from '../../lab/matrix.ts'
import type { OvnPod } from './pods.ts'
import type { OvnTestbed } from './testbed.ts'

/**
 * Asks for every row between two of the pods. A connection of which the first packet passes and a reply does not is blocked
 * for packets and open for ovn-trace, so those differ here.
 * @returns the rows on which the two differ, such as `client → server tcp/80 IPv4: packets blocked, ovn-trace open`
 */
export async function agreement(
  bed: OvnTestbed,
  pods: readonly OvnPod[],
  rows: readonly MatrixRow[],
): Promise<readonly string[]> {
  await using trace = await bed.trace()
  const differences: string[] = []
  for (const { cell, seen } of rows) {
    const { segment, family, protocol, port } = cell
    const [from, to] = [cell.from, cell.to].map((pod) =>
      pods.find((each) => each.pod === pod)?.ports.find(({ network }) => network.name === segment),
    )
    if (from === undefined || to === undefined) continue
    const service = port === undefined ? protocol : `${protocol}/${port}`
    const passes = await trace.passes({ from, to, family, service })
    if (passes === (seen !== 'blocked')) continue
    const names = `${cell.from.name} → ${cell.to.name} ${service} IPv${family}`
    differences.push(`${names}: packets ${seen}, ovn-trace ${passes ? 'open' : 'blocked'}`)
  }
  return differences
}
