/** The CNI plugin of the gate as the runtime runs it, with the daemon's side of it and real namespaces. */
import { mkdtempDisposable, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { hostView } from '../../src/apply/netns/cri-host.ts'
import { Gate } from '../../src/apply/netns/gate.ts'
import {
  GATE_PLUGIN,
  type GatePluginOptions,
  installGatePlugin,
  removeGatePlugin,
} from '../../src/apply/netns/gate-plugin.ts'
import type { Pod } from '../../src/compile/model.ts'
import { isUnreadable } from '../../src/watch/parse/metadata.ts'
import { parsePod } from '../../src/watch/parse/pod.ts'
import { type SomeNetns, someNetns } from '../unit/apply/netns/some-netns.ts'

const PREVIOUS = { cniVersion: '0.4.0', ips: [{ address: '10.0.0.2/24' }], dns: { search: ['a"}{\\', '{'] } }

let resources: AsyncDisposableStack
let bin: string
let directory: string

beforeEach(async () => {
  resources = new AsyncDisposableStack()
  bin = resources.use(await mkdtempDisposable(join(tmpdir(), 'mnpd-bin-'))).path
  directory = join(resources.use(await mkdtempDisposable(join(tmpdir(), 'mnpd-gate-'))).path, 'gate')
})

afterEach(async () => {
  await resources.disposeAsync()
})

interface Ended {
  readonly code: number | undefined
  readonly printed: unknown
}

async function add(netns: SomeNetns, options: Partial<GatePluginOptions> = {}): Promise<Ended> {
  await installGatePlugin(bin, { directory, timeoutSeconds: 60, onTimeout: 'fail', ...options })
  const { exitCode, stdout } = await execa(join(bin, GATE_PLUGIN), {
    reject: false,
    input: JSON.stringify({ cniVersion: '0.4.0', name: 'x', prevResult: PREVIOUS, type: GATE_PLUGIN }),
    env: {
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: 'sandbox-1',
      CNI_NETNS: netns.path,
      CNI_IFNAME: 'eth0',
      CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=uid-web',
    },
  })
  return { code: exitCode, printed: JSON.parse(stdout) }
}

interface WithLink extends SomeNetns {
  readonly mac: string
}

async function withLink(): Promise<WithLink> {
  const netns = resources.use(await someNetns())
  const ip = async (...args: readonly string[]): Promise<string> =>
    (await execa('nsenter', [`--net=${netns.path}`, 'ip', ...args])).stdout
  await ip('link', 'add', 'net1', 'type', 'veth', 'peer', 'name', 'eth0')
  await ip('address', 'add', '10.1.0.1/24', 'dev', 'net1')
  const [link] = JSON.parse(await ip('-json', 'link', 'show', 'net1')) as readonly [{ address: string }]
  return { ...netns, mac: link.address }
}

/** What network-status tells of net1. */
interface Told {
  readonly name?: string
  readonly default?: boolean
  readonly mac?: string
  readonly ips?: readonly string[]
}

function web(told: readonly Told[], uid = 'uid-web'): Pod {
  const status = told.map((each) => ({ name: 'red', interface: 'net1', ...each }))
  const annotations = { 'k8s.v1.cni.cncf.io/network-status': JSON.stringify(status) }
  const pod = parsePod({ metadata: { namespace: 'shop', name: 'web', uid, annotations } }, 'n1')
  if (isUnreadable(pod)) throw new Error('no pod')
  return pod
}

function openGate() {
  const stop = new AbortController()
  const state: { pod: Pod | undefined; desired: boolean; written?: Pod | undefined } = {
    pod: undefined,
    desired: false,
  }
  const announced = Promise.withResolvers<string>()
  let looks = 0
  const gate = new Gate({
    directory,
    view: hostView(''),
    podOf: () => {
      looks += 1
      return state.pod
    },
    isAsDesired: () => state.desired,
    readPod: async () => state.written ?? state.pod,
    announce: async (name, uid, path) => announced.resolve(`${name} ${uid} ${path}`),
    signal: stop.signal,
  })
  const ran = gate.run()
  resources.defer(async () => {
    stop.abort()
    await ran
  })
  /** Looks come one after the other, and ask twice at most: with the second from now the first has been acted upon. */
  const lookedTwice = async (): Promise<void> => {
    for (const from = looks; looks < from + 4; await setTimeout(1)) gate.poke()
  }
  return { state, lookedTwice, announced: announced.promise }
}

test('the pod starts when network-status tells of all its links and its rules stand, and not before', async () => {
  const netns = await withLink()
  const { mac } = netns
  const { state, lookedTwice, announced } = openGate()
  const adding = add(netns)
  expect(await announced).toBe(`shop/web uid-web ${netns.path}`)
  const steps: readonly (readonly [Pod | undefined, boolean])[] = [
    [undefined, true],
    [web([]), true],
    [web([{ mac }], 'uid-before'), true],
    // As a pod can be created with, before multus has written what is true.
    [web([{}]), true],
    [web([{ ips: ['10.1.0.2'] }]), true],
    [web([{ mac: '02:00:00:00:00:01', ips: ['10.1.0.1'] }]), true],
    [web([{ mac }]), false],
  ]
  for (const [pod, desired] of steps) {
    Object.assign(state, { pod, desired })
    await lookedTwice()
    expect(await readdir(directory)).toContain('sandbox-1.request')
  }
  state.desired = true
  expect(await adding).toEqual({ code: 0, printed: PREVIOUS })
  expect(await readdir(directory)).toEqual([])
})

test('a status without MAC addresses is held against the addresses', async () => {
  const netns = await withLink()
  const { state } = openGate()
  Object.assign(state, { pod: web([{ ips: ['10.1.0.1'] }]), desired: true })
  expect(await add(netns)).toEqual({ code: 0, printed: PREVIOUS })
})

test('a status that is forged to the last letter holds until the one that multus wrote is enforced', async () => {
  const netns = await withLink()
  const { mac } = netns
  const { state, lookedTwice, announced } = openGate()
  const adding = add(netns)
  await announced
  const written = web([{ mac, ips: ['10.1.0.1'] }])
  const forgeries: readonly Told[] = [
    { mac, name: 'open', ips: ['10.1.0.1'] },
    { mac, default: true },
  ]
  for (const told of forgeries) {
    Object.assign(state, { pod: web([told]), written, desired: true })
    await lookedTwice()
    expect(await readdir(directory)).toContain('sandbox-1.request')
  }
  state.pod = web([{ mac, ips: ['10.1.0.1'] }])
  expect(await adding).toEqual({ code: 0, printed: PREVIOUS })
})

test('an interface of the cluster’s network beside eth0 is told of as such', async () => {
  const netns = await withLink()
  const { state } = openGate()
  Object.assign(state, { pod: web([{ default: true }]), desired: true })
  expect(await add(netns)).toEqual({ code: 0, printed: PREVIOUS })
})

test('a request that came while nobody listened is answered', async () => {
  const netns = await withLink()
  const adding = add(netns)
  const { state } = openGate()
  Object.assign(state, { pod: web([{ mac: netns.mac }]), desired: true })
  expect(await adding).toEqual({ code: 0, printed: PREVIOUS })
})

test('a pod with the cluster’s network alone starts although the daemon is gone', async () => {
  const netns = resources.use(await someNetns())
  await execa('nsenter', [`--net=${netns.path}`, 'ip', 'link', 'add', 'eth0', 'type', 'bridge'])
  expect(await add(netns)).toEqual({ code: 0, printed: PREVIOUS })
})

test('without an answer the sandbox fails with the reason, or starts where that is asked for', async () => {
  const netns = await withLink()
  expect(await add(netns, { timeoutSeconds: 1 })).toEqual({
    code: 1,
    printed: {
      cniVersion: '0.4.0',
      code: 11,
      msg: "multi-networkpolicyd has not enforced the pod's policies within 1 s",
    },
  })
  expect(await add(netns, { timeoutSeconds: 1, onTimeout: 'start' })).toEqual({ code: 0, printed: PREVIOUS })
  expect(await readdir(directory)).toEqual([])
})

describe('the plugin', () => {
  const options = { directory: '/run/gate', timeoutSeconds: 30, onTimeout: 'fail' } as const

  test('is put there whole, and again only when it is another', async () => {
    expect(await installGatePlugin(join(bin, 'made'), options)).toBe('installed')
    const { ino, mode } = await stat(join(bin, 'made', GATE_PLUGIN))
    expect(mode & 0o777).toBe(0o755)
    expect(await installGatePlugin(join(bin, 'made'), options)).toBe('up to date')
    expect((await stat(join(bin, 'made', GATE_PLUGIN))).ino).toBe(ino)
    expect(await installGatePlugin(join(bin, 'made'), { ...options, timeoutSeconds: 31 })).toBe('installed')
    expect(await readdir(join(bin, 'made'))).toEqual([GATE_PLUGIN])
    expect(await removeGatePlugin(join(bin, 'made'))).toBe('removed')
    expect(await removeGatePlugin(join(bin, 'made'))).toBe('absent')
  })

  test('of somebody else under that name is left alone', async () => {
    await writeFile(join(bin, GATE_PLUGIN), '#!/bin/sh\nexit 0\n')
    await expect(installGatePlugin(bin, options)).rejects.toThrow(/is not ours/)
    expect(await removeGatePlugin(bin)).toBe('foreign')
    expect(await readFile(join(bin, GATE_PLUGIN), 'utf8')).toBe('#!/bin/sh\nexit 0\n')
  })
})
