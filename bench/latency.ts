/** From a policy being saved to the first packet that is dropped for it: one pod, 10 policies, 2,000 packets/s. */
import { DaemonProcess } from '../test/daemon.ts'
import { ninePolicies } from '../test/full-node.ts'
import { Lab } from '../test/lab/lab.ts'
import type { Stream } from '../test/lab/stream.ts'
import { type KubeObject, Manifests, networkObject, podObject, policyObject } from '../test/manifests.ts'
import type { Figure, Goal } from './figures.ts'
import { BareNft } from './yardstick.ts'

export const WRITERS = ['library', 'process'] as const
export type Writer = (typeof WRITERS)[number]

const ROUNDS = 4
const SAMPLES = 15
/** So that no sample is a daemon's first edit. */
const WARM_UP = 2
const NS_PER_MS = 1e6
const GOALS: Readonly<Record<Writer, Goal | undefined>> = {
  library: { kind: 'at most', p50: 0.25, p99: 0.75 },
  process: undefined,
}

export async function latency(): Promise<readonly Figure[]> {
  await using lab = await Lab.create('bench')
  await using manifests = await Manifests.create()
  const [server, client] = await lab.segmentWith('red', ['server', 'client'])
  const pods = [server, client].map((pod) => podObject(pod, { labels: { app: pod.name } }))
  await manifests.save('cluster', [networkObject('default', 'red'), ...pods, ...ninePolicies()])
  await manifests.save('policy', [policy(false)])
  const bare = new BareNft(server, manifests.directory, 'default/server')
  const spec = { from: client, to: server.address(4), port: 80, packetsPerSecond: 2_000 }
  const stream = await lab.stream({ ...spec, protocol: 'udp' })
  const samples: Readonly<Record<Writer, number[]>> = { library: [], process: [] }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const writer of WRITERS) samples[writer].push(...(await oneRound(writer, manifests, stream)))
    bare.take(SAMPLES)
    await bare.takeFloor(SAMPLES)
  }
  await stream.stop()
  const yardstick = { name: 'Y', samples: bare.samples, times: 1 }
  return [
    { name: 'Y: a bare nsenter … nft -f - of 10 policies', unit: 'ms', samples: bare.samples },
    { name: 'the floor: libnftables held open', unit: 'ms', samples: bare.floor, yardstick },
    ...WRITERS.map((writer): Figure => {
      const goal = GOALS[writer]
      const name = `manifest saved → first packet dropped, one pod, writer ${writer}`
      return { name, unit: 'ms', samples: samples[writer], yardstick, ...(goal && { goal }) }
    }),
  ]
}

async function oneRound(writer: Writer, manifests: Manifests, stream: Stream): Promise<readonly number[]> {
  await using daemon = await DaemonProcess.start([
    `--manifests=${manifests.directory}`,
    '--hostname-override=bench',
    `--nft-writer=${writer}`,
  ])
  await daemon.ready()
  const samples: number[] = []
  for (let sample = -WARM_UP; sample < SAMPLES; sample += 1) {
    const allowed = await manifests.save('policy', [policy(true)])
    await stream.until('passed', { after: allowed })
    const saved = await manifests.save('policy', [policy(false)])
    const dropped = await stream.until('lost', { after: saved })
    if (sample >= 0) samples.push((dropped - saved) / NS_PER_MS)
  }
  return samples
}

function policy(open: boolean): KubeObject {
  return policyObject('default', 'edited', 'red', {
    podSelector: { matchLabels: { app: 'server' } },
    ingress: open
      ? [
          {
            from: [{ podSelector: { matchLabels: { app: 'client' } } }],
            ports: [{ protocol: 'UDP', port: 80 }],
          },
        ]
      : [],
  })
}
