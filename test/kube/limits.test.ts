/**
 * The daemon within the limits of the shipped DaemonSet, 150 MiB and 100m CPU in real control groups, on a full node: it
 * starts, stays and enforces. `PODS=10000` has as many in the API as the goal names; fewer are the default, since making
 * them takes longer than the test.
 */
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allowing } from '../full-node.ts'
import type { Pod } from '../lab/pod.ts'
import { ContainerLimits } from './container-limits.ts'
import { FullNode } from './full-node.ts'

const PODS = Number(process.env['PODS'] ?? 2_000)
const LIMITS = { memoryMiB: 150, milliCpu: 100 }
/** With a tenth of a core all takes ten times as long, and the machine may have other work. */
const PATIENCE_MS = 300_000

let node: FullNode

beforeAll(async () => {
  node = await FullNode.create(PODS)
}, 900_000)

afterAll(async () => {
  await node?.[Symbol.asyncDispose]()
})

test(
  `110 pods with 10 policies each and ${PODS} pods in the API fit into 150 MiB and 100m CPU`,
  async () => {
    const [client, server] = [node.pods[0], node.pods[109]] as [Pod, Pod]
    await server.serve({ tcp: [8000, 8001] })
    const reaches = async (port: number): Promise<string> =>
      (await node.lab.probe({ from: client, to: server.address(4), protocol: 'tcp', port })).verdict
    const until = async (verdict: string): Promise<number> => {
      const began = performance.now()
      while ((await reaches(8001)) !== verdict) {
        expect(performance.now() - began).toBeLessThan(PATIENCE_MS)
        await setTimeout(20)
      }
      return performance.now() - began
    }
    await using limits = await ContainerLimits.create(LIMITS)
    const report: string[] = []
    // The second takes over what the first left, as after an upgrade: it lists all before it writes.
    for (const what of ['started', 'started again']) {
      const began = performance.now()
      await using daemon = await node.startDaemon(limits.command)
      await daemon.ready(PATIENCE_MS)
      const ready = performance.now() - began
      // The client is of tier t0, which may go to port 8000 and nowhere else.
      expect([await reaches(8000), await reaches(8001)]).toEqual(['open', 'blocked'])
      await node.apply(allowing(1, ['t0', 't1']))
      const opened = await until('open')
      await node.apply(allowing(1, ['t1']))
      const closed = await until('blocked')
      expect(await reaches(8000)).toBe('open')
      await daemon.ready(PATIENCE_MS)
      const anonymous = await limits.anonymousMiB()
      report.push(
        `${what}: ready after ${seconds(ready)}, edits enforced after ${seconds(opened)} and ${seconds(closed)}, ${anonymous.toFixed(0)} MiB not of files`,
      )
      expect(daemon.exitCode).toBeNull()
      await daemon.stop()
    }
    report.push(`peak, files included, ${(await limits.peakMiB()).toFixed(0)} MiB`)
    console.log(`150 MiB, 100m CPU, ${PODS} pods | ${report.join(' | ')}`)
    expect(await limits.kills()).toBe(0)
  },
  4 * PATIENCE_MS,
)

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
