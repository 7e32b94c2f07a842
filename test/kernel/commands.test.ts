/** The commands as users call them: the bundle, its exit codes, its one line for a wrong call, YAML as people write it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MNPD } from '../daemon.ts'

const CLUSTER = `
kind: MultiNetworkPolicy
apiVersion: k8s.cni.cncf.io/v1beta1
metadata: {name: web, namespace: shop, annotations: {k8s.v1.cni.cncf.io/policy-for: blue}}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: db}}}]
    ports: [{port: 80}]
  - from: [{ipBlock: {cidr: 'fd00::/64'}}]
---
kind: NetworkAttachmentDefinition
apiVersion: k8s.cni.cncf.io/v1
metadata: {name: blue, namespace: shop}
spec: {config: '{"type": "macvlan"}'}
---
kind: Pod
apiVersion: v1
metadata:
  name: web
  namespace: shop
  labels: {app: web}
  annotations: {k8s.v1.cni.cncf.io/network-status: '[{"name": "blue", "interface": "net1", "ips": ["10.1.0.1", "fd00::1"]}, {"name": "red", "interface": "net2", "ips": ["10.2.0.1"]}]'}
---
kind: Pod
apiVersion: v1
metadata: {name: db, namespace: shop, labels: {app: db}, annotations: {k8s.v1.cni.cncf.io/network-status: '[{"name": "blue", "interface": "net1", "ips": ["10.1.0.2", "fd00::2"]}, {"name": "red", "interface": "net2", "ips": ["10.2.0.2"]}]'}}
---
kind: Pod
apiVersion: v1
metadata: {name: other, namespace: shop, annotations: {k8s.v1.cni.cncf.io/network-status: '[{"name": "blue", "interface": "net1", "ips": ["10.1.0.3", "fd00::3"]}]'}}
`

/** With an interface that is told to be on two networks. */
const FORGED = `${CLUSTER}---
kind: Pod
apiVersion: v1
metadata: {name: forger, namespace: shop, labels: {app: web}, annotations: {k8s.v1.cni.cncf.io/network-status: '[{"name": "blue", "interface": "net1", "ips": ["10.1.0.4"]}, {"name": "red", "interface": "net1", "ips": ["10.1.0.4"]}]'}}
`

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'commands-'))
  await writeFile(join(directory, 'cluster.yaml'), CLUSTER)
})
afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

/** @returns exit code, standard output, and standard error, trimmed */
async function mnpd(
  ...args: readonly string[]
): Promise<readonly [code: number | undefined, out: string, err: string]> {
  const { exitCode, stdout, stderr } = await execa(MNPD, args, { reject: false, env: { NODE_NAME: 'n1' } })
  return [exitCode, stdout, stderr]
}

const onCluster = (command: string, ...args: readonly string[]) =>
  mnpd(command, `--manifests=${directory}`, ...args)
const explain = (from: string, to: string, port: string, ...args: readonly string[]) =>
  onCluster('explain', `--from=${from}`, `--to=${to}`, `--port=${port}`, ...args)

test('a command that comes to no end, though nothing is left to be done, is no success', async () => {
  const hang = join(directory, 'hang.cjs')
  await writeFile(hang, 'Promise.prototype.then = () => undefined')
  const env = { NODE_OPTIONS: `--require=${hang}` }
  const { exitCode, stdout } = await execa(MNPD, ['version'], { reject: false, env })
  expect([exitCode, stdout]).toEqual([2, expect.stringMatching(/^\d+\./)])
})

describe('mnpd compile', () => {
  test('prints one pod as text that nft loads as it is', async () => {
    const [code, text, err] = await onCluster('compile', '--pod=shop/web')
    expect([code, err]).toEqual([0, ''])
    const netns = `mnpd-commands-${process.pid}`
    await execa('ip', ['netns', 'add', netns])
    try {
      await writeFile(join(directory, 'web.nft'), text)
      await execa('ip', ['netns', 'exec', netns, 'nft', '-f', join(directory, 'web.nft')])
      const { stdout } = await execa('ip', [
        'netns',
        'exec',
        netns,
        'nft',
        'list',
        'table',
        'inet',
        'multi_networkpolicy',
      ])
      expect(stdout).toContain(
        'ip saddr @policy-0-ingress-0-pods-v4 tcp dport 80 counter packets 0 bytes 0 accept comment "shop/web ingress[0]"',
      )
    } finally {
      await execa('ip', ['netns', 'del', netns])
    }
  })

  test('prints all as JSON, with the Issues', async () => {
    const [code, out] = await onCluster('compile', '--output=json')
    const { pods, issues } = JSON.parse(out) as {
      pods: { pod: string; ruleset: unknown }[]
      issues: unknown[]
    }
    expect(code).toBe(0)
    expect(pods.map(({ pod, ruleset }) => [pod, ruleset !== null])).toEqual([
      ['shop/db', false],
      ['shop/other', false],
      ['shop/web', true],
    ])
    expect(issues).toEqual([])
  })
})

describe('mnpd explain', () => {
  test('names the rule that allows', async () => {
    const [code, out] = await explain('shop/db/net1', 'shop/web', '80/TCP')
    expect([code, out]).toEqual([
      0,
      `allow: shop/db/net1 to shop/web/net1 port 80/TCP
  egress allowed at shop/db/net1: no policy isolates it
  ingress allowed at shop/web/net1: policy shop/web (for shop/blue), ingress[0]`,
    ])
  })

  test('names what came nearest to allowing, and ends with 1', async () => {
    const [code, out] = await explain('shop/other', 'shop/web', '81/TCP', '--family=4')
    expect(code).toBe(1)
    expect(out).toContain('deny: shop/other/net1 to shop/web/net1 port 81/TCP')
    expect(out).toContain('isolated by shop/web (for shop/blue), and no rule allows it')
    expect(out).toContain('nearest: shop/web ingress[1], which lacks the peer')
  })

  test('says of an interface that is told to be on several networks what none of its policies is for', async () => {
    const manifests = await mkdtemp(join(directory, 'forged-'))
    await writeFile(join(manifests, 'cluster.yaml'), FORGED)
    const args = [`--manifests=${manifests}`, '--from=10.1.0.2', '--to=shop/forger', '--port=80/TCP']
    const [code, out] = await mnpd('explain', ...args)
    expect([code, out]).toEqual([
      1,
      `deny: shop/db/net1 to shop/forger/net1 port 80/TCP
  egress allowed at shop/db/net1: no policy isolates it
  ingress denied at shop/forger/net1: isolated by shop/web (for shop/blue), and no rule allows it
    it is told to be on shop/blue and shop/red: only policies for all of these allow anything on it
    nearest: shop/web ingress[0], which lacks the network
    nearest: shop/web ingress[1], which lacks the network and the peer
  ! Pod shop/forger: metadata.annotations[k8s.v1.cni.cncf.io/network-status] "net1": told to be on shop/blue and shop/red; an interface is on one network, so only policies for all that it is told to be on allow anything on it`,
    ])
    const json = JSON.parse((await mnpd('explain', ...args, '--output=json'))[1])
    expect(json.ingress.toldToBeOn).toEqual(['shop/blue', 'shop/red'])
  })

  test('says mixed where the families differ, in JSON too', async () => {
    const [code, out] = await explain('shop/other', 'shop/web', '81/TCP', '--output=json')
    const { verdict, ingress, egress } = JSON.parse(out) as {
      verdict: string
      ingress: { verdict: string }
      egress: { verdict: string; policy: null }
    }
    expect([code, verdict, ingress.verdict, egress.verdict, egress.policy]).toEqual([
      1,
      'mixed',
      'mixed',
      'allow',
      null,
    ])
  })

  test('takes addresses, of pods and of strangers, and icmp', async () => {
    expect((await explain('10.1.0.2', 'shop/web/net1', '80/tcp'))[0]).toBe(0)
    expect((await explain('10.9.9.9', 'shop/web/net1', '80/TCP'))[0]).toBe(1)
    expect((await explain('fd00::99', '10.1.0.1', 'icmp'))[0]).toBe(2)
    expect((await explain('fd00::99', 'fd00::1', 'icmp'))[0]).toBe(0)
  })

  test('asks for an interface where more than one pair fits', async () => {
    const [code, , err] = await explain('10.9.9.9', 'shop/web', '80/TCP')
    expect(code).toBe(2)
    expect(err).toBe(
      'mnpd: 10.9.9.9 and shop/web have more than one interface that fits; expected one of 10.9.9.9, shop/web/net1, shop/web/net2',
    )
  })
})

test('mnpd matrix lists what passes between every pair of a network', async () => {
  const [code, out] = await onCluster('matrix')
  expect(code).toBe(0)
  expect(out).toContain(
    `shop/blue IPv4
from \\ to        shop/db/net1  shop/other/net1  shop/web/net1
shop/db/net1                   all              TCP/80
shop/other/net1  all                            -
shop/web/net1    all           all`,
  )
  const [, html] = await onCluster('matrix', '--output=html', '--port=80/TCP')
  expect(html).toContain(
    '<tr><th>shop/other/net1</th><td class="all">all</td><td class=""></td><td class="none">-</td></tr>',
  )
})

describe('a wrong call ends with 2 and one line that says what was expected', () => {
  const calls: readonly (readonly [args: readonly string[], line: string])[] = [
    [
      [],
      'mnpd: no command; expected run, compile, explain, matrix, audit, cleanup, gate or version; see mnpd help',
    ],
    [
      ['enforce'],
      'mnpd: unknown command "enforce"; expected run, compile, explain, matrix, audit, cleanup, gate or version; see mnpd help',
    ],
    [['--frobnicate'], 'mnpd: unknown flag --frobnicate; expected one of those that --help lists'],
    [
      ['run', '--manifests=/no/such/directory'],
      "mnpd: --manifests: ENOENT: no such file or directory, scandir '/no/such/directory'; expected a directory that can be read",
    ],
    [
      ['run', '--manifests=/tmp', '--sync-period=often'],
      'mnpd: --sync-period: bad value "often"; expected a whole number from 1 to 2000000',
    ],
    [
      ['run', '--manifests=/tmp', '--container-runtime-endpoint=relative'],
      'mnpd: --container-runtime-endpoint: bad value "relative"; expected the path of a unix socket',
    ],
    [
      ['run', '--manifests=/tmp', '--bind-address=here'],
      'mnpd: --bind-address: bad value "here"; expected HOST:PORT such as 127.0.0.1:9453',
    ],
    [
      ['run', '--manifests=/tmp', '--bind-address=192.0.2.1:80'],
      'mnpd: --bind-address: listen EADDRNOTAVAIL: address not available 192.0.2.1:80; expected an address that is free',
    ],
    [
      ['compile', '--manifests=/tmp', '--kubeconfig=/tmp/x'],
      'mnpd: --manifests and --kubeconfig or --master are both given; expected one source',
    ],
    [
      ['explain', '--manifests=/tmp', '--from=a/b', '--to=c/d'],
      'mnpd: --port is missing; expected --port=80/TCP or icmp',
    ],
  ]
  for (const [args, line] of calls) {
    test(`mnpd ${args.join(' ')}`, async () => {
      const [code, out, err] = await mnpd(...args)
      expect([code, out, err.split('\n').at(-1)]).toEqual([2, '', line])
    })
  }

  test('a kubeconfig that is not there, and no configuration at all', async () => {
    const [code, , err] = await mnpd('run', '--kubeconfig=/no/such/file')
    expect(code).toBe(2)
    expect(err.split('\n').at(-1)).toMatch(/^mnpd: .*\/no\/such\/file.*; expected /)
    expect((await mnpd('run'))[0]).toBe(2)
  })
})
