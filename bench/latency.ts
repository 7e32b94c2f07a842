/** From a policy being saved to the first packet that is dropped for it: one pod, 10 policies, 5,000 packets/s. */
import { DaemonProcess } from '../test/daemon.ts'
import { Lab } from '../test/lab/lab.ts'
import { type KubeObject, Manifests, networkObject, podObject, policyObject } from '../test/manifests.ts'
import type { Figure } from './figures.ts'
import { BareNft } from './yardstick.ts'

const SAMPLES = 60
const NS_PER_MS = 1e6

export async function latency(): Promise<readonly Figure[]> {
  await using lab = await Lab.create('bench')
  await using manifests = await Manifests.create()
  await lab.segment('red')
  const [server, client] = await lab.addPods(
    ['server', 'client'].map((name, index) => ({
      name,
      attachments: [{ segment: 'red', interface: 'net1', addresses: [`10.1.0.${index + 1}/24`] }],
    })),
  )
  if (server === undefined || client === undefined) throw new Error('no pods')
  const pods = [server, client].map((pod) => podObject(pod, { labels: { app: pod.name } }))
  await manifests.save('cluster', [networkObject('default', 'red'), ...pods, ...others()])
  await manifests.save('policy', [policy(false)])
  await using daemon = await DaemonProcess.start([
    `--manifests=${manifests.directory}`,
    '--hostname-override=bench',
  ])
  await daemon.ready()
  const bare = new BareNft(server, manifests.directory, 'default/server')
  await using stream = await lab
    .stream({ from: client, to: server.address(4), protocol: 'udp', port: 80, packetsPerSecond: 5_000 })
    .then((each) => Object.assign(each, { [Symbol.asyncDispose]: async () => void (await each.stop()) }))
  const samples: number[] = []
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const allowed = await manifests.save('policy', [policy(true)])
    await stream.until('passed', { after: allowed })
    const saved = await manifests.save('policy', [policy(false)])
    const dropped = await stream.until('lost', { after: saved })
    samples.push((dropped - saved) / NS_PER_MS)
    bare.take()
    await manifests.save('nothing', [])
  }
  return [
    {
      name: 'manifest saved → first packet dropped, one pod',
      unit: 'ms',
      samples,
      yardstick: { name: 'Y', samples: bare.samples, times: 1 },
    },
  ]
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

/** Nine more policies on the pod, as in the rulesets of the other figures. */
export function others(): readonly KubeObject[] {
  return Array.from({ length: 9 }, (_, index) =>
    policyObject('default', `other-${index}`, 'red', {
      podSelector: {},
      ingress: [
        {
          from: [
            { podSelector: { matchLabels: { tier: `t${index}` } } },
            { ipBlock: { cidr: `10.9${index}.0.0/16`, except: [`10.9${index}.1.0/24`] } },
          ],
          ports: [{ port: 8000 + index }],
        },
      ],
    }),
  )
}
