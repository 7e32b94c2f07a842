/** From the start of the process to 110 pods with 10 policies each enforced, Node's own start apart. */
import { spawnSync } from 'node:child_process'
import { DaemonProcess } from '../test/daemon.ts'
import { Lab } from '../test/lab/lab.ts'
import type { Pod } from '../test/lab/pod.ts'
import { type KubeObject, Manifests, networkObject, podObject, policyObject } from '../test/manifests.ts'
import type { Figure } from './figures.ts'
import { others } from './latency.ts'
import { BareNft, residentMemory } from './yardstick.ts'

export const LOCAL_PODS = 110
const SAMPLES = 5

export async function start(): Promise<readonly Figure[]> {
  await using lab = await Lab.create('start')
  await using manifests = await Manifests.create()
  const pods = await manyPods(lab)
  await manifests.save('cluster', [
    networkObject('default', 'red'),
    ...pods.map((pod) => podObject(pod)),
    ...tenPolicies(),
  ])
  const [first] = pods
  if (first === undefined) throw new Error('no pods')
  const bare = new BareNft(first, manifests.directory, `default/${first.name}`)
  const fresh: number[] = []
  const again: number[] = []
  const memory: number[] = []
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    await Promise.all(pods.map((pod) => pod.run(['nft', 'flush', 'ruleset'])))
    fresh.push((await timeToReady(manifests, pods, memory)) - nodeStart())
    again.push((await timeToReady(manifests, pods, memory)) - nodeStart())
    for (let time = 0; time < 10; time += 1) bare.take()
  }
  const yardstick = { name: 'Y', samples: bare.samples, times: LOCAL_PODS }
  return [
    {
      name: `process start → ${LOCAL_PODS} pods × 10 policies enforced, nothing there before`,
      unit: 'ms',
      samples: fresh,
      yardstick,
    },
    { name: `process start → the same, all there from before`, unit: 'ms', samples: again, yardstick },
    { name: `resident memory with ${LOCAL_PODS} pods from manifests`, unit: 'MiB', samples: memory },
  ]
}

export async function manyPods(lab: Lab): Promise<readonly Pod[]> {
  await lab.segment('red')
  return lab.addPods(
    Array.from({ length: LOCAL_PODS }, (_, index) => ({
      name: `p${index}`,
      attachments: [{ segment: 'red', interface: 'net1', addresses: [`10.1.0.${index + 1}/16`] }],
    })),
  )
}

export function tenPolicies(): readonly KubeObject[] {
  return [policyObject('default', 'deny', 'red', { podSelector: {} }), ...others()]
}

/** ms; checks that what is called enforced stands in the kernel. */
async function timeToReady(manifests: Manifests, pods: readonly Pod[], memory: number[]): Promise<number> {
  const began = performance.now()
  await using daemon = await DaemonProcess.start([
    `--manifests=${manifests.directory}`,
    '--hostname-override=bench',
  ])
  await daemon.ready(60_000)
  const took = performance.now() - began
  memory.push(residentMemory(daemon.pid))
  const tables = await Promise.all(pods.map((pod) => pod.run(['nft', 'list', 'tables'])))
  const without = tables.filter((text) => !text.includes('inet multi_networkpolicy')).length
  if (without > 0) throw new Error(`ready, and ${without} pods have no rules`)
  return took
}

function nodeStart(): number {
  const began = performance.now()
  spawnSync(process.execPath, ['-e', '0'])
  return performance.now() - began
}
