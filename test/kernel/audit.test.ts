/** What an auditor does: looks at saved dumps, holds them against kernel and policies, and cleans up at the end. */
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DaemonProcess, MNPD } from '../daemon.ts'
import { Lab } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'
import { type KubeObject, Manifests, networkObject, podObject, policyObject } from '../manifests.ts'

let lab: Lab
let manifests: Manifests
let dumps: string
let daemon: DaemonProcess
let pod: Pod

const policy = (...ports: readonly number[]): KubeObject =>
  policyObject('x', 'p', 'red', { podSelector: {}, ingress: [{ ports: ports.map((port) => ({ port })) }] })

beforeAll(async () => {
  lab = await Lab.create('audit')
  await lab.segment('red')
  pod = await lab.pod('a', [{ segment: 'red', interface: 'net1', addresses: ['10.1.0.1/24'] }])
  manifests = await Manifests.create()
  dumps = await mkdtemp(join(tmpdir(), 'dumps-'))
  await manifests.save('cluster', [
    networkObject('x', 'red'),
    podObject(pod, { namespace: 'x', networks: { red: 'x/red' } }),
  ])
  await manifests.save('policy', [policy(80)])
  daemon = await start()
})
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]()
  await manifests?.[Symbol.asyncDispose]()
  await lab?.[Symbol.asyncDispose]()
  await rm(dumps, { recursive: true, force: true })
})

async function start(...flags: readonly string[]): Promise<DaemonProcess> {
  const started = await DaemonProcess.start([
    ...cluster(),
    `--pod-iptables=${dumps}`,
    '--log-level=debug',
    ...flags,
  ])
  await started.ready()
  return started
}

const cluster = (): readonly string[] => [`--manifests=${manifests.directory}`, '--hostname-override=n1']

const save = (...objects: readonly KubeObject[]) => manifests.save('policy', objects)

/** The policy is the one of the start, and that is what stands and is dumped. */
async function asAtFirst(): Promise<string> {
  await save(policy(80))
  return await dumped(/tcp dport 80 /)
}

/** The one pod's directory, as soon as `current.nft` matches. */
async function dumped(pattern: RegExp): Promise<string> {
  let directory = ''
  const look = async (): Promise<boolean> => {
    const [name = ''] = (await readdir(dumps)).filter((each) => each !== 'notes.txt')
    directory = join(dumps, name)
    return pattern.test(await readFile(join(directory, 'current.nft'), 'utf8').catch(() => ''))
  }
  await daemon.until(`a dump has ${pattern}`, look, 30_000)
  return directory
}

async function mnpd(
  ...args: readonly string[]
): Promise<{ readonly code: number | undefined; readonly out: string; readonly err: string }> {
  const { exitCode, stdout, stderr } = await execa(MNPD, args, { reject: false })
  return { code: exitCode, out: stdout, err: stderr }
}

const audit = (...args: readonly string[]) => mnpd('audit', ...cluster(), ...args)

test('each change is dumped as the kernel has it, with a head that says what it is, for root alone', async () => {
  const directory = await asAtFirst()
  const current = await readFile(join(directory, 'current.nft'), 'utf8')
  for (const line of [
    '# pod: x/a',
    '# interfaces: net1 on x/red',
    '# policies: x/p (resourceVersion unknown)',
    '# node: n1',
    '# backend: nftables',
  ])
    expect(current).toContain(line)
  expect(current).toMatch(/# time: 20.*\n# digest: [0-9a-f]{32}/)
  expect((await stat(join(directory, 'current.nft'))).mode & 0o777).toBe(0o600)
  expect((await stat(directory)).mode & 0o777).toBe(0o700)
  const written = await readFile(join(directory, 'networkpolicy.nft'), 'utf8')
  expect(written).toContain('delete table inet multi_networkpolicy')
  await save(policy(443))
  await dumped(/tcp dport 443 /)
  const past = (await readdir(join(directory, 'history'))).filter((name) => name.endsWith('.nft')).sort()
  expect(past.length).toBeGreaterThan(1)
  expect(await readFile(join(directory, 'history', past.at(-1) ?? ''), 'utf8')).toContain('dport 443')
  expect(await readFile(join(directory, 'history', past.at(-2) ?? ''), 'utf8')).toContain('dport 80')
})

test('a dump loads as it is', async () => {
  const directory = await asAtFirst()
  const twin = await lab.pod('twin', [])
  await twin.run(['nft', '-f', join(directory, 'current.nft')])
  expect(await twin.run(['nft', 'list', 'ruleset'])).toBe(await pod.run(['nft', 'list', 'ruleset']))
  await lab.removePod(twin)
})

test('audit finds nothing where nothing is wrong, and names each rule that is', async () => {
  await asAtFirst()
  expect(await audit('--dump-dir', dumps)).toMatchObject({ code: 0, out: 'x/a: as it should be' })
  await pod.run(['nft', 'insert rule inet multi_networkpolicy input accept'])
  const drift = await audit()
  expect(drift.code).toBe(1)
  expect(drift.out).toBe('x/a: only in policies (-) or in kernel (+)\n  + chain input: accept')
  const asJson = await audit('--output=json', '--dump-dir', dumps)
  expect(JSON.parse(asJson.out)).toMatchObject({
    pods: [
      {
        pod: 'x/a',
        differences: [
          { between: ['policies', 'kernel'], lines: ['+ chain input: accept'] },
          { between: ['kernel', 'dump'], lines: ['- chain input: accept'] },
        ],
      },
    ],
  })
  await pod.run(['nft', 'delete table inet multi_networkpolicy'])
  const gone = await audit('--pod=x/a')
  expect(gone.code).toBe(1)
  expect(gone.out).toContain('- chain input')
})

test('offline, dumps are held against policies and against each other', async () => {
  await asAtFirst()
  expect(await audit('--offline', '--dump-dir', dumps)).toMatchObject({ code: 0 })
  const later = await Manifests.create()
  await later.save('cluster', [
    networkObject('x', 'red'),
    podObject(pod, { namespace: 'x', networks: { red: 'x/red' } }),
    policy(8080),
  ])
  const held = await mnpd(
    'audit',
    `--manifests=${later.directory}`,
    '--hostname-override=n1',
    '--offline',
    '--dump-dir',
    dumps,
  )
  expect(held.code).toBe(1)
  expect(held.out).toContain('only in policies (-) or in dump (+)')
  expect(held.out).toMatch(/- chain policy-0-ingress: tcp dport == \{ 8080 \}/)
  expect(held.out).toMatch(/\+ chain policy-0-ingress: tcp dport == \{ 80 \}/)
  await later[Symbol.asyncDispose]()

  const copy = await mkdtemp(join(tmpdir(), 'dumps-'))
  await execa('cp', ['-r', `${dumps}/.`, copy])
  expect(await mnpd('audit', '--dump-dir', dumps, '--against', copy)).toMatchObject({
    code: 0,
    out: 'no difference',
  })
  await save(policy(9090))
  await dumped(/tcp dport 9090 /)
  const changed = await mnpd('audit', '--dump-dir', dumps, '--against', copy)
  expect(changed.code).toBe(1)
  expect(changed.out).toMatch(/- chain policy-0-ingress: tcp dport == \{ 9090 \}/)
  await rm(copy, { recursive: true })
})

test('counters say how often each rule of each policy was met', async () => {
  await asAtFirst()
  const peer = await lab.pod('peer', [{ segment: 'red', interface: 'net1', addresses: ['10.1.0.2/24'] }])
  await pod.serve({ tcp: [80, 81] })
  const probe = (port: number) => lab.probe({ from: peer, to: '10.1.0.1', protocol: 'tcp', port })
  expect((await probe(80)).verdict).toBe('open')
  expect((await probe(81)).verdict).toBe('blocked')
  const { out } = await audit('--counters', '--output=json')
  const [{ counters }] = JSON.parse(out).pods
  const packets = (rule: string): number =>
    counters.filter((each: { rule: string }) => each.rule === rule)[0]?.packets
  expect(packets('x/p ingress[0]')).toBeGreaterThan(2)
  expect(packets('no policy allows it')).toBeGreaterThan(0)
  expect((await audit('--counters')).out).toMatch(/ {2}x\/p ingress\[0\] +policy-0-ingress +[0-9]+ +[0-9]+/)
  await lab.removePod(peer)
})

test('what is not ours in the directory is neither read nor removed, and a full disk costs dumps only', async () => {
  const directory = await asAtFirst()
  await writeFile(join(dumps, 'notes.txt'), 'mine')
  await writeFile(join(directory, 'current.txt'), 'mine')
  await symlink('/dev/full', join(directory, 'current.nft.new'))
  await save(policy(7070))
  await dumped(/tcp dport 7070 /)
  // A directory in the way is as good as a full disk: nothing can be written under the name.
  await rm(join(directory, 'networkpolicy.nft'))
  await execa('mkdir', ['-p', join(directory, 'networkpolicy.nft', 'in-the-way')])
  await save(policy(7171))
  await daemon.logged(/rules are not dumped: .*networkpolicy.nft/)
  expect(await pod.run(['nft', 'list', 'ruleset'])).toContain('dport 7171')
  await rm(join(directory, 'networkpolicy.nft'), { recursive: true })
  await dumped(/tcp dport 7171 /)
  await daemon.logged(/dumps are written again/)
  expect(await readFile(join(dumps, 'notes.txt'), 'utf8')).toBe('mine')
  expect(await readFile(join(directory, 'current.txt'), 'utf8')).toBe('mine')
})

test('cleanup takes all of ours away and nothing else, and says what', async () => {
  await daemon.stop()
  await pod.run(['nft', 'add table inet mine'])
  expect(await mnpd('cleanup', ...cluster())).toEqual({
    code: 0,
    out: 'x/a: removed table inet multi_networkpolicy',
    err: '',
  })
  expect((await pod.run(['nft', 'list', 'tables'])).trim()).toBe('table inet mine')
  expect(await mnpd('cleanup', ...cluster())).toMatchObject({ code: 0, out: 'nothing to remove' })
  expect((await audit()).code).toBe(1)
})

test.each([
  [['--offline'], /^mnpd: --offline without --dump-dir; expected/],
  [['--dump-dir=/nowhere'], /^mnpd: --dump-dir: ENOENT.*; expected a directory of dumps/],
  [['--against=/tmp'], /^mnpd: --against without --dump-dir; expected/],
  [['--pod=x/nobody'], /^mnpd: --pod: no pod "x\/nobody" on node n1; expected/],
])('audit %s is a wrong call', async (args, message) => {
  const { code, err } = await audit(...args)
  expect(code).toBe(2)
  expect(err).toMatch(message)
})
