/** The custom rule files through the daemon: before the policies, live, and never at the price of what is enforced. */
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DaemonProcess, MNPD } from '../daemon.ts'
import { Lab } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'
import { Manifests, networkObject, podObject, policyObject } from '../manifests.ts'

let lab: Lab
let manifests: Manifests
let daemon: DaemonProcess
let rules: string
let [server, client]: Pod[] = []

beforeAll(async () => {
  lab = await Lab.create('custom')
  await lab.segment('red')
  const pods = await lab.addPods(
    ['server', 'client'].map((name, index) => ({
      name,
      attachments: [
        {
          segment: 'red',
          interface: 'net1',
          addresses: [`10.1.0.${index + 1}/24`, `fd00:1::${index + 1}/64`],
        },
      ],
    })),
  )
  ;[server, client] = pods
  await server?.serve({ tcp: [80, 81], udp: [80] })
  manifests = await Manifests.create()
  rules = await mkdtemp(join(tmpdir(), 'rules-'))
  await configMap('1', { 'v4.txt': '# nothing yet\n', 'v6.txt': '' })
  await manifests.save('cluster', [
    networkObject('x', 'red'),
    ...pods.map((pod) => podObject(pod, { namespace: 'x', networks: { red: 'x/red' } })),
    // Both directions are isolated, so that replies are judged too.
    policyObject('x', 'deny', 'red', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }),
  ])
  daemon = await DaemonProcess.start([
    ...cluster(),
    `--custom-v4-ingress-rule-file=${rules}/v4.txt`,
    `--custom-v4-egress-rule-file=${rules}/v4.txt`,
    `--custom-v6-ingress-rule-file=${rules}/v6.txt`,
    `--custom-v6-egress-rule-file=${rules}/v6.txt`,
    '--log-level=debug',
  ])
  await daemon.ready(60_000)
})
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]()
  await manifests?.[Symbol.asyncDispose]()
  await lab?.[Symbol.asyncDispose]()
  await rm(rules, { recursive: true, force: true })
})

const cluster = () => [`--manifests=${manifests.directory}`, '--hostname-override=n1']

/** As the kubelet writes a ConfigMap's volume: a new directory, and the link `..data` that is swapped. */
async function configMap(version: string, files: Readonly<Record<string, string>>): Promise<void> {
  const directory = join(rules, `..${version}`)
  await mkdir(directory)
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(directory, name), text)
    await symlink(join('..data', name), join(rules, name)).catch(() => undefined)
  }
  await symlink(`..${version}`, join(rules, '..data.new'))
  await rename(join(rules, '..data.new'), join(rules, '..data'))
}

/** What passes from the client to the server: TCP 80, TCP 81, UDP 80 and ping, over IPv4 and then IPv6. */
async function passing(): Promise<string> {
  const results = await lab.probeAll(
    ([4, 6] as const).flatMap((family) =>
      (
        [
          ['tcp', 80],
          ['tcp', 81],
          ['udp', 80],
          ['icmp', 0],
        ] as const
      ).map(([protocol, port]) => ({
        from: client as Pod,
        to: (server as Pod).address(family),
        protocol,
        port,
      })),
    ),
  )
  return results.map(({ verdict }) => (verdict === 'open' ? '✓' : '✗')).join('')
}

async function eventually(expected: string): Promise<void> {
  await daemon.until(`what passes is ${expected}`, async () => (await passing()) === expected, 40_000)
}

test('what the files accept passes although the policies deny it, replies included', async () => {
  expect(await passing()).toBe('✗✗✗✗✗✗✗✗')
  await configMap('2', {
    'v4.txt': '# web\n\n-p tcp --dport 80 -j ACCEPT\n-p icmp -j ACCEPT\n',
    'v6.txt': 'icmpv6 type { echo-request, echo-reply } accept\n',
  })
  await eventually('✓✗✗✓✗✗✗✓')
})

test('a bad line is named, and the last good version of its file stays', async () => {
  await configMap('3', {
    'v4.txt': '-p tcp --dport 81 -j ACCEPT\n-p tcp --dport 80 -j EVERYWHERE\n',
    'v6.txt': '-p tcp --dport 81 -j ACCEPT\n',
  })
  const named = await daemon.logged(
    /v4\.txt: line 2 "-p tcp --dport 80 -j EVERYWHERE": 'EVERYWHERE' of -j is no target/,
  )
  expect(named.level).toBe('warn')
  await eventually('✓✗✗✓✗✓✗✗')
})

test('what comes first counts, and files that are empty again change nothing any more', async () => {
  await configMap('4', {
    'v4.txt': '-p tcp --dport 80 -j DROP\n-p tcp -j ACCEPT\n',
    'v6.txt': '',
  })
  await eventually('✗✓✗✗✗✗✗✗')
  await configMap('5', { 'v4.txt': '', 'v6.txt': '' })
  await eventually('✗✗✗✗✗✗✗✗')
})

test('the commands know them, and a file that is not there is a wrong call', async () => {
  await writeFile(join(rules, 'own.txt'), '-p tcp --dport 80 -j ACCEPT\n')
  const compiled = await execa(MNPD, [
    'compile',
    ...cluster(),
    '--pod=x/server',
    `--custom-v4-ingress-rule-file=${rules}/own.txt`,
  ])
  expect(compiled.stdout).toMatch(/tcp dport 80 .*counter accept comment "own.txt:1"/)
  const missing = await execa(MNPD, ['run', ...cluster(), `--custom-v4-egress-rule-file=${rules}/none.txt`], {
    reject: false,
  })
  expect(missing.exitCode).toBe(2)
  expect(missing.stderr).toMatch(
    /mnpd: --custom-v4-egress-rule-file: '.*none.txt' cannot be read.*expected a file of rules/,
  )
})
