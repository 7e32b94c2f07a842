/** What users ask for when something is denied: which pod, which interface, from where to where, and that no policy allows it. */
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DaemonProcess, type LogLine, MNPD } from '../daemon.ts'
import { Lab } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'
import { Manifests, networkObject, podObject, policyObject } from '../manifests.ts'

let lab: Lab
let manifests: Manifests
let daemon: DaemonProcess
let [loud, quiet, client]: Pod[] = []

const namespace = (annotations: object) => ({
  kind: 'Namespace',
  apiVersion: 'v1',
  metadata: { name: 'loud', annotations },
})

describe.each(['nftables', 'iptables'])('%s', (backend) => {
  beforeAll(async () => {
    lab = await Lab.create('droplog')
    await lab.segment('red')
    const pods = await lab.addPods(
      ['loud', 'quiet', 'client'].map((name, index) => ({
        name,
        attachments: [
          {
            segment: 'red',
            interface: name === 'loud' ? 'tcp' : 'net1',
            addresses: [`10.1.0.${index + 1}/24`, `fd00:1::${index + 1}/64`],
          },
        ],
      })),
    )
    ;[loud, quiet, client] = pods
    manifests = await Manifests.create()
    await manifests.save('cluster', [
      networkObject('x', 'red'),
      ...pods.map((pod) => podObject(pod, { namespace: pod.name, networks: { red: 'x/red' } })),
      policyObject('loud', 'deny', 'x/red', { podSelector: {} }),
      policyObject('quiet', 'deny', 'x/red', { podSelector: {} }),
    ])
    await manifests.save('namespace', [namespace({ 'multi-networkpolicyd/log-drops': 'true' })])
    daemon = await DaemonProcess.start([
      `--manifests=${manifests.directory}`,
      '--hostname-override=n1',
      '--log-level=debug',
      `--backend=${backend}`,
    ])
    await daemon.ready()
  })
  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]()
    await manifests?.[Symbol.asyncDispose]()
    await lab?.[Symbol.asyncDispose]()
  })

  const send = async (to: string, port: number) =>
    (await lab.probe({ from: client as Pod, to, protocol: 'udp', port })).verdict

  const drops = (): readonly LogLine[] => daemon.log.filter(({ msg }) => msg.includes('dropped'))

  test('a drop is logged with pod, interface, direction, addresses and port, where the namespace asks for it', async () => {
    expect(await send('10.1.0.2', 53)).toBe('blocked')
    expect(await send('10.1.0.1', 53)).toBe('blocked')
    expect(await send('fd00:1::1', 54)).toBe('blocked')
    const line = await daemon.logged(/dropped UDP \[fd00:1::3\]:\d+ → \[fd00:1::1\]:54: no policy allows it/)
    expect(line).toMatchObject({
      level: 'info',
      object: 'loud/loud',
      interface: 'tcp',
      direction: 'ingress',
      source: 'fd00:1::3',
      destination: 'fd00:1::1',
      protocol: 'UDP',
      destinationPort: 54,
    })
    await daemon.logged(/loud\/loud tcp ingress: dropped UDP 10\.1\.0\.3:\d+ → 10\.1\.0\.1:53/)
    expect(drops().filter(({ object }) => object === 'quiet/quiet')).toEqual([])
    const audit = [`--manifests=${manifests.directory}`, '--hostname-override=n1', `--backend=${backend}`]
    expect((await execa(MNPD, ['audit', ...audit])).stdout).toContain('loud/loud: as it should be')
  })

  test('a flood of packets is no flood of lines', async () => {
    const stream = await lab.stream({
      from: client as Pod,
      to: '10.1.0.1',
      protocol: 'udp',
      port: 99,
      packetsPerSecond: 1_000,
    })
    await daemon.logged(/:99: no policy/)
    await stream.stop()
    expect(drops().length).toBeLessThan(25)
  })

  test('it ends when the namespace no longer asks for it', async () => {
    const seen = daemon.log.length
    await manifests.save('namespace', [namespace({})])
    await daemon.settled(seen)
    for (const pod of [loud as Pod, quiet as Pod]) {
      expect(await pod.run(['nft', 'list', 'ruleset'])).not.toContain('log prefix')
      expect(await pod.run(['iptables-save'])).not.toContain('NFLOG')
    }
  })
})
