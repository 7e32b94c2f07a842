/**
 * Root in a pod's own network namespace, with all that nft can do there, and namespaces that come and go under the same
 * number: whoever it is may harm its own pod, which it could anyhow, but the daemon goes on, says what is wrong, puts rules
 * back, and serves the other pods.
 */
import { execa } from 'execa'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DaemonProcess, type LogLine } from '../daemon.ts'
import { until } from '../lab/clock.ts'
import { Lab } from '../lab/lab.ts'
import { makeUnderNumber, netnsNumber } from '../lab/netns-number.ts'
import type { Pod } from '../lab/pod.ts'
import { type KubeObject, Manifests, networkObject, podObject, policyObject } from '../manifests.ts'
import { BACKENDS, rulesOf } from './no-gap/backends.ts'

let lab: Lab
let root: Pod
let honest: Pod
let manifests: Manifests
let daemon: DaemonProcess | undefined

beforeAll(async () => {
  lab = await Lab.create('root')
  ;[root, honest] = await lab.segmentWith('red', ['root', 'honest'])
})
afterAll(async () => await lab?.[Symbol.asyncDispose]())

beforeEach(async () => {
  manifests = await Manifests.create()
  const pods = [root, honest].map((pod) => podObject(pod, { namespace: 'x', networks: { red: 'x/red' } }))
  await manifests.save('cluster', [networkObject('x', 'red'), ...pods])
})
afterEach(async () => {
  await daemon?.[Symbol.asyncDispose]()
  for (const pod of [root, honest]) await pod.run(['nft', 'flush', 'ruleset'])
  await manifests?.[Symbol.asyncDispose]()
})

async function start(...flags: readonly string[]): Promise<DaemonProcess> {
  const common = [`--manifests=${manifests.directory}`, '--hostname-override=n1', '--log-level=debug']
  daemon = await DaemonProcess.start([...common, ...flags])
  await daemon.ready()
  return daemon
}

const deny = (version = 1): KubeObject => {
  const from = [{ ipBlock: { cidr: `192.0.2.${version}/32` } }]
  return policyObject('x', 'deny', 'red', { podSelector: {}, ingress: [{ from }] })
}

describe.each(BACKENDS)('%s', (backend) => {
  const FORGED = {
    nftables: ['nft', 'table inet multi_networkpolicy { chain mnpd { return comment "pod x/honest"; }; }'],
    iptables: [
      'iptables-restore',
      '*filter\n:MULTI-MNPD -\n-A MULTI-MNPD -m comment --comment "pod x/honest" -j RETURN\nCOMMIT\n',
    ],
  } as const

  test('who writes another pod’s name into its own rules is governed all the same', async () => {
    const [command, forged] = FORGED[backend]
    await root.run(command === 'nft' ? [command, '-f', '-'] : [command, '--noflush'], forged)
    await manifests.save('policy', [deny()])
    await start('--sync-period=1', `--backend=${backend}`)
    expect(await rulesOf(root, backend)).toContain('no policy allows it')
    expect(await rulesOf(root, backend)).toContain('pod x/root')
    expect(await rulesOf(honest, backend)).toContain('no policy allows it')
  })
})

describe('what root sends to the group of the drop log', () => {
  const linesOf = ({ log }: DaemonProcess): readonly LogLine[] =>
    log.filter(({ msg }) => msg.includes('dropped'))

  /** Sends thousands of messages by a rule of its own, until the daemon has told of some, and goes on with its work. */
  async function flood(hook: string, prefix: string): Promise<DaemonProcess> {
    await manifests.save('policy', [deny()])
    const running = await start('--log-drops')
    const rule = `log prefix "${prefix}" group 9453;`
    const script = `table inet mine { chain c { type filter hook ${hook} priority -10; ${rule} }; }`
    await root.run(['nft', '-f', '-'], script)
    await root.run(['sh', '-c', 'ip link set lo up; ping -q -f -c 20000 127.0.0.1 >/dev/null'])
    await running.logged(/^x\/root: [0-9]+ messages to log group 9453 are not told of/)
    await manifests.save('policy', [deny(2)])
    const enforced = async () => (await rulesOf(honest, 'nftables')).includes('192.0.2.2') || undefined
    await until('an edit is enforced', 10_000, enforced)
    return running
  }

  test('is few lines, even if it looks like what our rules send', async () => {
    const running = await flood('input', 'ingress net1')
    expect(linesOf(running).length).toBeGreaterThan(0)
    expect(linesOf(running).length).toBeLessThanOrEqual(100)
    const counts = running.log.map((line) => Number('messages' in line ? line.messages : 0))
    expect(counts.reduce((sum, count) => sum + count)).toBeGreaterThan(100)
  })

  test.each([
    ['another interface', 'input', 'ingress net2'],
    ['an interface that no nft can say', 'input', 'ingress /0a1b'],
    ['another direction', 'output', 'egress net1'],
    ['another place in the packet’s path', 'output', 'ingress net1'],
    ['no prefix of ours', 'input', 'x/honest net1 ingress: dropped'],
  ])('is not told as ours: %s', async (_, hook, prefix) => {
    expect(linesOf(await flood(hook, prefix))).toEqual([])
  })
})

describe('a namespace that ends', () => {
  let netns: string
  let name: string

  const make = async (): Promise<unknown> => await execa('ip', ['netns', 'add', name])
  /** Its other end is in `honest`'s namespace. */
  const addLink = async (): Promise<unknown> => {
    const peer = ['peer', 'name', 'other', 'netns', honest.netnsName]
    return await execa('ip', ['-n', name, 'link', 'add', 'net1', 'type', 'veth', ...peer])
  }
  const remove = async (): Promise<unknown> => await execa('ip', ['netns', 'delete', name])
  const table = async (): Promise<string> =>
    (await execa('ip', ['netns', 'exec', name, 'nft', 'list', 'ruleset'])).stdout
  const otherEnd = async (): Promise<boolean> => (await honest.run(['ip', 'link', 'show'])).includes('other@')

  beforeEach(async () => {
    name = `${lab.prefix}anew`
    netns = `/run/netns/${name}`
    const status = JSON.stringify([{ name: 'x/red', interface: 'net1' }])
    const annotations = { 'k8s.v1.cni.cncf.io/network-status': status, 'multi-networkpolicyd/netns': netns }
    const metadata = { name: 'anew', namespace: 'x', annotations }
    await manifests.save('anew', [{ kind: 'Pod', metadata, spec: { containers: [] } }])
    await manifests.save('policy', [deny()])
  })
  const linkGone = async (): Promise<unknown> =>
    await until('its link is gone', 20_000, async () => !(await otherEnd()) || undefined)
  afterEach(async () => {
    await remove().catch(() => undefined)
    await linkGone()
  })

  /** Waits until it has been looked at again from now on, so that it is known what stands in which generation. */
  const known = async ({ log }: DaemonProcess): Promise<unknown> => {
    const before = log.length
    return await until('it has been looked at again', 30_000, async () => {
      return log.slice(before).filter(({ msg }) => msg === 'x/anew: as desired').length > 1 || undefined
    })
  }

  test('and is made anew under the same number gets its rules, whatever was committed in it before', async () => {
    const running = await start('--sync-period=2')
    const isMadeAnew = async (): Promise<boolean> => {
      await make()
      await addLink()
      await known(running)
      const number = await netnsNumber(name)
      await remove()
      await linkGone()
      return await makeUnderNumber(name, number)
    }
    // Where somebody else got the number, from the beginning.
    while (!(await isMadeAnew()));
    await addLink()
    // One commit, as an init container's may be: the generation is that of before.
    await execa('ip', ['netns', 'exec', name, 'nft', 'add', 'table', 'ip', 'x'])
    const enforced = async () => (await table()).includes('no policy allows it') || undefined
    await until('its rules stand', 10_000, enforced)
  }, 120_000)

  test('is not kept alive by the drop log, nor are its links', async () => {
    await make()
    await addLink()
    await known(await start('--sync-period=1', '--log-drops'))
    await remove()
    await linkGone()
  })
})
